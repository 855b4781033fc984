"""Search-based repair in the sandbox: edits after which the cell that failed holds, each run on the state as it was."""

from __future__ import annotations

from nbcopilot.config import Config
from nbcopilot.judge import Judge
from nbcopilot.proposed_edits import by_search
from nbcopilot.types import Cell, ErrorInfo, Notebook, Target, Task

CONFIG = Config(check_seconds=30)


def near(*sources: str, name: str = "AssertionError") -> list[str]:
    """The edits of the first cell after which the last one holds; those between stand above it."""
    cells = tuple(Cell(f"c{i}", "code", source, executed=i + 1) for i, source in enumerate(sources))
    book = Notebook(cells=cells, error=ErrorInfo(name, "", "", cells[-1].id, sources[-1]))
    task = Task("fix", target=Target(sources[0], "c0", position=0))
    return [candidate.text for candidate in by_search(Judge(CONFIG), task, book)[0]]


BITS = "def bits(n):\n    count = 0\n    while n:\n        n ^= n - 1\n        count += 1\n    return count"


def test_among_edits_that_loop_for_ever_the_one_that_passes_is_found() -> None:
    assert BITS.replace("^", "&") in near(BITS, "assert bits(127) == 7", name="KeyboardInterrupt")


def test_an_edit_sees_nothing_of_those_before_it() -> None:
    cell = "seen.append(2)\ntotal = sum(seen) + 1"
    cells = (Cell("s", "code", "seen = [1]", executed=1), Cell("c", "code", cell, executed=2))
    last = Cell("a", "code", "assert total == 3 and seen == [1, 2]", executed=3)
    book = Notebook(cells=(*cells, last), error=ErrorInfo("AssertionError", "", "", "a", last.source))
    found = by_search(Judge(CONFIG), Task("fix", target=Target(cell, "c", position=1)), book)[0]
    assert "seen.append(2)\ntotal = sum(seen)" in [candidate.text for candidate in found]
    assert all("found by search" in candidate.notes[0] and not candidate.answer_sha256 for candidate in found)


def test_what_held_before_must_hold_after_an_edit() -> None:
    cell = "def mean(t):\n    return sum(t) / (len(t) - 1)"
    alone, beside = (
        near(cell, "assert mean([0, 0]) == 0"),
        near(cell, "assert mean([2, 4, 0]) == 3", "assert mean([5, 5]) == 5"),
    )
    assert not alone or "def mean(t):\n    return sum(t) / len(t)" in alone
    assert "def mean(t):\n    return sum(t) / len(t)" not in beside, "the cell between holds as it is"


def test_where_nothing_says_what_is_right_nothing_is_tried() -> None:
    assert near("def f(t):\n    return t[len(t)]", "f([1, 2])", name="IndexError") == []
    assert near("%%bash\nls", "assert False") == []


def test_an_edit_that_ends_the_process_costs_only_itself() -> None:
    cell = "import os\ndef f(n):\n    if n > 3:\n        os._exit(1)\n    return n"
    assert any("n > 4" in text for text in near(cell, "assert f(4) == 4", name="SystemExit"))
