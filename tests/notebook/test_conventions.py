"""What other programs say of a cell, held against every stage that must know it: convention x stage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from nbcopilot.batch.document import document
from nbcopilot.batch.survey import survey
from nbcopilot.config import Config
from nbcopilot.context.gather import gather
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.errors import EditConflictError
from nbcopilot.hashing import text_hash
from nbcopilot.inference import Prompt
from nbcopilot.notebook import conventions, dependencies
from nbcopilot.notebook.document import NotebookFile, loads, source_text
from nbcopilot.notebook.fault import at_fault
from nbcopilot.notebook.labels import labelled, unlabelled
from nbcopilot.notebook.language import cell_language
from nbcopilot.types import CellEdit, Context, NewCell, Target, Task
from nbcopilot.write.cells import edited, strip
from nbcopilot.write.provenance import cell_metadata

CODE = "totals = []\nfor row in range(3):\n    totals.append(row)\nprint(totals)"


def book(*cells: tuple[str, str, Mapping[str, Any]], error_in: int | None = None) -> NotebookFile:
    made: list[dict[str, Any]] = []
    for i, (kind, source, metadata) in enumerate(cells):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"c{i}", "metadata": dict(metadata), "source": source}
        if kind == "code":
            error = {"output_type": "error", "ename": "NameError", "evalue": "name 'x'", "traceback": ["NameError: x"]}
            cell |= {"execution_count": i + 1, "outputs": [error] if error_in == i else []}
        made.append(cell)
    node = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return loads(json.dumps(node).encode(), "book.ipynb")


class Listening(FakeEngine):
    """The fake engine, which keeps every text that it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def generate(self, prompts: Any, sampling: Any, *args: Any, **options: Any) -> Any:
        for prompt in prompts if isinstance(prompts, list | tuple) else [prompts]:
            self.heard += [message.content for message in prompt.messages] if isinstance(prompt, Prompt) else []
        return super().generate(prompts, sampling, *args, **options)


def documented(file: NotebookFile) -> tuple[list[dict[str, Any]], str]:
    """The cells after `document`, and all that the model was asked."""
    engine = Listening()
    return loads(document(file, engine).data).cells, "\n".join(engine.heard)


def context(file: NotebookFile, task: Task) -> Context:
    return gather(task, file.snapshot(), count=len, budget=100_000, config=Config())


# --------------------------------------------------------------------------- cells that are meant to fail, or not to run

FAILS = [{"tags": ["raises-exception"]}, {"tags": ["Raises-Exception"]}, {"tags": ["nbval-raises-exception"]}]


@pytest.mark.parametrize("metadata", FAILS)
def test_an_error_that_is_meant_is_no_failure(metadata: dict[str, Any]) -> None:
    meant = book(("code", "x = 1", {}), ("code", "1 / 0", metadata), error_in=1)
    assert meant.snapshot().error is None
    other = book(("code", "1 / 0", {}), ("code", "y", {}), error_in=0)
    assert other.snapshot().error is not None


def test_the_directive_says_the_same_as_the_tag_and_only_at_the_top() -> None:
    assert conventions.expects_error("#| error: true\n1 / 0", {})
    assert not conventions.expects_error("x = 1\n#| error: true", {})


@pytest.mark.parametrize(
    ("source", "metadata"),
    [
        ("x = 1", {"tags": ["skip-execution"]}),
        ("x = 1", {"tags": ["nbval-skip"]}),
        ("#| eval: false\nx = 1", {}),
        ("%%script false\nx = 1", {}),
    ],
)
def test_a_cell_that_is_passed_over_is_nothing_to_stand_on(source: str, metadata: dict[str, Any]) -> None:
    notebook = book(("code", source, metadata), ("code", "print(x)", {})).snapshot()
    fresh = type(notebook)(cells=tuple(type(c)(c.id, c.kind, c.source, metadata=c.metadata) for c in notebook.cells))
    assert dependencies.execution_order(fresh, 1) == []
    assert len(dependencies.execution_order(notebook, 1)) == 2, "one that has run counts"


