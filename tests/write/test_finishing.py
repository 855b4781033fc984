"""A finished notebook runs without nbcopilot, and says what was asked."""

from __future__ import annotations

import builtins
import json
from typing import Any

import pytest
from cell_builders import provenance

from nbcopilot.batch.tasks import generated
from nbcopilot.hashing import text_hash
from nbcopilot.notebook.document import NotebookFile, loads, source_text
from nbcopilot.notebook.syntax import tree
from nbcopilot.write.cells import strip
from nbcopilot.write.finishing import MAGICS, edit_of, finish, finished_source
from nbcopilot.write.provenance import cell_metadata

LABELLED = "# nbcopilot · fake · ran clean in 0.0 s\ntotal = 1 + 1"


def notebook(*cells: tuple[str, str, dict[str, Any]]) -> NotebookFile:
    made = [
        {"cell_type": kind, "id": f"c{i}", "metadata": metadata, "source": source}
        | ({"execution_count": 1, "outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}]} if kind == "code" else {})
        for i, (kind, source, metadata) in enumerate(cells)
    ]  # fmt: skip
    node = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return loads(json.dumps(node).encode())


def ours(source: str) -> dict[str, Any]:
    return cell_metadata("code", provenance(), source_cell="c0", cell_hash=text_hash(source))


@pytest.mark.parametrize("name", MAGICS)
@pytest.mark.parametrize(
    "form", ["%%{} --seed 1\nwords, not code", "%{} words", "if True:\n    %{} words", "x = %{} words", "%{} a \\\n  b"]
)
def test_no_magic_of_ours_is_left_and_the_request_is(name: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = form.format(name)
    if name == "testgen" and source.startswith("%%"):
        source = "%%testgen\ndef f(): pass"
    text = finished_source(source)
    module = tree(text)
    assert module is not None, text
    assert "get_ipython" not in __import__("ast").dump(module), text
    assert f"%{name}" in text
    exec(compile(text, "cell", "exec"), {"__builtins__": vars(builtins)})


@pytest.mark.parametrize(
    ("source", "finished"),
    [
        ("%load_ext nbcopilot\nimport os", "# %load_ext nbcopilot\nimport os"),
        ("import nbcopilot\nnbcopilot.panel()", "# import nbcopilot\n# nbcopilot.panel()"),
        ("from nbcopilot import panel", "# from nbcopilot import panel"),
        ("text = '''\n%fix me\n'''", "text = '''\n%fix me\n'''"),
        ("%%time\n%generate a list", "%%time\n# %generate a list"),
        ("%%explain\nx = 1", "# %%explain\n# x = 1"),
        ("%%testgen f\ndef f(): pass", "# %%testgen f\ndef f(): pass"),
        ("%%testgen --no-run\nf()", "# %%testgen --no-run\n# f()"),
        ("%%bash\necho %fix", "%%bash\necho %fix"),
        ("%timeit x\n!ls", "%timeit x\n!ls"),
    ],
)
def test_what_a_magic_ran_stays_code_and_what_is_not_ours_stays(source: str, finished: str) -> None:
    assert finished_source(source) == finished


def test_labels_go_and_what_we_wrote_can_still_be_stripped() -> None:
    text = "About it.\n\n<sub>nbcopilot · fake</sub>"
    file = notebook(("code", "%%generate\nadd", {}), ("code", LABELLED, ours(LABELLED)), ("markdown", text, ours(text)))
    done = finish(file)
    after = loads(done.data)
    assert [source_text(cell) for cell in after.cells] == ["# %%generate\n# add", "total = 1 + 1", "About it."]
    assert (done.requests, done.labels) == (1, 2)
    assert after.cells[0]["outputs"] == [] and after.cells[1]["outputs"] == file.cells[1]["outputs"]
    assert sum(strip(after).removed.values()) == 2
    assert finish(after).data == done.data
    bare = loads(finish(file, metadata=True).data)
    assert not any("nbcopilot" in cell["metadata"] for cell in bare.cells)


def test_an_edited_cell_stays_edited_and_a_plain_notebook_keeps_its_bytes() -> None:
    edited = notebook(("code", LABELLED + "\nmine = 1", ours(LABELLED)))
    assert loads(finish(edited).data).cells[0]["metadata"]["nbcopilot"]["cell_hash"] == text_hash(LABELLED)
    plain = notebook(("code", "x = 1", {}), ("raw", "%fix", {}))
    assert finish(plain).data == plain.raw and edit_of(plain) is None


@pytest.mark.parametrize("request_cell", ["%%generate\nthe sum", "%%testgen\ndef f(): pass"])
def test_a_request_that_became_a_comment_is_no_change_of_its_source(request_cell: str) -> None:
    def outdated(file: NotebookFile) -> list[bool]:
        return [row["outdated"] for row in generated(file)]

    record = cell_metadata("code", provenance(), source_cell="c0", source_hash=text_hash(request_cell))
    before = notebook(("code", request_cell, {}), ("code", LABELLED, record))
    assert outdated(before) == outdated(loads(finish(before).data)) == [False]
    changed = notebook(("code", f"{request_cell} ", {}), ("code", LABELLED, record))
    assert outdated(changed) == outdated(loads(finish(changed).data)) == [True]


def test_the_edit_of_an_open_notebook_expects_every_cell_as_it_was_saved() -> None:
    file = notebook(("code", "%load_ext nbcopilot", {}), ("code", "x = 1", {}), ("code", LABELLED, ours(LABELLED)))
    edit = edit_of(file)
    assert edit is not None and edit.keeps and edit.replaces == ("c0", "c2")
    assert edit.expected == {"c0": text_hash("%load_ext nbcopilot"), "c2": text_hash(LABELLED)}
