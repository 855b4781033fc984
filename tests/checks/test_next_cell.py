"""A new cell shows what it found and copies no earlier one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nbcopilot.checks.next_cell import doubts, is_next_cell, repeated, show, unkept
from nbcopilot.types import Candidate, Cell, Notebook, Task, Variable, Verdict

NOTEBOOK = Notebook((Cell("a", "code", "df = load()", executed=1), Cell("b", "code", "df.head()", executed=2)))


def shown(text: str, instruction: str = "how many rows are there?", *names: str) -> str:
    return show(Candidate(text), Task("generate", instruction), frozenset(names)).text


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("print(df.shape[0])", "df.shape[0]"),
        ("n = len(df)\nprint(n)  # rows", "n = len(df)\nn  # rows"),
        ("é = 'ü'; print(\n    df[é],\n)", "é = 'ü'; df[é]"),
        ("n = len(df)", "n = len(df)\nn"),
    ],
)
def test_a_value_that_was_only_printed_or_named_is_shown(text: str, then: str) -> None:
    assert shown(text) == then


@pytest.mark.parametrize(
    "text",
    [
        "print(f'{n} rows')",
        "print('rows: ' + str(n))",
        "print('{} rows'.format(n))",
        "print('a', n)",
        "print(a)\nprint(b)",
        "for x in df:\n    print(x)",
        "print(*df)",
        "df['a'] = 1",
        "a = b = 1",
        "f = lambda x: x",
        "df",
        "not python (",
        "",
    ],
)
def test_everything_else_is_left_as_it_is(text: str) -> None:
    assert shown(text) == text


def test_a_print_that_was_asked_for_and_a_name_that_was_asked_for_or_is_there_stay() -> None:
    assert shown("print(n)", "print the count") == "print(n)"
    assert shown("total = n + 1", "store it as total") == "total = n + 1"
    assert shown("df = df.dropna()", "drop the gaps", "df") == "df = df.dropna()"
    assert shown("rows = df[df.a > 1]", "all rows not named x") == "rows = df[df.a > 1]\nrows"
    assert shown("points = df.points", "only the column points") == "points = df.points\npoints"


def test_a_copy_of_an_earlier_cell_is_no_answer_unless_it_is_asked_for() -> None:
    copy = Candidate("df . head( )  # first rows")
    found = repeated(copy, Task("generate", "the mean of a"), NOTEBOOK)
    assert found is not None and found.severity == "error" and "cell [2]" in found.message
    assert repeated(copy, Task("generate", "show the head again"), NOTEBOOK) is None
    assert repeated(Candidate("df.tail()"), Task("generate", "the last rows"), NOTEBOOK) is None
    longer = Notebook((*NOTEBOOK.cells, *(Cell(f"c{i}", "code", f"x = {i}", executed=3 + i) for i in range(2))))
    assert repeated(copy, Task("generate", "the first rows"), longer) is None


def test_cells_that_ask_are_not_counted_among_the_last_ones() -> None:
    asks = (Cell("q", "code", "%%generate\nthe mean", executed=3), Cell("r", "code", "df.mean()", executed=4))
    found = repeated(Candidate("df.head()"), Task("generate", "the sum of a"), Notebook((*NOTEBOOK.cells, *asks)))
    assert found is not None and "cell [2]" in found.message
    only_asked = Notebook((Cell("q", "code", "%%generate\nthe mean", executed=1),))
    assert not is_next_cell(Task("generate", "the mean"), only_asked)


@pytest.mark.parametrize(
    ("between", "counts"),
    [("df.dropna(inplace=True)", False), ("df['a'] = 1", False), ("del df", False), ("df = df.head()", False), ("df.tail()", True)],
)  # fmt: skip
def test_a_copy_counts_again_when_a_cell_in_between_changed_what_it_reads(between: str, counts: bool) -> None:
    cells = (Cell("a", "code", "df.isna().sum()", executed=1), Cell("b", "code", between, executed=2))
    found = repeated(Candidate("df.isna().sum()"), Task("generate", "how many gaps are there?"), Notebook(cells))
    assert (found is not None) is counts


def test_only_a_request_for_a_new_cell_below_code_that_ran_counts() -> None:
    assert is_next_cell(Task("generate", "x"), NOTEBOOK)
    assert not is_next_cell(Task("fix"), NOTEBOOK)
    assert not is_next_cell(Task("generate", "x"), Notebook())


def test_a_name_that_was_asked_for_must_be_made() -> None:
    task = Task("generate", "assign it to a variable called `best`")
    assert [f.message for f in unkept(Candidate("x = 1"), Verdict(True), task, NOTEBOOK)] == [
        "the code does not define `best`, which is asked for"
    ]
    assert not unkept(Candidate("best = 1"), Verdict(True), task, NOTEBOOK)
    assert not unkept(Candidate("best.append(1)"), Verdict(True, (), {}, "", {"changes": ["best"]}), task, NOTEBOOK)


def test_a_change_in_place_must_change_something() -> None:
    task, ran = Task("generate", "drop the gaps in place"), {"run": "passed"}
    found = unkept(Candidate("df.dropna()"), Verdict(True, (), ran), task, NOTEBOOK)
    assert "in place" in found[0].message
    changed = Verdict(True, (), ran, "", {"changes": ["df"]})
    assert not unkept(Candidate("df.dropna(inplace=True)"), changed, task, NOTEBOOK)
    assert not unkept(Candidate("df.dropna()"), Verdict(True, (), {"run": "not-run"}), task, NOTEBOOK)


@pytest.mark.parametrize(
    ("text", "request_", "evidence", "part"),
    [
        ("df.shape\ndf.columns", "how big is it?", {}, "`df.shape` is not shown"),
        ("df.set_index('day')", "Set the day as the index", {}, "nothing in memory is changed"),
        ("df.iloc[:3, :]", "Now set the first 3 rows to NaN", {}, "nothing in memory is changed"),
        ("df = df.head()", "What are the first five rows?", {"changes": ["df"]}, "it changes `df`"),
    ],
)
def test_what_may_not_be_meant_is_doubted(text: str, request_: str, evidence: dict[str, list[str]], part: str) -> None:
    (found,) = doubts(Candidate(text), Verdict(True, (), {"run": "passed"}, "", evidence), Task("generate", request_))
    assert part in found.message and found.severity == "warning"


@pytest.mark.parametrize(
    ("text", "request_", "evidence"),
    [
        ("df.plot()\ndf.head()", "plot it and show the head", {}),
        ("'a note'\ndf", "show it", {}),
        ("np.random.seed(0)", "Set the seed to 0", {}),
        ("a + b", "Add a and b", {}),
        ("df = df.set_index('day')", "Set the day as the index", {"changes": ["df"]}),
        ("late = df.dropna()\nlate", "Remove the rows without a day", {"creates": ["late"]}),
        ("df['a'] = 1", "There should be a new column: add it", {"changes": ["df"]}),
        ("df.sort_values('day')", "Sort the rows by day", {}),
    ],
)
def test_the_rest_is_not_doubted(text: str, request_: str, evidence: dict[str, list[str]]) -> None:
    assert not doubts(Candidate(text), Verdict(True, (), {"run": "passed"}, "", evidence), Task("generate", request_))


def test_a_cell_that_only_imports_does_nothing_of_what_is_asked_for() -> None:
    cell = Candidate("import numpy as np\nimport pandas as pd")
    (found,) = unkept(cell, Verdict(True), Task("generate", "Combine the four frames into one"), NOTEBOOK)
    assert "only imports" in found.message
    assert not unkept(cell, Verdict(True), Task("generate", "Import the libraries"), NOTEBOOK)
    assert not unkept(Candidate("import numpy as np\nnp.e"), Verdict(True), Task("generate", "Show e"), NOTEBOOK)


def test_an_empty_result_is_rejected_unless_the_request_or_the_data_reckon_with_it() -> None:
    seen = Verdict(True, (), {"run": "passed"}, "", {"empty": "the result is empty (0 x 9)"})
    cell, task = Candidate("df[df.a == 'x']"), Task("generate", "Select the rows called Texas")
    (found,) = unkept(cell, seen, task, NOTEBOOK)
    assert found.message == "nothing was found: the result is empty (0 x 9)" and found.severity == "error"
    assert not unkept(cell, seen, Task("generate", "Show rows with a missing price, if any"), NOTEBOOK)
    data = Variable("df", "DataFrame", "frame", "DataFrame, 0 rows × 9 columns")
    assert not unkept(cell, seen, task, replace(NOTEBOOK, namespace=(data,)))


def test_more_columns_than_there_are_cannot_be_what_is_asked_for() -> None:
    data = Variable("df", "DataFrame", "frame", "DataFrame, 16 rows × 3 columns\ncolumns: a, b, c")
    wide = Variable("wide", "DataFrame", "frame", "DataFrame, 16 rows × 35 columns")
    notebook, task = replace(NOTEBOOK, namespace=(data, wide)), Task("generate", "Select the first 7 columns")
    (found,) = unkept(Candidate("df.iloc[:, :7]"), Verdict(True), task, notebook)
    assert found.message == "`df.iloc[:, :7]` selects 7 columns, and `df` has 3; `wide` has 35"
    assert unkept(Candidate("df[df.columns[:7]]"), Verdict(True), task, notebook)
    for code in ("df.iloc[:, :3]", "df.iloc[:, :-1]", "df.iloc[:20]", "other.iloc[:, :7]", "df.columns[0]"):
        assert not unkept(Candidate(code), Verdict(True), task, notebook)