# --------------------------------------------------------------------------- who reads it

LEFT_OUT: list[tuple[str, dict[str, Any]]] = [
    (CODE, {"tags": ["remove-cell"]}),
    (CODE, {"tags": ["remove_cell"]}),
    (CODE, {"tags": ["hide-cell"]}),
    (CODE, {"nbsphinx": "hidden"}),
    (f"#| include: false\n{CODE}", {}),
    (f"#| hide\n{CODE}", {}),
    (f"# | hide\n{CODE}", {}),
    (f"# HIDE\n{CODE}", {}),
    (f"#hide\n{CODE}", {}),
    (f"%%time\n#| hide\n{CODE}", {}),
    (CODE, {"tags": ["injected-parameters"]}),
]


@pytest.mark.parametrize(("source", "metadata"), LEFT_OUT)
def test_what_the_page_leaves_out_gets_no_text(source: str, metadata: dict[str, Any]) -> None:
    file = book(("markdown", "# Title\n\nWords about all of it.", {}), ("code", source, metadata))
    assert survey(file).groups == ()
    assert documented(file)[1] == ""


@pytest.mark.parametrize(
    ("source", "metadata"),
    [
        (CODE, {"tags": ["hide-input"]}),
        (CODE, {"jupyter": {"source_hidden": True}}),
        (CODE, {"cellView": "form"}),
        (CODE, {"_kg_hide-input": True}),
        (f"#| echo: false\n{CODE}", {}),
    ],
)
def test_code_that_readers_do_not_see_is_known_and_documented(source: str, metadata: dict[str, Any]) -> None:
    assert conventions.hides_code(source, metadata) and not conventions.is_left_out(source, metadata)
    assert len(survey(book(("code", source, metadata))).groups) == 1


MARKED = [
    ("def median(values):\n    ### BEGIN SOLUTION\n    ordered_secret = 1\n    ### END SOLUTION\n    return 2", {}),
    ("def median(values):\n    # BEGIN SOLUTION\n    ordered_secret = 1\n    # END SOLUTION", {}),
    ("assert 1\n### BEGIN HIDDEN TESTS\nordered_secret = 1\n### END HIDDEN TESTS", {}),
    ("def f():\n    pass\nx = ordered_secret + 1  # SOLUTION", {}),
    ("def f():\n    pass\n### BEGIN SOLUTION\nordered_secret = 1", {}),
]


@pytest.mark.parametrize(("source", "metadata"), MARKED)
def test_no_text_and_no_prompt_tells_a_solution(source: str, metadata: dict[str, Any]) -> None:
    cells = (("code", source, metadata), ("code", CODE + "\nmedian(totals)", {}))
    after, heard = documented(book(*cells))
    assert "ordered_secret" not in heard
    assert not any("ordered_secret" in source_text(cell) for cell in after if cell["cell_type"] == "markdown")
    for kind in ("generate", "fix", "explain", "testgen"):
        task = Task(kind, "what median gives", Target("median(totals)", "c1", position=1))  # type: ignore[arg-type]
        assert "ordered_secret" not in " ".join(s.text for s in context(book(*cells), task).snippets)
    own = context(book(*cells), Task("explain", "", Target(source, "c0", position=0)))
    assert "ordered_secret" not in " ".join(s.text for s in own.snippets)


def test_a_cell_that_is_a_solution_as_a_whole_gets_no_text() -> None:
    whole = {"nbgrader": {"solution": True, "grade": False, "locked": False}}
    assert survey(book(("code", CODE, whole))).groups == ()
    assert len(survey(book(("code", CODE, {"nbgrader": {"solution": False}}))).groups) == 1


# --------------------------------------------------------------------------- who may change it

LOCKS = [
    {"editable": False},
    {"nbgrader": {"locked": True, "grade": True, "solution": False}},
    {"nbgrader": {"locked": False, "grade": True, "solution": False}},
]


