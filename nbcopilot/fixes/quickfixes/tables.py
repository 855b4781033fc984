"""What libraries have renamed, moved or removed, and what their own release notes name in its place.

Read when an error says that something is not there: old notebooks and small models write the old names. `{o}` is the
object or module before the dot, `{args}` the arguments of the call as they were written.
"""

from __future__ import annotations

# Attributes of modules. NumPy 1.24 and 2.0, pandas 0.20 to 2.0, SciPy 1.1 to 1.14, Matplotlib 3.9, TensorFlow 2.0,
# networkx 2 and 3, Pillow 10, Python 3.3 to 3.11.
_ABC = (
    "Callable", "Container", "Hashable", "ItemsView", "Iterable", "Iterator", "KeysView", "Mapping", "MappingView",
    "MutableMapping", "MutableSequence", "MutableSet", "Sequence", "Set", "Sized", "ValuesView",
)  # fmt: skip
_TF1 = (
    "placeholder", "Session", "global_variables_initializer", "get_variable", "variable_scope", "ConfigProto", "GPUOptions",
    "reset_default_graph", "get_default_graph", "InteractiveSession", "disable_eager_execution",
)  # fmt: skip
MODULE_ATTRIBUTES: dict[str, dict[str, str]] = {
    "numpy": {
        **{name: name for name in ("float", "int", "bool", "object", "str", "complex")},
        "long": "int", "unicode": "str", "NaN": "{o}.nan", "NAN": "{o}.nan", "Inf": "{o}.inf", "Infinity": "{o}.inf",
        "infty": "{o}.inf", "PINF": "{o}.inf", "NINF": "-{o}.inf", "float_": "{o}.float64", "complex_": "{o}.complex128",
        "unicode_": "{o}.str_", "string_": "{o}.bytes_", "product": "{o}.prod", "cumproduct": "{o}.cumprod",
        "sometrue": "{o}.any", "alltrue": "{o}.all", "in1d": "{o}.isin", "trapz": "{o}.trapezoid",
        "row_stack": "{o}.vstack", "round_": "{o}.round", "mat": "{o}.asmatrix", "rank": "{o}.ndim",
    },
    "pandas": {
        "np": "np", "datetime": "datetime.datetime", "scatter_matrix": "{o}.plotting.scatter_matrix",
        "Int64Index": "{o}.Index", "Float64Index": "{o}.Index", "UInt64Index": "{o}.Index",
    },
    "scipy.integrate": {"simps": "{o}.simpson", "trapz": "{o}.trapezoid", "cumtrapz": "{o}.cumulative_trapezoid"},
    "scipy.stats": {"median_absolute_deviation": "{o}.median_abs_deviation"},
    "scipy.signal": {name: f"{{o}}.windows.{name}" for name in ("hann", "hamming", "gaussian", "blackman", "boxcar")},
    "scipy.misc": {name: f"scipy.special.{name}" for name in ("comb", "factorial", "logsumexp")},
    "matplotlib.cm": {"get_cmap": "plt.get_cmap"},
    "seaborn": {"factorplot": "{o}.catplot", "tsplot": "{o}.lineplot", "distplot": "{o}.histplot"},
    "tensorflow": {
        **{name: f"{{o}}.compat.v1.{name}" for name in _TF1},
        "set_random_seed": "{o}.random.set_seed", "random_normal": "{o}.random.normal", "log": "{o}.math.log",
        "random_uniform": "{o}.random.uniform", "to_float": "{o}.compat.v1.to_float",
    },
    "networkx": {
        "from_pandas_dataframe": "{o}.from_pandas_edgelist", "to_numpy_matrix": "{o}.to_numpy_array", "info": "str",
    },
    "PIL.Image": {"ANTIALIAS": "{o}.LANCZOS", "LINEAR": "{o}.BILINEAR", "CUBIC": "{o}.BICUBIC"},
    "time": {"clock": "{o}.perf_counter"},
    "collections": {name: f"{{o}}.abc.{name}" for name in _ABC},
    "inspect": {"getargspec": "{o}.getfullargspec"},
    "fractions": {"gcd": "math.gcd"},
    "string": {"letters": "{o}.ascii_letters", "uppercase": "{o}.ascii_uppercase", "lowercase": "{o}.ascii_lowercase"},
}  # fmt: skip

# What modules are usually imported as.
ALIASES: dict[str, tuple[str, ...]] = {
    "numpy": ("np",), "pandas": ("pd",), "scipy": ("sp",), "seaborn": ("sns",), "tensorflow": ("tf",), "networkx": ("nx",),
    "matplotlib.cm": ("plt.cm", "mpl.cm"), "matplotlib.pyplot": ("plt",), "scipy.integrate": ("scipy.integrate",),
}  # fmt: skip

