"""What an error message asks for: the edit, and nothing but the edit. The messages are those of the libraries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.execution import RunError, Suggestion
from nbcopilot.fixes.quickfixes import QuickFix, for_diagnostic, for_error
from nbcopilot.verdict import Diagnostic

MODULE, OBJECT = "module '{}' has no attribute '{}'", "'{}' object has no attribute '{}'"
BITS = "Cannot perform 'ror_' with a dtyped [object] array and scalar of type [bool]"
FREQUENCY = "Invalid frequency: M. Failed to parse with error message: ValueError(\"'M' is no longer supported.\")"
FOREST = "The 'max_features' parameter of RandomForestClassifier must be an int or None. Got 'auto' instead."
CONCAT = 'first argument must be an iterable of pandas objects, you passed an object of type "DataFrame"'

# (the cell, the error, what the first fix makes of the cell, whether the message names it)
CASES = [
    ('X = df[["size", "rooms"]]; m.fit(X, df["price"])', "ValueError", "Input X contains NaN.",
     'X = df.dropna(subset=["size", "rooms", "price"])[["size", "rooms"]]; m.fit(X, df.dropna(subset=["size", "rooms", "price"])["price"])', False),
    ("x = np.array(y, dtype=np.float)", "AttributeError", MODULE.format("numpy", "float"), "x = np.array(y, dtype=float)", True),
    ("y = numpy.NaN", "AttributeError", "`np.NaN` was removed in the NumPy 2.0 release. Use `np.nan` instead.", "y = numpy.nan", True),
    ("y = np.newer(1)", "AttributeError", "`np.newer` was removed in the NumPy 9.0 release. Use `np.newest` instead.", "y = np.newest(1)", True),
    ("é = 'ü'; t = time.clock()", "AttributeError", MODULE.format("time", "clock"), "é = 'ü'; t = time.perf_counter()", True),
    ("a = collections.Mapping", "AttributeError", MODULE.format("collections", "Mapping"), "a = collections.abc.Mapping", True),
    ("x = scipy.stats.norm", "AttributeError", MODULE.format("scipy", "stats"), "import scipy.stats\nx = scipy.stats.norm", False),
    ("d = d.append({'a': 1}, ignore_index=True)", "AttributeError", OBJECT.format("DataFrame", "append"),
     "d = pd.concat([d, pd.DataFrame([{'a': 1}])], ignore_index=True)", True),
    ("d = d.append(row)", "AttributeError", OBJECT.format("Series", "append"), "d = pd.concat([d, row])", True),
    ("for k, v in d.iteritems(): pass", "AttributeError", OBJECT.format("dict", "iteritems"), "for k, v in d.items(): pass", True),
    ("if d.has_key('a'): pass", "AttributeError", OBJECT.format("dict", "has_key"), "if ('a' in d): pass", True),
    ("y = model.predict_classes(X)", "AttributeError", OBJECT.format("Functional", "predict_classes"),
     "y = np.argmax(model.predict(X), axis=1)", True),
    ("d = d.dropna(how='any', inplace=True)\nd.head()", "AttributeError", OBJECT.format("NoneType", "head"),
     "d = d.dropna(how='any')\nd.head()", True),
    ("from sklearn.preprocessing import Imputer, Normalizer", "ImportError", "cannot import name 'Imputer' from 'sklearn.preprocessing' (a/b.py)",
     "from sklearn.preprocessing import Normalizer\nfrom sklearn.impute import SimpleImputer as Imputer", True),
    ("from sklearn.cross_validation import KFold", "ModuleNotFoundError", "No module named 'sklearn.cross_validation'",
     "from sklearn.model_selection import KFold", True),
    ("import cPickle as pickle, os", "ModuleNotFoundError", "No module named 'cPickle'", "import pickle, os", True),
    ("import Queue\nq = Queue.Queue()", "ModuleNotFoundError", "No module named 'Queue'", "import queue as Queue\nq = Queue.Queue()", True),
    ("for i in xrange(3): pass", "NameError", "name 'xrange' is not defined", "for i in range(3): pass", True),
    ("x = reduce(f, y)", "NameError", "name 'reduce' is not defined", "from functools import reduce\nx = reduce(f, y)", True),
    ("%matplotlib inline\nsns.countplot('a', data=d)", "TypeError", "countplot() got multiple values for argument 'data'",
     "%matplotlib inline\nsns.countplot(x='a', data=d)", True),
    ("sns.barplot(a.index, a)", "TypeError", "barplot() takes from 0 to 1 positional arguments but 2 were given", "sns.barplot(x=a.index, y=a)", True),
    ("d.drop('x', 1)", "TypeError", "DataFrame.drop() takes from 1 to 2 positional arguments but 3 were given", "d.drop('x', axis=1)", True),
    ("plt.hist(x, normed=True, bins=3)", "AttributeError", "Rectangle.set() got an unexpected keyword argument 'normed'",
     "plt.hist(x, density=True, bins=3)", True),
    ("pd.read_csv('x', error_bad_lines=False)", "TypeError", "read_csv() got an unexpected keyword argument 'error_bad_lines'",
     "pd.read_csv('x', on_bad_lines=\"skip\")", True),
    ("f(a, quiet=1)", "TypeError", "f() got an unexpected keyword argument 'quiet'", "f(a)", False),
    ("d = d.fillna(method='bfill')", "TypeError", "NDFrame.fillna() got an unexpected keyword argument 'method'", "d = d.bfill()", True),
    ("r = mean_squared_error(y, p, squared=False)", "TypeError", "got an unexpected keyword argument 'squared'",
     "r = mean_squared_error(y, p) ** 0.5", True),
    ("m = RandomForestClassifier(max_features='auto')", "InvalidParameterError", FOREST, 'm = RandomForestClassifier(max_features="sqrt")', True),
    ("d.groupby('c').mean()", "TypeError", "agg function failed [how->mean,dtype->object]", "d.groupby('c').mean(numeric_only=True)", False),
    ("c = pd.read_csv('a.tsv')", "ParserError", "Error tokenizing data. C error: Expected 1 fields", 'c = pd.read_csv(\'a.tsv\', sep="\\t")', False),
    ("c = pd.read_csv('a.csv')", "UnicodeDecodeError", "'utf-8' codec can't decode byte 0xe9", "c = pd.read_csv('a.csv', encoding=\"latin-1\")", False),
    ("d[(d['r'] == 'A') | d['r'] == 'B']", "TypeError", BITS, "d[(d['r'] == 'A') | (d['r'] == 'B')]", True),
    ("d[d.a == 1 | d.b == 2 & d.c > 3]", "TypeError", "unsupported operand type(s) for |: 'int' and 'str'",
     "d[(d.a == 1) | (d.b == 2) & (d.c > 3)]", True),
    ("d[d.a > 1 and d.b < 2]", "ValueError", "The truth value of a Series is ambiguous.", "d[(d.a > 1) & (d.b < 2)]", False),
    ("d.resample('2M').sum()", "ValueError", FREQUENCY, "d.resample('2ME').sum()", True),
    ("t = d['at'].dt.tz_localize('Asia/Tokyo')", "TypeError", "Already tz-aware, use tz_convert to convert.", "t = d['at'].dt.tz_convert('Asia/Tokyo')", True),
    ("pd.concat(a, b, axis=1)", "TypeError", CONCAT, "pd.concat([a, b], axis=1)", True),
    ("d.groupby('o')['a', 'b'].sum()", "ValueError", "Cannot subset columns with a tuple with more than one element. Use a list instead.",
     "d.groupby('o')[['a', 'b']].sum()", True),
    ("d.g.agg({'lo': 'min', 'hi': 'max'})", "SpecificationError", "nested renamer is not supported", "d.g.agg(lo='min', hi='max')", True),
    ("m.fit(d['a'], y)", "ValueError", "Expected 2D array, got 1D array instead:\narray=[1 2]", "m.fit(d[['a']], y)", False),
    ("d.p.astype(float)", "ValueError", "could not convert string to float: '$2.39 '",
     'd.p.str.replace(r"[$€£¥₹,%\\s]", "", regex=True).astype(float)', False),
    ("d.p.astype('int')", "ValueError", "invalid literal for int() with base 10: 'nan'", 'd.p.astype(float).astype("Int64")', False),
    ("d['x'].dt.year", "AttributeError", "Can only use .dt accessor with datetimelike values", "pd.to_datetime(d['x']).dt.year", False),
    ("print('a' + n + 'b')", "TypeError", 'can only concatenate str (not "int") to str', "print('a' + str(n) + 'b')", False),
    ("r = asyncio.run(main())", "RuntimeError", "asyncio.run() cannot be called from a running event loop", "r = await main()", True),
    ("plt.style.use('seaborn-white')", "OSError", "'seaborn-white' is not a valid package style, path of style file",
     "plt.style.use('seaborn-v0_8-white')", True),
    ("a = history.history['acc'], history.history['val_acc']", "KeyError", "'acc'",
     "a = history.history['accuracy'], history.history['val_accuracy']", True),
    ("x = t.numpy()", "RuntimeError", "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
     "x = t.detach().numpy()", True),
    ("s = loss.data[0]", "IndexError", "invalid index of a 0-dim tensor. Use `tensor.item()` in Python", "s = loss.item()", True),
    ("c['q'][0]", "KeyError", "0", "c['q'].iloc[0]", False),
    ("print 'a', x\ntry:\n    pass\nexcept E, e:\n    pass", "SyntaxError", "Missing parentheses in call to 'print'",
     "print('a', x)\ntry:\n    pass\nexcept E as e:\n    pass", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "name", "message", "mended", "sure"), CASES, ids=[f"{c[1]} {c[0][:40]}" for c in CASES]
)
def test_the_edit_is_what_the_message_asks_for(cell: str, name: str, message: str, mended: str, sure: bool) -> None:
    found = for_error(cell, RunError(name, message))
    assert found and (found[0].source, found[0].sure) == (mended, sure), found


KIND = {"told": ""}
# (the cell, the diagnostic, what the first fix of its rule makes of the cell)
TOLD = [
    ("d['y'] = pd.to_datetime(d['y'])", Diagnostic("NB207", "warning", {"whose": "d", "low": 1960, "high": 2014}),
     "d['y'] = pd.to_datetime(d['y'].astype(str), format=\"%Y\")"),
    ("pd.to_datetime(d.y + 1)", Diagnostic("NB207", "warning", {"whose": "", "low": 1960, "high": 2014}),
     'pd.to_datetime((d.y + 1).astype(str), format="%Y")'),
    ("pd.to_datetime(d.day)", Diagnostic("NB207", "warning", {"whose": "", "low": 20200101, "high": 20201231}),
     'pd.to_datetime(d.day.astype(str), format="%Y%m%d")'),
    ("w = pd.read_csv('w.data')", Diagnostic("NB206", "warning", {"frame": "w", "columns": ["1", "0.5"]}),
     "w = pd.read_csv('w.data', header=None)"),
    ("vol = d['v']\nvol", Diagnostic("NB208", "intent", {**KIND, "wanted": "DataFrame", "name": "vol", "kind": "Series"}),
     "vol = d['v'].to_frame()\nvol"),
    ("d.index + 1", Diagnostic("NB208", "intent", {**KIND, "wanted": "list", "name": "", "kind": "Index"}), "(d.index + 1).tolist()"),
    ("[a, b]", Diagnostic("NB208", "intent", {**KIND, "wanted": "tuple", "name": "", "kind": "list"}), "tuple([a, b])"),
    ("x = dframe + dframe", Diagnostic("NB101", "error", {"name": "dframe", "near": "dframes"}), "x = dframes + dframes"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "diagnostic", "mended"), TOLD, ids=[case[0] for case in TOLD])
def test_a_rule_mends_what_it_tells_from_its_data(cell: str, diagnostic: Diagnostic, mended: str) -> None:
    (fix,) = for_diagnostic(cell, diagnostic)
    assert fix.source == mended and not fix.sure


def test_a_diagnostic_without_a_cure_gets_none() -> None:
    assert for_diagnostic("x = data1", Diagnostic("NB101", "error", {"name": "data1", "near": "data2"})) == ()
    assert for_diagnostic("x = 1", Diagnostic("NB301", "info", {"names": ["x"]})) == ()
    assert for_diagnostic("x (", Diagnostic("NB101", "error", {"name": "x", "near": "y"})) == ()


def test_columns_and_files_come_from_what_the_run_saw() -> None:
    columns = Suggestion("columns", ("Team", "Goals", "Red Cards"), "d")
    error = RunError("KeyError", "'goals'", 1, suggestions=(columns,))
    assert for_error("d[d['goals'] > 6][\"red cards\"]", error)[0].source == "d[d['Goals'] > 6][\"Red Cards\"]"
    files = (Suggestion("files", ("data/a.csv", "b.csv")),)
    error = RunError("FileNotFoundError", "[Errno 2] No such file or directory: 'a.csv'", 1, suggestions=files)
    assert [r.source for r in for_error("pd.read_csv('a.csv')", error)] == ["pd.read_csv('data/a.csv')"]


def test_only_the_statement_that_failed_is_edited() -> None:
    cell = "names.append(1)\nd = d.append(e)\n# d.append(f)\nnames.append(2)"
    found = for_error(cell, RunError("AttributeError", OBJECT.format("DataFrame", "append"), 2))
    assert found[0].source == "names.append(1)\nd = pd.concat([d, e])\n# d.append(f)\nnames.append(2)"


def test_a_name_of_a_module_is_not_taken_for_a_method_of_the_same_name() -> None:
    cell = "a = np.zeros(3, np.float)\nb = tensor.float()\nc = np.float(tensor.float())"
    found = for_error(cell, RunError("AttributeError", MODULE.format("numpy", "float"), 3))
    assert found[0].source == "a = np.zeros(3, float)\nb = tensor.float()\nc = float(tensor.float())"


@pytest.mark.parametrize(
    "error",
    [
        RunError("ValueError", "x must be positive"),
        RunError("ZeroDivisionError", "division by zero"),
        RunError("AttributeError", OBJECT.format("Foo", "bar")),
        RunError("KeyError", "'missing'"),
        RunError("NameError", "name 'table' is not defined"),
        RunError("ValueError", "could not convert string to float: 'Private'"),
    ],
    ids=str,
)
def test_an_error_that_names_no_cure_gets_none(error: RunError) -> None:
    assert for_error("y = f(table.bar['missing'])", error) == ()


@given(st.sampled_from(CASES), st.integers(0, 60), st.text(alphabet="()[]'\".,= \nx%é", max_size=4), st.integers(-1, 5))
def test_broken_cells_and_odd_lines_raise_nothing(
    case: tuple[str, str, str, str, bool], at: int, noise: str, line: int
) -> None:
    cell = case[0][:at] + noise + case[0][at:]
    for fix in for_error(cell, RunError(case[1], case[2], line if line > 0 else None)):
        assert isinstance(fix, QuickFix) and fix.source != cell
