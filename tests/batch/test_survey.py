"""What counts as documented: the rules, one claim each."""

from __future__ import annotations

import pytest
from cell_builders import code, file, markdown, sources

from nbcopilot.batch.document import document, lacks
from nbcopilot.batch.survey import has_code, is_glue, survey
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.notebook import document as notebooks

TITLE = markdown("# Sales\n\nHow sales went this year.")
BIG = "def f(x):\n    y = x + 1\n    return y"
BIG2 = "def g(x):\n    y = x + 2\n    return y"


@pytest.mark.parametrize(
    ("source", "language", "expected"),
    [
        ("x = 1", "python", True),
        ("", "python", False),
        ("# only a comment\n# and more", "python", False),
        ("%matplotlib inline\n!pip install x\nf?", "python", False),
        ('"""A licence."""', "python", False),
        ("%load_ext a\nx = 1", "python", True),
        ("%%time\nf()", "python", True),
        ("%%time\n# nothing", "python", False),
        ("%%sql\nselect 1", "python", True),
        ("%%generate\nplot it", "python", False),
        ("%%explain\nf()", "python", False),
        ("#include <iostream>", "c++", True),
        ("// a remark", "c++", False),
        ("-- a remark", "sql", False),
    ],
)
def test_code_is_more_than_comments_and_magics(source: str, language: str, expected: bool) -> None:
    assert has_code(source, language) is expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("df.head()", True),
        ("a = 1\nb = 2", True),
        ("a = 1\nb = 2\nc = 3", False),
        ("import os", False),
        ("for x in y: pass", False),
        ("def f(): pass", False),
        ("text = '''\na\nb\nc\n'''", False),
    ],
)
def test_glue_is_one_or_two_plain_statements(source: str, expected: bool) -> None:
    assert is_glue(source, "python") is expected


def groups(*cells: dict[str, object], language: str = "python") -> list[tuple[tuple[int, ...], str]]:
    found = survey(file(*cells, language=language))
    return [(group.cells, group.state) for group in found.groups]


def test_markdown_directly_above_is_the_explanation() -> None:
    assert groups(TITLE, code(BIG), code(BIG2)) == [((1,), "users"), ((2,), "missing")]


@pytest.mark.parametrize("text", ["## Loading", "![a plot of sales](plot.png)", "https://a.org/b", "---", "Load data"])
def test_a_heading_an_image_or_a_link_explains_nothing(text: str) -> None:
    assert groups(TITLE, markdown(text), code(BIG)) == [((2,), "missing")]


def test_empty_and_magics_only_cells_do_not_come_between() -> None:
    assert groups(TITLE, code("%matplotlib inline"), markdown(" "), code(""), code(BIG)) == [((4,), "users")]


def test_glue_joins_the_cell_above_and_at_the_start_the_cell_below() -> None:
    assert groups(code("n = 3"), code(BIG), code("f(n)"), code(BIG2), code("g(n)")) == [
        ((0, 1, 2), "missing"),
        ((3, 4), "missing"),
    ]


def test_groups_of_glue_are_bounded() -> None:
    assert [len(cells) for cells, _ in groups(*[code(f"x{i} = {i}") for i in range(12)])] == [5, 5, 2]


def test_text_between_cells_separates_groups() -> None:
    found = groups(code("a = f(1)"), markdown("## Next"), code("b = f(2)"))
    assert found == [((0,), "missing"), ((2,), "missing")]


def test_tests_that_we_wrote_need_no_summary() -> None:
    tests = code("def test_f():\n    assert f(1) == 2")
    tests["metadata"] = {"nbcopilot": {"role": "tests"}}
    assert groups(TITLE, code(BIG), tests, code(BIG2)) == [((1,), "users"), ((3,), "missing")]


def test_raw_cells_are_not_explanations_and_not_code() -> None:
    raw = {"cell_type": "raw", "metadata": {}, "source": ["some words of raw text"]}
    assert groups(raw, code(BIG)) == [((1,), "missing")]