# Attributes and methods of objects, whatever object it is: what takes their place, before any parenthesis.
ATTRIBUTES: dict[str, str] = {
    "iteritems": "{o}.items", "itervalues": "{o}.values", "iterkeys": "{o}.keys", "as_matrix": "{o}.to_numpy",
    "get_values": "{o}.to_numpy", "ix": "{o}.loc", "order": "{o}.sort_values", "sort": "{o}.sort_values",
    "weekday_name": "{o}.day_name()", "week": "{o}.isocalendar().week", "weekofyear": "{o}.isocalendar().week",
    "applymap": "{o}.map", "get_feature_names": "{o}.get_feature_names_out", "fit_generator": "{o}.fit",
    "predict_generator": "{o}.predict", "evaluate_generator": "{o}.evaluate", "w_xaxis": "{o}.xaxis",
    "w_yaxis": "{o}.yaxis", "w_zaxis": "{o}.zaxis", "nodes_iter": "{o}.nodes", "edges_iter": "{o}.edges",
    "node": "{o}.nodes", "isAlive": "{o}.is_alive", "tostring": "{o}.tobytes",
    "set_window_title": "{o}.manager.set_window_title",
}  # fmt: skip
# Calls of methods, with their arguments.
CALLS: dict[str, tuple[str, ...]] = {
    "predict_classes": ("np.argmax({o}.predict({args}), axis=1)",),
    "has_key": ("({args} in {o})",),
    "decode": ("{o}",),
    "asscalar": ("{args}.item()",),
    "mad": ("({o} - {o}.mean()).abs().mean()",),
}
# Names that are as likely a slip of another kind.
AMBIGUOUS = frozenset({"sort", "order", "node", "week"})

# Modules: the old path and what it is now.
MODULES: dict[str, str] = {
    "sklearn.cross_validation": "sklearn.model_selection", "sklearn.grid_search": "sklearn.model_selection",
    "sklearn.learning_curve": "sklearn.model_selection", "sklearn.externals.joblib": "joblib", "sklearn.externals.six": "six",
    "sklearn.datasets.samples_generator": "sklearn.datasets", "sklearn.linear_model.logistic": "sklearn.linear_model",
    "sklearn.ensemble.forest": "sklearn.ensemble", "sklearn.neighbors.kde": "sklearn.neighbors",
    "sklearn.tree.tree": "sklearn.tree", "sklearn.cluster.k_means_": "sklearn.cluster",
    "sklearn.decomposition.pca": "sklearn.decomposition", "sklearn.svm.classes": "sklearn.svm",
    "pandas.tools.plotting": "pandas.plotting", "pandas.io.json.json_normalize": "pandas",
    "keras.layers.normalization": "keras.layers", "keras.layers.convolutional": "keras.layers",
    "keras.layers.core": "keras.layers", "keras.layers.recurrent": "keras.layers", "keras.layers.advanced_activations": "keras.layers",
    "keras.layers.embeddings": "keras.layers", "keras.utils.np_utils": "keras.utils", "keras": "tensorflow.keras",
    "keras.preprocessing.text": "tensorflow.keras.preprocessing.text", "plotly.plotly": "chart_studio.plotly",
    "keras.preprocessing.sequence": "tensorflow.keras.preprocessing.sequence",
    "Queue": "queue", "cPickle": "pickle", "StringIO": "io", "cStringIO": "io", "urllib2": "urllib.request",
    "urlparse": "urllib.parse", "ConfigParser": "configparser", "HTMLParser": "html.parser", "httplib": "http.client",
    "__builtin__": "builtins", "Tkinter": "tkinter", "imp": "importlib",
}  # fmt: skip

# Names that are gone from a module: the import that brings them, or what they are now, under the old name.
IMPORTS: dict[tuple[str, str], str] = {
    ("sklearn.preprocessing", "Imputer"): "from sklearn.impute import SimpleImputer as Imputer",
    ("sklearn.externals", "joblib"): "import joblib",
    ("sklearn.externals", "six"): "import six",
    (
        "sklearn.metrics",
        "jaccard_similarity_score",
    ): "from sklearn.metrics import jaccard_score as jaccard_similarity_score",
    ("sklearn.metrics", "plot_confusion_matrix"): "from sklearn.metrics import ConfusionMatrixDisplay\n"
    "plot_confusion_matrix = ConfusionMatrixDisplay.from_estimator",
    ("sklearn.metrics", "plot_roc_curve"): "from sklearn.metrics import RocCurveDisplay\n"
    "plot_roc_curve = RocCurveDisplay.from_estimator",
    ("sklearn.utils", "safe_indexing"): "from sklearn.utils import _safe_indexing as safe_indexing",
    ("scipy", "interp"): "from numpy import interp",
    ("scipy.integrate", "simps"): "from scipy.integrate import simpson as simps",
    ("scipy.integrate", "trapz"): "from scipy.integrate import trapezoid as trapz",
    ("scipy.integrate", "cumtrapz"): "from scipy.integrate import cumulative_trapezoid as cumtrapz",
    ("scipy.misc", "comb"): "from scipy.special import comb",
    ("scipy.misc", "factorial"): "from scipy.special import factorial",
    ("scipy.misc", "imread"): "from matplotlib.pyplot import imread",
    ("pandas.io.json", "json_normalize"): "from pandas import json_normalize",
    ("keras.utils", "np_utils"): "from tensorflow.keras import utils as np_utils",
    ("keras.utils", "to_categorical"): "from tensorflow.keras.utils import to_categorical",
    ("keras.utils", "plot_model"): "from tensorflow.keras.utils import plot_model",
    ("transformers", "AdamW"): "from torch.optim import AdamW",
    ("IPython.core.display", "display"): "from IPython.display import display",
    ("IPython.core.display", "HTML"): "from IPython.display import HTML",
    ("fractions", "gcd"): "from math import gcd",
    **{("collections", name): f"from collections.abc import {name}" for name in _ABC},
}