@pytest.mark.parametrize("metadata", LOCKS)
def test_a_locked_cell_is_never_written(metadata: dict[str, Any]) -> None:
    file = book(("code", "x = 1", metadata))
    edit = CellEdit("g", (NewCell("code", "x = 2"),), None, ("c0",), {"c0": text_hash("x = 1")})
    with pytest.raises(EditConflictError, match=r"Cell #1 of book.ipynb is locked"):
        edited(file, [edit])
    assert edited(book(("code", "x = 1", {})), [edit])


@pytest.mark.parametrize("metadata", LOCKS)
def test_an_error_in_a_locked_cell_is_looked_for_in_what_it_calls(metadata: dict[str, Any]) -> None:
    file = book(("code", "def f():\n    return y", {}), ("code", "f()", metadata), error_in=1)
    found = at_fault(file.snapshot())
    assert found is not None and found.id == "c0"


@pytest.mark.parametrize("metadata", [*LOCKS, {"deletable": False}])
def test_a_cell_of_ours_that_is_locked_stays_as_it_is(metadata: dict[str, Any]) -> None:
    text = "What it does.\n\n<sub>nbcopilot · fake</sub>"
    ours = cell_metadata("summary", _provenance(), None, "c1", source_hash=text_hash("old"), cell_hash=text_hash(text))
    file = book(("markdown", text, {**ours, **metadata}), ("code", CODE, {}))
    stripped = strip(file)
    assert stripped.locked == 1 and stripped.data == file.raw
    if "deletable" not in metadata:
        after, _ = documented(file)
        assert [source_text(cell) for cell in after if cell["id"] == "c0"] == [text]


# --------------------------------------------------------------------------- where it stands

TOPS = [
    ("raw", '---\ntitle: "Quarterly shares"\nformat: html\n---\n'),
    ("markdown", '---\ntitle: "Quarterly shares"\nformat: html\n---\n'),
    ("raw", "---\njupyter:\n  jupytext:\n    formats: ipynb,py\n---"),
    ("markdown", '<a href="https://colab.research.google.com/x"><img src="badge.svg" alt="Open In Colab"/></a>'),
    ("markdown", "{{< include _setup.qmd >}}"),
    ("markdown", "Copyright 2024 The Authors. All rights reserved."),
    ("code", "# Copyright 2024 The Authors.\n# SPDX-License-Identifier: MIT"),
]


@pytest.mark.parametrize(("kind", "source"), TOPS)
@pytest.mark.parametrize("groups", [1, 2])
def test_what_must_stay_at_the_top_does(kind: str, source: str, groups: int) -> None:
    second = "def share(values):\n    total = sum(values)\n    return [value / total for value in values]"
    file = book((kind, source, {}), ("code", CODE, {}), *([("code", second, {})] if groups == 2 else []))
    after, _ = documented(file)
    assert source_text(after[0]) == source and len(after) > len(file.cells)
    title = "Quarterly shares" in source
    assert any(source_text(cell).startswith("# ") for cell in after if cell["cell_type"] == "markdown") != title
    assert len(survey(file).groups) == groups, "front matter explains no code"


def test_a_rule_or_a_table_in_dashes_is_no_front_matter() -> None:
    for source in ("---\n\n---", "---\nSome prose here.\n---", "Text\n---\ntitle: x\n---"):
        assert conventions.front_matter("markdown", source, {}) is None