@pytest.mark.parametrize(
    ("cells", "overview", "has_title"),
    [
        ([code(BIG), code(BIG2)], "missing", False),
        ([TITLE, code(BIG), code(BIG2)], "users", True),
        ([markdown("# Sales"), code(BIG), code(BIG2)], "missing", True),
        ([markdown("Sales\n====="), code(BIG), code(BIG2)], "missing", True),
        ([markdown("<h1>Sales</h1>"), code(BIG), code(BIG2)], "missing", True),
        ([markdown("## Load"), code(BIG), markdown("## Save"), code(BIG2)], "missing", False),
        ([markdown("## Sales"), code(BIG), markdown("### Save"), code(BIG2)], "missing", True),
        ([markdown("How sales went this year."), code(BIG), code(BIG2)], "users", False),
        ([markdown("# Sales"), code(BIG)], "needless", True),
        ([markdown("# Only text")], "needless", True),
        ([], "needless", False),
    ],
)
def test_title_and_overview_are_looked_for_at_the_top(
    cells: list[dict[str, object]], overview: str, has_title: bool
) -> None:
    found = survey(file(*cells))
    assert (found.overview, found.has_title) == (overview, has_title)


def test_one_group_without_a_title_gets_title_and_summary_in_one_cell() -> None:
    assert survey(file(code(BIG))).combined
    assert not survey(file(code(BIG), code(BIG2))).combined
    assert not survey(file(markdown("![logo](a.png)"), code(BIG))).overview_at


def test_other_languages_are_grouped_by_lines() -> None:
    big = "f <- function(x) {\n  x + 1\n}"
    assert groups(code(big), code("f(2)"), language="R") == [((0, 1), "missing")]


def documented(*cells: dict[str, object]) -> notebooks.NotebookFile:
    return notebooks.loads(document(file(*cells), FakeEngine()).data)


def replaced(book: notebooks.NotebookFile, old: str, new: str) -> notebooks.NotebookFile:
    """`book` with a source changed by its user."""
    cells = [
        {**cell, "source": book.source_value(new)} if notebooks.source_text(cell) == old else cell
        for cell in book.cells
    ]
    return notebooks.loads(book.dumps({**book.content, "cells": cells}))


def test_nothing_is_lacking_in_what_document_wrote() -> None:
    book = documented(code(BIG), code("f(1)"), code(BIG2))
    assert lacks(book) == []
    assert [kind for kind, _ in sources(book.raw)] == ["markdown", "markdown", "code", "code", "markdown", "code"]


def test_only_the_summary_of_an_edited_cell_is_outdated() -> None:
    book = replaced(documented(code(BIG), code(BIG2)), BIG2, BIG2 + "\n# changed")
    assert [(lack.cell, lack.problem) for lack in lacks(book)] == [(5, "summary outdated")]


def test_an_edit_of_any_cell_of_a_group_makes_its_summary_outdated() -> None:
    book = replaced(documented(code(BIG), code("f(1)"), code(BIG2)), "f(1)", "f(2)")
    assert [lack.problem for lack in lacks(book)] == ["summary outdated"]


def test_a_summary_that_the_user_edited_is_an_explanation() -> None:
    book = documented(code(BIG), code(BIG2))
    summary = sources(book.raw)[3][1]
    edited = replaced(book, summary, "My own words on this.")
    assert lacks(edited) == []
    assert lacks(replaced(edited, BIG2, BIG2 + "\n# changed")) == []
    assert lacks(replaced(book, summary, "Mine")) == [], "also when few words are left"


def test_a_summary_without_code_below_is_an_orphan() -> None:
    book = documented(code(BIG), code(BIG2))
    cells = [cell for cell in book.cells if notebooks.source_text(cell) != BIG]
    assert [lack.problem for lack in lacks(notebooks.loads(book.dumps({**book.content, "cells": cells})))] == [
        "summary without code below"
    ]


def test_an_overview_outlives_an_edit_and_not_a_rewrite() -> None:
    cells = [code(f"def f{i}(x):\n    y = x + {i}\n    return y") for i in range(4)]
    book = documented(*cells)
    for i in range(2):
        book = replaced(book, "".join(cells[i]["source"]), f"class New{i}:\n    a = 1\n    b = 2")
    assert "title and overview outdated" not in [lack.problem for lack in lacks(book)]
    book = replaced(book, "".join(cells[2]["source"]), "class New2:\n    a = 1\n    b = 2")
    assert "title and overview outdated" in [lack.problem for lack in lacks(book)]


def test_glue_added_below_a_summarized_cell_needs_no_summary() -> None:
    book = documented(code(BIG), code(BIG2))
    cells = [*book.cells[:3], code("f(3)", "new"), *book.cells[3:]]
    assert lacks(notebooks.loads(book.dumps({**book.content, "cells": cells}))) == []
