"""Where answers go, and what a second run of the same request takes the place of."""

from __future__ import annotations

import dataclasses

import pytest
from cell_builders import notebook, passed, provenance, task

from nbcopilot.config import Config
from nbcopilot.hashing import text_hash
from nbcopilot.types import Cell, CellEdit, Notebook, Target, Task
from nbcopilot.write.diff import diff
from nbcopilot.write.plan import edited, plan

BOOK = notebook(("a", "code", "x = 1"), ("p", "code", "%%generate\nplot x"), ("z", "markdown", "the end"))


def written(book: Notebook, edit: CellEdit, *, after: str, text: str | None = None) -> Notebook:
    """`book` with the cells of `edit` in it, the first one perhaps edited by the user."""
    new = [
        Cell(f"n{i}", c.kind, text if text and i == 0 else c.source, metadata=c.metadata)
        for i, c in enumerate(edit.cells)
    ]
    at = (book.index(after) or 0) + 1
    return dataclasses.replace(book, cells=(*book.cells[:at], *new, *book.cells[at:]))


def test_cells_go_below_the_cell_that_asked() -> None:
    edit = plan(task(cell_id="p"), BOOK, [passed("plt.plot(x)")], provenance(), Config())
    assert (edit.after, edit.replaces) == ("p", ())
    assert edit.cells[0].source == "# nbcopilot · qwen2.5-coder-0.5b · ran clean\nplt.plot(x)"
    assert edit.cells[0].metadata["nbcopilot"]["role"] == "code"
    assert edit.cells[0].metadata["nbcopilot"]["source_cell"] == "p"


@pytest.mark.parametrize(
    ("target", "book", "after"),
    [
        ({"position": 0}, BOOK, "a"),
        ({"position": 0, "cell_id": "p"}, BOOK, "a"),
        ({}, BOOK, "z"),
        ({}, dataclasses.replace(BOOK, cursor=0), "a"),
        ({}, Notebook(), None),
        ({"cell_id": "live"}, Notebook(), "live"),
    ],
)
def test_place_follows_position_then_cell_then_cursor_then_the_end(
    target: dict[str, object], book: Notebook, after: str | None
) -> None:
    assert plan(task(**target), book, [passed("y")], provenance(), Config()).after == after


def test_several_answers_keep_their_order() -> None:
    edit = plan(
        task(cell_id="p"), BOOK, [passed("one"), passed("two"), passed("  ")], provenance(), Config(label=False)
    )
    assert [cell.source for cell in edit.cells] == ["one", "two"]


def test_markdown_answers_become_markdown_cells_with_the_label_below() -> None:
    edit = plan(task("explain", cell_id="a"), BOOK, [passed("It sets `x`.", "markdown")], provenance(), Config())
    assert edit.cells[0].kind == "markdown"
    assert edit.cells[0].source.startswith("It sets `x`.\n\n<sub>nbcopilot · ")
    assert edit.cells[0].metadata["nbcopilot"]["role"] == "explanation"


def test_label_can_be_turned_off() -> None:
    assert plan(task(cell_id="p"), BOOK, [passed("y")], provenance(), Config(label=False)).cells[0].source == "y"


def test_the_cell_that_an_answer_is_about_must_not_have_changed() -> None:
    explain = plan(task("explain", cell_id="a"), BOOK, [passed("t", "markdown")], provenance(), Config())
    assert explain.expected == {"a": text_hash("x = 1")}
    assert plan(task(cell_id="p"), BOOK, [passed("t")], provenance(), Config()).expected == {}


def test_a_second_run_replaces_what_the_first_one_wrote() -> None:
    first = plan(task(cell_id="p"), BOOK, [passed("one"), passed("two")], provenance(), Config())
    book = written(BOOK, first, after="p")
    again = plan(task(cell_id="p"), book, [passed("three")], provenance(), Config())
    assert again.replaces == ("n0", "n1")
    assert set(again.expected) == {"n0", "n1"}


def test_a_second_run_leaves_cells_that_the_user_edited_unless_told() -> None:
    first = plan(task(cell_id="p"), BOOK, [passed("one"), passed("two")], provenance(), Config())
    book = written(BOOK, first, after="p", text="mine now")
    again = plan(task(cell_id="p"), book, [passed("three")], provenance(), Config())
    assert again.replaces == ("n1",)
    assert again.after == "n0"
    assert [cell.id for cell in edited(task(cell_id="p"), book)] == ["n0"]
    forced = plan(task(cell_id="p"), book, [passed("three")], provenance(), Config(), overwrite=True)
    assert forced.replaces == ("n0", "n1")


def test_requests_of_another_kind_or_cell_are_not_replaced() -> None:
    book = written(BOOK, plan(task(cell_id="p"), BOOK, [passed("one")], provenance(), Config()), after="p")
    assert plan(task("testgen", cell_id="p"), book, [passed("t")], provenance(), Config()).replaces == ()
    assert plan(task(cell_id="a"), book, [passed("t")], provenance(), Config()).replaces == ()
    assert plan(task(), book, [passed("t")], provenance(), Config()).replaces == ()


def test_tests_of_another_function_in_the_same_cell_are_not_replaced() -> None:
    def tests(name: str) -> Task:
        return Task("testgen", "", Target(cell_id="a", names=(name,)))

    book = written(BOOK, plan(tests("f"), BOOK, [passed("assert f()")], provenance(), Config()), after="a")
    assert plan(tests("g"), book, [passed("assert g()")], provenance(), Config()).replaces == ()
    assert plan(tests("f"), book, [passed("assert f(1)")], provenance(), Config()).replaces == ("n0",)


def test_a_prompt_cell_that_now_names_another_function_replaces_its_earlier_tests() -> None:
    book = notebook(("p", "code", "%testgen f"))
    first = plan(Task("testgen", "", Target(cell_id="p", names=("f",))), book, [passed("t")], provenance(), Config())
    book = written(book, first, after="p")
    again = plan(Task("testgen", "", Target(cell_id="p", names=("g",))), book, [passed("t")], provenance(), Config())
    assert again.replaces == ("n0",)


def test_dry_run_shows_new_and_replaced_cells_as_a_unified_diff() -> None:
    first = plan(task(cell_id="p"), BOOK, [passed("one")], provenance(), Config(label=False))
    assert diff(first, BOOK) == "--- nothing\n+++ code cell below cell p\n@@ -0,0 +1 @@\n+one\n"
    book = written(BOOK, first, after="p")
    again = plan(task(cell_id="p"), book, [passed("two")], provenance(), Config(label=False))
    assert diff(again, book) == "--- code cell n0\n+++ code cell in its place\n@@ -1 +1 @@\n-one\n+two\n"