# Keyword arguments: the new name, "" where it is to go; for a few what stands for `name=False`.
KEYWORDS: dict[str, tuple[str, ...]] = {
    "normed": ("density",), "axisbg": ("facecolor",), "sheetname": ("sheet_name",), "line_terminator": ("lineterminator",),
    "lr": ("learning_rate",), "nb_epoch": ("epochs",), "n_iter": ("max_iter",), "sparse": ("sparse_output",),
    "base_estimator": ("estimator",), "affinity": ("metric",), "shade": ("fill",), "size": ("height", "vector_size"),
    "iter": ("epochs",), "cols": ("columns",), "rows": ("index",), "error_bad_lines": ('on_bad_lines="skip"',),
    "bw": ("bw_method",), "labels": ("tick_labels",), "squared": ("",), "infer_datetime_format": ("",), "squeeze": ("",),
}  # fmt: skip

# Functions of seaborn whose first positional argument is the data now, and was x.
_XY = ("x", "y", "hue")
PLOTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("barplot", "boxplot", "boxenplot", "countplot", "lineplot", "pointplot", "regplot", "scatterplot", "stripplot",
         "swarmplot", "violinplot", "jointplot", "lmplot", "catplot", "relplot", "factorplot"), _XY),
    "kdeplot": ("x", "y"), "histplot": ("x", "y"), "displot": ("x", "y"),
}  # fmt: skip
# Positional arguments that are taken by keyword only now (pandas 2.0, scikit-learn 1.0), all but the first: their names
# in the order in which they were taken.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "drop": ("labels", "axis"), "sort_values": ("by", "axis", "ascending"), "dropna": ("axis", "how"),
    "pivot": ("index", "columns", "values"), "set_axis": ("labels", "axis"), "fillna": ("value", "method"),
    "concat": ("objs", "axis"), "drop_duplicates": ("subset", "keep"), "reset_index": ("level", "drop"),
    "split": ("pat", "n", "expand"), "replace": ("pat", "repl", "n"), "groupby": ("by", "axis"),
    "set_index": ("keys", "drop"), "read_csv": ("filepath_or_buffer", "sep"), "to_csv": ("path_or_buf", "sep"),
    "compute_class_weight": ("class_weight", "classes", "y"), "compute_sample_weight": ("class_weight", "y"),
}  # fmt: skip

# (parameter, value) of scikit-learn that 1.0 to 1.3 took away: what stands for the value now.
VALUES: dict[tuple[str, str], str] = {
    ("max_features", "auto"): '"sqrt"', ("loss", "deviance"): '"log_loss"', ("loss", "log"): '"log_loss"',
    ("loss", "ls"): '"squared_error"', ("loss", "lad"): '"absolute_error"', ("criterion", "mse"): '"squared_error"',
    ("criterion", "mae"): '"absolute_error"', ("penalty", "none"): "None", ("loss", "squared_loss"): '"squared_error"',
    ("algorithm", "full"): '"lloyd"',
}  # fmt: skip

# Built-in names of Python 2, and those that took an import since.
NAMES: dict[str, str] = {
    "xrange": "range", "raw_input": "input", "unicode": "str", "basestring": "str", "long": "int", "unichr": "chr",
}  # fmt: skip
MOVED_NAMES: dict[str, str] = {"reduce": "from functools import reduce", "reload": "from importlib import reload"}

# Frequencies: pandas 2.2 and 3.0 spell them so.
FREQUENCIES: dict[str, str] = {
    "M": "ME", "BM": "BME", "SM": "SME", "CBM": "CBME", "Q": "QE", "BQ": "BQE", "Y": "YE", "A": "YE", "BA": "BYE",
    "BY": "BYE", "AS": "YS", "H": "h", "BH": "bh", "T": "min", "S": "s", "L": "ms", "U": "us", "N": "ns",
}  # fmt: skip