@pytest.mark.parametrize(
    ("beside", "above", "below"),
    [("slide", "slide", None), ("subslide", "subslide", None), ("fragment", "fragment", None), ("skip", "skip", "skip"), ("notes", "notes", "notes"), ("-", None, None), (None, None, None)],
)  # fmt: skip
def test_a_new_cell_belongs_to_the_slide_of_its_neighbour(
    beside: str | None, above: str | None, below: str | None
) -> None:
    metadata = {"slideshow": {"slide_type": beside}} if beside else {}

    def kind(found: Mapping[str, Any]) -> Any:
        return found.get("slideshow", {}).get("slide_type")

    assert kind(conventions.slide_of(metadata, below=False)) == above
    assert kind(conventions.slide_of(metadata, below=True)) == below
    after, _ = documented(
        book(("markdown", "# Deck\n\nAll of it in words.", {}), ("markdown", "## Part", {}), ("code", CODE, metadata))
    )
    assert kind(after[2]["metadata"]) == above and after[2]["cell_type"] == "markdown"


@pytest.mark.parametrize(
    "head",
    [
        "#| label: fig-one\n#| echo: false\n",
        "#@title Load the data\n",
        "# MAGIC %python\n",
        "#| export\n",
        "#export\n",
        "# |hide\n",
        "%%time\n#| label: x\n",
    ],
)
def test_directives_stay_the_first_lines(head: str) -> None:
    made = labelled("code", f"{head}x = 1", "# nbcopilot · fake")
    assert made == f"{head}# nbcopilot · fake\nx = 1"
    assert unlabelled("code", made) == f"{head}x = 1"


@pytest.mark.parametrize(
    ("source", "metadata", "language"),
    [
        ("select 1", {"vscode": {"languageId": "sql"}}, "sql"),
        ("x <- 1", {"kernel": "R"}, "r"),
        ("select 1", {"dotnet_interactive": {"language": "sql"}}, "sql"),
        ("%%sql\nselect 1", {}, "sql"),
        ("%%R\nx <- 1", {}, "r"),
        ("%%bash\nls", {}, "bash"),
        ("%sql\nselect 1", {}, "sql"),
        ("# MAGIC %sql\n# MAGIC select 1", {}, "sql"),
        ("%md\n# Title", {}, "markdown"),
        ("%time x = 1", {}, "python"),
        ("x = 1", {"vscode": {}}, "python"),
    ],
)
def test_the_language_of_a_cell_is_what_its_cell_says(source: str, metadata: dict[str, Any], language: str) -> None:
    assert cell_language(source, "python", metadata) == language
    cell = book(("code", source, metadata))
    found = context(cell, Task("explain", "", Target(source, "c0", position=0)))
    assert found.language == language


def test_names_of_a_cell_in_another_language_are_none_of_python() -> None:
    notebook = book(("code", "x = 1", {"vscode": {"languageId": "sql"}}), ("code", "print(x)", {})).snapshot()
    plain = book(("code", "x = 1", {}), ("code", "print(x)", {})).snapshot()
    assert [c.id for c in dependencies.upstream(plain, "print(x)", 1)] == ["c0"]
    assert dependencies.names("x = 1", "sql") != dependencies.names("x = 1")
    assert [c.id for c in dependencies.upstream(notebook, "print(x)", 1)] != ["c0"] or not dependencies.names(
        "x = 1", "sql"
    ).parsed


def test_what_students_are_to_write_is_not_locked() -> None:
    assert conventions.locked({"nbgrader": {"solution": True, "grade": True, "locked": False}}) == ""


def test_a_question_mark_in_a_comment_is_no_call_for_help() -> None:
    asks = "total = sum([1, 2])  # ok?\nfor i in range(total):\n    print(i)  # and this?"
    assert len(survey(book(("code", asks, {}))).groups) == 1
    for source in ("len?", "?len", "%matplotlib inline", "!ls", "# only this?"):
        assert survey(book(("code", source, {}))).groups == ()


def test_every_key_that_is_read_is_passed_on_by_the_page() -> None:
    from pathlib import Path

    text = Path(__file__).parents[2].joinpath("labextension", "src", "snapshot.ts").read_text(encoding="utf-8")
    keys = text[text.index("const KEYS") : text.index("];", text.index("const KEYS"))]
    assert all(f"'{key}'" in keys for key in conventions.KEYS)


def _provenance() -> Any:
    from cell_builders import provenance

    return provenance()
