"""The cell to mend: where the deepest frame lies, or what a failed assertion calls; else the cell that failed."""

from __future__ import annotations

import pytest

from nbcopilot.notebook.fault import at_fault, leading_up
from nbcopilot.types import Cell, ErrorInfo, Notebook

SOURCES = (
    "import math",
    "def area(r):\n    return math.pi * r\n\nclass Box:\n    def volume(self):\n        return 0",
    "def unused():\n    return 1",
)


def notebook(failing: str, name: str = "AssertionError", traceback: str = "", *more: str) -> Notebook:
    sources = (*SOURCES, *more, failing)
    cells = tuple(Cell(f"c{i}", "code", source, executed=i + 1) for i, source in enumerate(sources))
    return Notebook(cells, error=ErrorInfo(name, "", traceback, cells[-1].id, failing))


@pytest.mark.parametrize(
    "failing",
    [
        "assert area(2) > 12",
        "x = area(2)\nassert x > 12",
        "assert round(area(2), 2) == 12.57",
        "assert Box().volume() == 1",
        "box = Box()\nassert box.volume() == 1",
        "for r in range(3):\n    assert area(r) >= r",
    ],
)
def test_a_failed_assertion_points_at_the_definition_of_what_it_calls(failing: str) -> None:
    cell = at_fault(notebook(failing))
    assert cell is not None
    assert cell.id == "c1"


@pytest.mark.parametrize(
    "failing",
    ["assert 1 > 2", "assert len('a') == 2", "x = 1\nassert x == 2", "def g():\n    return 1\n\nassert g() == 2"],
)
def test_an_assertion_about_nothing_defined_above_is_its_own_fault(failing: str) -> None:
    found = at_fault(notebook(failing))
    assert found is not None
    assert found.id == "c3"


@pytest.mark.parametrize(
    "traceback",
    [
        "Cell In[4], line 1\n----> 1 f()\n\nCell In[2], line 2, in area(r)\n----> 2     return x",
        "Input In [4], in <cell line: 1>()\n----> 1 f()\n\nInput In [2], in area(r)\n      1 def",
        "<ipython-input-4-6b970bf11e02> in <module>\n----> 1 f()\n\n<ipython-input-2-6b970bf11e02> in area(r)",
        "/tmp/ipykernel_27/33.py in <module>\n----> 1 f()\n\n/tmp/ipykernel_27/26.py in area(r)\n      1 def area(r)",
        'File "<ipython-input-4-ab>", line 1, in <module>\n  File "<ipython-input-2-ab>", line 2, in area',
        "Cell In[4], line 1\n----> 1 f()\n\nCell In[2], line 2, in area(r)\n\nFile ~/lib/python3.11/x.py:3, in helper(a)",
    ],
)
def test_the_deepest_frame_in_a_cell_is_where_to_look_whatever_ipython_wrote_it(traceback: str) -> None:
    cell = at_fault(notebook("area(None)", "TypeError", traceback))
    assert cell is not None
    assert cell.id == "c1"


@pytest.mark.parametrize("name", ["NameError", "TypeError", "ValueError"])
def test_an_error_of_the_failed_cells_own_line_is_its_own_fault(name: str) -> None:
    found = at_fault(notebook("area(2) + y", name, "Cell In[4], line 1\n----> 1 area(2) + y"))
    assert found is not None
    assert found.id == "c3"


def test_a_cell_that_did_not_end_points_at_what_it_called() -> None:
    found = at_fault(notebook("area(2)", "KeyboardInterrupt"))
    assert found is not None
    assert found.id == "c1"


def test_the_statement_that_failed_counts_not_the_ones_after_it() -> None:
    failing = "y = 1\nassert area(1) > 9\nassert unused() == 1"
    traceback = "Cell In[4], line 2\n      1 y = 1\n----> 2 assert area(1) > 9"
    found = at_fault(notebook(failing, "AssertionError", traceback))
    assert found is not None
    assert found.id == "c1"


def test_no_error_or_an_unknown_cell_gives_nothing() -> None:
    assert at_fault(Notebook()) is None
    assert at_fault(Notebook(error=ErrorInfo("NameError", "x", "", "gone", "x"))) is None


def test_a_cell_that_is_not_python_is_its_own_fault() -> None:
    failing = "assert area( == "
    found = at_fault(notebook(failing))
    assert found is not None
    assert found.id == "c3"


def test_what_lies_between_the_mended_and_the_failed_cell_is_told_from_what_stands_above_both() -> None:
    book = notebook("assert total == 12", "AssertionError", "", "rate = 2", "total = area(3) * rate", "other = area(1)")
    before, between = leading_up(book, "c1")
    assert [cell.id for cell in before] == ["c0"]
    assert [cell.id for cell in between] == ["c3", "c4"]
    assert leading_up(book, "nowhere") == leading_up(Notebook(), "c1") == ((), ())
