"""What bears on a request: names, errors, texts, variables."""

from __future__ import annotations

import pytest

from nbcopilot.context import rank
from nbcopilot.types import Cell, ErrorInfo, Notebook, Target, Task, Variable


@pytest.mark.parametrize(
    ("instruction", "names"),
    [
        ("plot df by month", ["df"]),
        ("write a function that sorts a list", []),  # `a` is a name here, and an English word
        ("use `a` twice", ["a"]),
        ("a[0] plus a.mean()", ["a"]),
        ("what is a.", []),
        ("compare df with total_price, then df again", ["df", "total_price"]),
        ("the X matrix", ["X"]),
        ("I think so", []),
        ("plot unknown", []),
    ],
)
def test_names_are_found_in_plain_words(instruction: str, names: list[str]) -> None:
    assert rank.mentioned(instruction, {"df", "a", "total_price", "X", "I", "list2"}) == names


def test_an_instruction_that_is_code_needs_what_its_code_uses() -> None:
    notebook = Notebook(cells=(Cell("1", "code", "import pandas as pd\nrate = 2"),))
    task = Task("generate", "def total(frame: pd.DataFrame):\n    '''Sum times rate.'''")
    assert set(rank.needs(task, notebook)) == {"pd", "rate"}


def test_imports_of_project_modules_are_known_by_module_and_name() -> None:
    notebook = Notebook(cells=(Cell("1", "code", "from lib.tools import clean, load as read\nimport helpers as h"),))
    assert rank.imported(notebook, "h.draw(read(x))", ["h", "read"]) == {("lib.tools", "load"), ("helpers", "draw")}


def error(cell_id: str | None, source: str = "f(0)") -> ErrorInfo:
    return ErrorInfo("ZeroDivisionError", "division by zero", "", cell_id, source)


@pytest.mark.parametrize(
    ("task", "relevant"),
    [
        (Task("fix", target=Target("f(0)", "c1")), True),
        (Task("fix", target=Target("%%fix\nf(0)")), True),
        (Task("fix", target=Target("other()", "c9")), False),
        (Task("explain", target=Target("f(0)", "c1")), True),
        (Task("explain", target=Target("g()", "c2")), False),
        (Task("generate", "why does this fail?"), True),
        (Task("generate", "avoid the ZeroDivisionError"), True),
        (Task("generate", "plot the data"), False),
        (Task("document", target=Target("g()", "c2")), False),
    ],
)
def test_an_error_is_shown_only_when_the_request_is_about_it(task: Task, relevant: bool) -> None:
    assert (rank.relevant_error(task, Notebook(error=error("c1"))) is not None) is relevant
    assert rank.relevant_error(task, Notebook()) is None


def test_text_right_above_is_found_and_far_text_is_not() -> None:
    cells = (Cell("t", "markdown", "# Load"), *(Cell(f"c{i}", "code", "x") for i in range(5)))
    notebook = Notebook(cells=cells)
    assert rank.text_above(notebook, 2) is cells[0] and rank.text_above(notebook, 6) is None
    assert rank.title(notebook) == "Load" and rank.title(Notebook()) == ""


def test_requests_are_no_recent_cells() -> None:
    cells = tuple(
        Cell(str(i), "code", s) for i, s in enumerate(["a = 1", "%%generate\nx", "", "b = 2", "%explain f", "c = 3"])
    )
    assert [cell.source for cell in rank.recent(Notebook(cells=cells), 6, 2)] == ["b = 2", "c = 3"]


FRAME = Variable("df", "DataFrame", "frame", "DataFrame, 2 rows × 2 columns\ncolumns: price int64, city str")


def test_frames_are_found_by_their_columns() -> None:
    (found,) = rank.variables(Task("generate", "mean price per city"), [FRAME], [], {})
    assert found[0] is FRAME and found[1] == "has the column city"


def frame(name: str) -> Variable:
    return Variable(name, "DataFrame", "frame", "DataFrame, 1 rows × 1 columns\ncolumns: a int64")


def chosen(task: Task, needed: list[str], used: dict[str, int]) -> list[str]:
    namespace = [Variable("np", "module", "module", "module numpy"), *(frame(f"f{i}") for i in range(9))]
    return [variable.name for variable, _, _ in rank.variables(task, namespace, needed, used)]


def test_new_code_that_names_no_data_gets_the_newest_and_the_most_used() -> None:
    assert chosen(Task("generate", "go on"), [], {"f8": 5, "f1": 2}) == ["f0", "f1", "f2", "f3", "f8"]


def test_new_code_that_names_data_gets_that_and_no_more() -> None:
    assert chosen(Task("generate", "plot f5"), ["np", "f5"], {"f8": 5}) == ["f5"]


def test_code_in_question_gets_only_what_it_uses() -> None:
    assert chosen(Task("explain", target=Target("x")), ["np"], {"f8": 5}) == []
