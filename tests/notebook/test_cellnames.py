"""Names that are missing: as pyflakes has them for plain Python, and three-valued where a magic may bind anything."""

from __future__ import annotations

import ast
import os
import warnings
from pathlib import Path

import pytest
from pyflakes import checker, messages

from nbcopilot.checking import check
from nbcopilot.config import Config
from nbcopilot.notebook import cellnames, syntax
from nbcopilot.notebook.scopes import BUILTINS
from nbcopilot.types import Candidate, Cell, Notebook, Task

LIBRARY = Path(os.__file__).parent


def undefined(source: str, known: str = "") -> list[tuple[str, int, bool]]:
    found = cellnames.undefined(syntax.parse(source), frozenset(known.split()))
    return [(one.name, one.line, one.certain) for one in found]


def test_names_that_are_missing_are_those_that_pyflakes_finds_in_the_standard_library() -> None:
    wrong = []
    for path in sorted(LIBRARY.glob("*.py"))[::3]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_text(encoding="utf-8"))
        found = checker.Checker(tree, filename=path.name, builtins=BUILTINS).messages
        theirs = {str(m.message_args[0]) for m in found if isinstance(m, messages.UndefinedName)}
        ours = {one.name for one in cellnames.undefined(tree) if one.certain}
        wrong += [(path.name, name) for name in theirs ^ ours]
    assert not wrong


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("x = y\nz = y", [("y", 1, True)]),
        ("def f():\n    return later\nlater = 1", []),
        ("def f():\n    return never", [("never", 2, True)]),
        ("del x", [("x", 1, True)]),
        ("x = 1\ndel x\nx", [("x", 3, True)]),
        ("try:\n    df\nexcept NameError:\n    df = 1\ndef f(): return df", []),
        ("try:\n    df\nexcept ValueError:\n    df = 1", [("df", 2, True)]),
        ("class A:\n    a = 1\n    def f(self, b=a): return __class__, b\n    c = [a for _ in 'x']", [("a", 4, True)]),
        ("from math import *\nsin(1)", [("sin", 2, False)]),
        ("_3 + _i2 + Out[1] + get_ipython()", []),
        ("%time f(x)", [("f", 1, True), ("x", 1, True)]),
        ("a = 1\n%timeit -n 3 b = a + c", [("c", 2, True)]),
        ("df?\n!echo $nothing {nobody}", []),
        ("%run helper.py\nscale(x)", [("scale", 2, False), ("x", 2, False)]),
        ("%store -r x\nx + y", [("y", 2, True)]),
    ],
)  # fmt: skip
def test_names_that_are_missing(source: str, missing: list[tuple[str, int, bool]]) -> None:
    assert undefined(source) == missing


@pytest.mark.parametrize(
    "above", ["%run helper.py", "%run other.ipynb", "%load x.py", "%pylab inline", "from helper import *", "%rerun 1-3"]
)
def test_what_a_cell_above_may_have_bound_is_unknown_and_no_error(above: str) -> None:
    notebook = Notebook((Cell("a", "code", above), Cell("b", "code", "x = scale_all(3)")))
    verdict = check(Candidate("x = scale_all(3)"), Task("generate", "scale it"), notebook, Config(), upstream=[above])
    assert verdict.ok
    assert [d.severity for d in verdict.diagnostics if d.code == "NB101"] == ["info"]


@pytest.mark.parametrize(
    "above", ["%%capture out\nprint(1)", "%store -r out", "%%sql out << select 1", "%%R -o out\nout <- 1"]
)
def test_what_a_magic_binds_by_name_is_defined(above: str) -> None:
    assert "out" in cellnames.defined_in(above)


def test_what_is_defined_counts_imports_and_stars_apart() -> None:
    tree = ast.parse(
        "import os\nfrom math import *\nif os:\n    x = 1\ntry:\n    pass\nexcept ValueError as e:\n    y = 1"
    )
    assert cellnames.defined(tree) == {"os", "x", "y", "*"}
    assert cellnames.defined(tree, imports=False) == {"x", "y"}
