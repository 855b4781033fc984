"""A new cell shows what it found and copies no earlier one."""

from __future__ import annotations

import pytest
from diagnosing import static

from nbcopilot.checks.next_cell import is_next_cell, show
from nbcopilot.checks.registry import message
from nbcopilot.types import Candidate, Cell, Notebook, Task
from nbcopilot.verdict import Diagnostic

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


def repeats(text: str, notebook: Notebook, request: str = "the mean of a") -> list[Diagnostic]:
    return [d for d in static(text, "df", request=request, notebook=notebook) if d.code == "NB212"]


def test_a_copy_of_one_of_the_last_two_cells_is_doubted_and_not_rejected() -> None:
    (found,) = repeats("df . head( )  # first rows", NOTEBOOK)
    assert found.severity == "intent" and message(found) == "The code only repeats cell [2]"
    assert not repeats("df.tail()", NOTEBOOK)
    longer = Notebook((*NOTEBOOK.cells, *(Cell(f"c{i}", "code", f"x = {i}", executed=3 + i) for i in range(2))))
    assert not repeats("df.head()", longer)


def test_cells_that_ask_are_not_counted_among_the_last_ones() -> None:
    asks = (Cell("q", "code", "%%generate\nthe mean", executed=3), Cell("r", "code", "df.mean()", executed=4))
    assert repeats("df.head()", Notebook((*NOTEBOOK.cells, *asks)))
    only_asked = Notebook((Cell("q", "code", "%%generate\nthe mean", executed=1),))
    assert not is_next_cell(Task("generate", "the mean"), only_asked)


@pytest.mark.parametrize(
    ("between", "counts"),
    [("df.dropna(inplace=True)", False), ("df['a'] = 1", False), ("del df", False), ("df = df.head()", False), ("df.tail()", True)],
)  # fmt: skip
def test_a_copy_counts_again_when_a_cell_in_between_changed_what_it_reads(between: str, counts: bool) -> None:
    cells = (Cell("a", "code", "df.isna().sum()", executed=1), Cell("b", "code", between, executed=2))
    assert bool(repeats("df.isna().sum()", Notebook(cells))) is counts


def test_only_a_request_for_a_new_cell_below_code_that_ran_counts() -> None:
    assert is_next_cell(Task("generate", "x"), NOTEBOOK)
    assert not is_next_cell(Task("fix"), NOTEBOOK)
    assert not is_next_cell(Task("generate", "x"), Notebook())


def test_a_name_that_the_request_gives_is_missed_as_a_guess() -> None:
    request = "assign it to a variable called `best`"
    (found,) = static("x = 1", request=request, notebook=NOTEBOOK)
    assert (found.code, found.severity) == ("NB210", "intent")
    assert message(found) == "The code does not use `best`, which the request names"
    assert not static("best = 1", request=request, notebook=NOTEBOOK)
    assert not static("best.append(1)", "best", request=request, notebook=NOTEBOOK)


def test_a_value_that_nobody_sees_is_told() -> None:
    (found,) = static("df.shape\ndf.columns", "df", request="how big is it?", notebook=NOTEBOOK)
    assert found.code == "NB211" and "`df.shape` is not shown" in message(found)
    for text in ("df.plot()\ndf.head()", "'a note'\ndf", "await df\ndf", "df.shape"):
        assert not static(text, "df", request="show it", notebook=NOTEBOOK)


def test_a_cell_that_only_imports_is_doubted() -> None:
    (found,) = static("import json\nimport math", request="Combine the four frames", notebook=NOTEBOOK)
    assert (found.code, found.severity) == ("NB213", "intent")
    assert not static("import math\nmath.e", request="Show e", notebook=NOTEBOOK)
