"""Which package brings an import: names whose pip name differs, and whether a module is there, without importing it."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from nbcopilot.notebook import syntax

# import name -> pip name, where they differ. The ones that people get wrong, not a list of all.
PIP_NAMES = {
    "Bio": "biopython", "Crypto": "pycryptodome", "OpenSSL": "pyOpenSSL", "PIL": "Pillow", "attr": "attrs",
    "bs4": "beautifulsoup4", "cairosvg": "CairoSVG", "cv2": "opencv-python", "dateutil": "python-dateutil",
    "docx": "python-docx", "dotenv": "python-dotenv", "faiss": "faiss-cpu", "fitz": "PyMuPDF", "git": "GitPython",
    "github": "PyGithub", "gi": "PyGObject", "google.cloud.bigquery": "google-cloud-bigquery",
    "google.cloud.storage": "google-cloud-storage", "google.generativeai": "google-generativeai", "graphviz": "graphviz",
    "imblearn": "imbalanced-learn", "IPython": "ipython", "jose": "python-jose", "jwt": "PyJWT", "kafka": "kafka-python",
    "ldap": "python-ldap", "Levenshtein": "python-Levenshtein", "lxml": "lxml", "magic": "python-magic", "MySQLdb": "mysqlclient",
    "mpl_toolkits": "matplotlib", "nacl": "PyNaCl", "osgeo": "GDAL", "pkg_resources": "setuptools", "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary", "pylab": "matplotlib", "pythoncom": "pywin32", "pywt": "PyWavelets", "ruamel": "ruamel.yaml",
    "serial": "pyserial", "skimage": "scikit-image", "sklearn": "scikit-learn", "skopt": "scikit-optimize",
    "slugify": "python-slugify", "snappy": "python-snappy", "socks": "PySocks", "telegram": "python-telegram-bot",
    "umap": "umap-learn", "usb": "pyusb", "websocket": "websocket-client", "win32api": "pywin32", "xdg": "pyxdg",
    "yaml": "PyYAML", "zmq": "pyzmq",
}  # fmt: skip


def pip_name(module: str) -> str:
    """The name to give to pip for an import: `scikit-learn` for `sklearn.linear_model`."""
    parts = module.split(".")
    for size in range(len(parts), 0, -1):
        found = PIP_NAMES.get(".".join(parts[:size]))
        if found:
            return found
    return parts[0]


def is_installed(module: str, folders: Sequence[Path] = ()) -> bool:
    """Whether `import module` would find its top-level package here or in `folders`; nothing is imported."""
    top = module.split(".")[0]
    if top in sys.modules or top in sys.builtin_module_names:
        return True
    try:
        if importlib.util.find_spec(top) is not None:
            return True
    except (ImportError, ValueError, AttributeError):
        return True  # something there that does not like to be looked at
    return any((folder / top).is_dir() or (folder / f"{top}.py").is_file() for folder in folders)


def submodule_is_missing(module: str) -> bool:
    """Whether a dotted import names a submodule that an installed package does not have.

    False whenever that cannot be told without importing (packages that make their modules up as they go).
    """
    parts = module.split(".")
    if len(parts) < 2 or module in sys.modules or hasattr(sys.modules.get(parts[0]), parts[1]):
        return False
    try:
        spec = importlib.util.find_spec(parts[0])
        for depth in range(2, len(parts) + 1):
            if spec is None or not spec.submodule_search_locations or not _is_plain(spec):
                return False
            spec = importlib.machinery.PathFinder.find_spec(
                ".".join(parts[:depth]), list(spec.submodule_search_locations)
            )
            if spec is None:
                return depth == 2 or ".".join(parts[:depth]) == module
    except (ImportError, ValueError, AttributeError):
        return False
    return False


def _is_plain(spec: importlib.machinery.ModuleSpec) -> bool:
    """Whether the package's __init__ neither resolves names lazily nor registers modules itself."""
    if not spec.origin or not spec.origin.endswith("__init__.py"):
        return False
    try:
        text = Path(spec.origin).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return not any(word in text for word in ("__getattr__", "sys.modules", "lazy", "extend_path", "__path__"))


@lru_cache(maxsize=1024)
def packages_of(source: str) -> frozenset[str]:
    """Top-level packages that a cell imports; none for what is no Python."""
    try:
        return frozenset(module.split(".")[0] for module, *_ in imported(syntax.parse(source)))
    except SyntaxError:
        return frozenset()


def imported(tree: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """(dotted module, line, whether a failing import is caught) for every absolute import."""
    stack: list[tuple[ast.AST, bool]] = [(tree, False)]
    while stack:
        node, guarded = stack.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, guarded
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module, node.lineno, guarded
        caught = isinstance(node, ast.Try) and bool(node.handlers)
        for child in reversed(list(ast.iter_child_nodes(node))):
            inside = caught and isinstance(node, ast.Try) and child in node.body
            stack.append((child, guarded or inside or isinstance(node, ast.ExceptHandler)))


# The import that people mean by a bare name; also what mend adds when it is missing.
USUAL_IMPORTS = {
    "np": "import numpy as np", "pd": "import pandas as pd", "plt": "import matplotlib.pyplot as plt",
    "sns": "import seaborn as sns", "sp": "import scipy as sp", "sm": "import statsmodels.api as sm", "tf": "import tensorflow as tf",
    "nn": "from torch import nn", "F": "import torch.nn.functional as F", "px": "import plotly.express as px",
    "go": "import plotly.graph_objects as go", "mpl": "import matplotlib as mpl",
    **{name: f"import {name}" for name in (
        "math", "random", "re", "os", "sys", "json", "itertools", "functools", "collections", "string", "datetime", "time",
        "heapq", "bisect", "operator", "copy", "statistics", "csv", "io", "hashlib", "decimal", "fractions", "cmath",
        "pathlib", "typing", "warnings", "textwrap", "calendar", "struct", "base64", "glob", "shutil", "pickle", "sqlite3",
        "numpy", "pandas", "scipy", "sklearn", "torch", "matplotlib", "seaborn",
    )},
    **{name: f"from typing import {name}" for name in (
        "List", "Dict", "Tuple", "Set", "Optional", "Union", "Any", "Callable", "Iterable", "Iterator", "Sequence",
        "Mapping", "Generator", "Literal", "TypeVar", "Generic", "NamedTuple", "FrozenSet", "DefaultDict",
    )},
    **{name: f"from collections import {name}" for name in ("Counter", "defaultdict", "deque", "OrderedDict", "namedtuple")},
    **{name: f"from itertools import {name}" for name in ("combinations", "permutations", "product", "accumulate", "groupby", "chain")},
    **{name: f"from functools import {name}" for name in ("reduce", "lru_cache", "partial", "cache")},
    **{name: f"from datetime import {name}" for name in ("timedelta",)},
    "Path": "from pathlib import Path", "dataclass": "from dataclasses import dataclass", "Decimal": "from decimal import Decimal",
    "Fraction": "from fractions import Fraction", "Enum": "from enum import Enum", "ABC": "from abc import ABC",
    "abstractmethod": "from abc import abstractmethod", "sqrt": "from math import sqrt", "ceil": "from math import ceil",
    "floor": "from math import floor", "gcd": "from math import gcd", "pi": "from math import pi",
}  # fmt: skip
