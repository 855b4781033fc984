"""Names and slices: what a cell binds, needs and changes, and which cells a piece of code stands on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.notebook import document
from nbcopilot.notebook.dependencies import ancestry, definitions, execution_order, find_definition, names, upstream
from nbcopilot.types import Cell, Notebook

NOTEBOOKS = Path(__file__).parent.parent / "data" / "notebooks"


def notebook(*sources: str, executed: list[int | None] | None = None, history: tuple[str, ...] = ()) -> Notebook:
    counts = executed or [None] * len(sources)
    cells = tuple(Cell(f"c{i}", "code", s, executed=n) for i, (s, n) in enumerate(zip(sources, counts, strict=True)))
    return Notebook(cells=cells, history=history)


def ids(cells: tuple[Cell, ...]) -> list[str]:
    return [cell.id for cell in cells]


# source, defined, used, modified
CASES = [
    ("import numpy as np\nimport os.path", "np os", "", ""),
    ("from a import b, c as d", "b d", "", ""),
    ("df['x'] = np.log(df.y)", "", "df np", "df"),
    ("df.loc[i, 'x'] = 1\na.b.c[0].d = e", "", "df i a e", "df a"),
    ("df.dropna(inplace=True)", "", "df", "df"),
    ("items.append(v); model.fit(X, y)", "", "items v model X y", "items model"),
    ("random.shuffle(deck)", "", "random deck", "deck"),
    ("ax.set_title(t)", "", "ax t", "ax"),
    ("total += price", "total", "total price", "total"),
    ("x: int = 5\ny: Money", "x", "Money", ""),
    ("a, (b, *c) = d", "a b c", "d", ""),
    ("for i in rows:\n    n = i", "i n", "rows", ""),
    ("while (line := read()):\n    pass", "line", "read", ""),
    ("with open(p) as fh, lock:\n    s = fh.read()", "fh s", "p lock", ""),
    ("[x * k for x in xs if (w := x)]", "w", "k xs", ""),
    ("{k: f(v) for k, v in d.items()}", "", "f d", ""),
    ("def f():\n    return [n for n in rows] + [n]", "f", "rows n", ""),
    ("(lambda a, b=c: a + b + z)(1)", "", "c z", ""),
    ("def f(x: T = dflt, *args, **kw) -> R:\n    y = x\n    return y + helper(args)", "f", "T dflt R helper", ""),
    ("def f():\n    global total\n    total = 1", "f total", "", ""),
    ("def f():\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n    return g", "f", "", ""),
    ("@cache(size)\nasync def f():\n    async with s as t:\n        return await t", "f", "cache size s", ""),
    ("class A(B, metaclass=M):\n    x = 1\n    y = x + k\n    def m(self):\n        return x", "A", "B M k x", ""),
    ("try:\n    import a\nexcept ImportError as e:\n    a = e", "a", "", ""),
    ("match p:\n    case {'x': q, **r}: pass\n    case [s, *t] if u: pass", "q r s t", "p u", ""),
    ("if a:\n    b = 1\nelse:\n    b = 2", "b", "a", ""),
    ("print(f'{name!r:>{width}}')", "", "name width", ""),
    ("result = await fetch(url)", "result", "fetch url", ""),
    ("%time y = f(x)", "y", "f x", ""),
    ("%timeit -n 10 g(x)", "", "g x", ""),
    ("%%time\ny = f(x)", "y", "f x", ""),
    ("%%capture out\nprint(x)", "out", "x", ""),
    ("%%timeit k = 1\nf(k, m)", "", "f m", ""),
    ("files = !ls {folder} $name", "files", "folder name", ""),
    ("!pip install pandas", "", "", ""),
    ("df?", "", "df", ""),
    ("%matplotlib inline\nx = 1", "x", "", ""),
    ("if x:\n    %cd {path}\n    y = 1", "y", "x path", ""),
    ("%%R -i df,w -o fit\nfit <- lm(y ~ x, df)", "fit", "df w", ""),
    ("rows = %sql select 1", "rows", "", ""),
    ("%%bash\necho hello", "", "", ""),
    ("%%writefile a.py\nx = y", "", "", ""),
    ("%%generate\nplot df", "", "", ""),
    ("%%explain\nx = y", "", "", ""),
    ("%%testgen\ndef f(): return g()", "f", "g", ""),
    ("%%mystery\nx = y", "x", "y", ""),
    (">>> x = y\n>>> x", "x", "y", ""),
    ("_ = f()\nprint(_)", "_", "f", ""),
    ("print 'a', b\nc = d", "c", "b d", ""),  # Python 2
    ("x = 1 +\ny = z", "x y", "z", ""),  # half typed
]


@pytest.mark.parametrize(("source", "defined", "used", "modified"), CASES)
def test_names_of_a_cell(source: str, defined: str, used: str, modified: str) -> None:
    found = names(source)
    assert (found.defined, found.used, found.modified) == (
        frozenset(defined.split()), frozenset(used.split()), frozenset(modified.split()),
    )  # fmt: skip


def test_deleted_star_late_and_maybe_are_told_apart() -> None:
    found = names("from lib import *\ndel old, df['x']\ndef f(): return g(h)\nif a:\n    b = 1")
    assert found.deleted == {"old"} and found.modified == {"df"} and found.stars == ("lib",)
    assert found.late == {"g", "h"} and found.maybe == {"b"}
    assert names("%run setup.py").stars and names("%pylab inline").stars


def test_other_languages_are_read_by_patterns() -> None:
    found = names("fit <- lm(y, data)  # x <- 1\nprint(fit)", "r")
    assert "fit" in found.defined and {"lm", "data"} <= found.used and "x" not in found.defined
    assert names("const total = items.length;", "javascript").defined == {"total"}


@given(st.text())
def test_names_never_raises(source: str) -> None:
    names(source)
    names(source, "r")
    definitions(source)


@pytest.mark.parametrize(
    "source", ["(" * 5000, "-" * 100_000, "x = " + "1+" * 50_000 + "1", "a." * 20_000 + "b", "\0", "%%", "\ud800 = 1", "f(" * 300 + ")" * 300]
)  # fmt: skip
def test_extreme_sources_do_not_raise(source: str) -> None:
    names(source)


# --------------------------------------------------------------------------- slices


def test_the_slice_holds_what_the_code_stands_on_and_nothing_else() -> None:
    found = notebook("import pandas as pd", "x = 1", "df = pd.read_csv('a')", "y = x", "df['z'] = 2", "other = 3")
    assert ids(upstream(found, "df.mean()")) == ["c0", "c2", "c4"]


def test_a_rebinding_hides_what_came_before() -> None:
    assert ids(upstream(notebook("df = a()", "df['x'] = 1", "df = b()", "df['y'] = 1"), "df")) == ["c2", "c3"]
    assert ids(upstream(notebook("df = 1", "if flag:\n    df = 2"), "df")) == ["c0", "c1"]


def test_functions_look_names_up_when_they_are_called() -> None:
    assert ids(upstream(notebook("def f(): return g()", "def g(): return rate", "rate = 2"), "f()")) == [
        "c0",
        "c1",
        "c2",
    ]


def test_order_is_that_of_execution() -> None:
    found = notebook("price = base * rate", "rate = 2", "base = 3", executed=[9, 1, 2])
    assert ids(upstream(found, "price")) == ["c1", "c2", "c0"]
    assert ids(tuple(execution_order(found))) == ["c1", "c2", "c0"]


def test_a_cell_that_ran_later_does_not_count_for_one_that_ran_before_it() -> None:
    found = notebook("y = x", "x = 2", executed=[2, 5])
    assert ids(upstream(found, "y = x", 0)) == []
    assert ids(upstream(found, "y = x")) == ["c1"]  # for a new cell it does


def test_hidden_state_is_found_below_the_cell() -> None:
    cells = document.read(NOTEBOOKS / "hidden_state.ipynb").snapshot()
    assert ids(upstream(cells, cells.cells[0].source, 0)) == ["h2", "h3"]


def test_deleted_cells_are_known_by_history() -> None:
    found = notebook("y = x + 1", executed=[2], history=("x = 41", "y = x + 1"))
    assert [cell.source for cell in upstream(found, "y")] == ["x = 41", "y = x + 1"]


def test_cells_below_that_did_not_run_do_not_count() -> None:
    found = notebook("a = 1", "b = a", "a = 2")
    assert ids(upstream(found, "b = a", 1)) == ["c0"]


def test_star_imports_answer_for_names_that_nothing_binds() -> None:
    assert ids(upstream(notebook("from lib import *", "x = 1"), "magic(x)")) == ["c0", "c1"]


def test_cells_that_need_each_other_end() -> None:
    assert ids(upstream(notebook("def f(): return g()", "def g(): return f()"), "f()")) == ["c0", "c1"]


# --------------------------------------------------------------------------- ancestry


def test_ancestry_counts_steps_and_is_precise_to_the_statement() -> None:
    found = notebook("raw = 1", "junk = 2", "df = raw\nother = junk", "df['x'] = 1")
    assert [(cell.id, steps) for cell, steps in ancestry(found, ["df"])] == [("c0", 2), ("c2", 1), ("c3", 1)]
    assert ids(upstream(found, "df")) == ["c0", "c1", "c2", "c3"]  # to run c2, c1 must run


def test_ancestry_follows_functions_of_one_cell_in_any_order() -> None:
    found = notebook("rate = 2\nunused = 1", "def f(): return g()\ndef g(): return rate\ndef h(): return unused")
    assert [(cell.id, steps) for cell, steps in ancestry(found, ["f"])] == [("c0", 2), ("c1", 1)]


# --------------------------------------------------------------------------- definitions


def test_definitions_come_with_source_signature_docstring_and_line() -> None:
    source = '%%time\n@deco\ndef f(a: int = 1, *b, c) -> str:\n    """Say it.\n\n    More."""\n    return a\n\nclass C(B):\n    x = 1'
    f, c = definitions(source)
    assert (f.name, f.kind, f.line) == ("f", "function", 2)
    assert f.signature == "def f(a: int=1, *b, c) -> str" and f.docstring.startswith("Say it.")
    assert f.source.startswith("@deco\ndef f") and f.source.endswith("return a")
    assert (c.kind, c.signature, c.line) == ("class", "class C(B)", 9)


def test_definitions_under_conditions_are_found_dedented() -> None:
    (found,) = definitions("if x:\n    def f():\n        return 1")
    assert found.source == "def f():\n    return 1"


def test_the_definition_that_ran_last_is_found_with_its_cell() -> None:
    found = notebook("def f(): return 1", "def f(): return 2", executed=[4, 3])
    definition = find_definition(found, "f")
    assert definition is not None and (definition.cell_id, definition.source) == ("c0", "def f(): return 1")
    assert find_definition(found, "g") is None


def test_methods_are_found_by_their_class() -> None:
    found = find_definition(notebook("class A:\n    def m(self, x):\n        return x"), "A.m")
    assert found is not None and (found.name, found.signature, found.line) == ("A.m", "def m(self, x)", 2)
    assert find_definition(notebook("class A: pass"), "A.m") is None
