"""An open notebook gets the same texts as a file: the edits, applied, are what `document` writes."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from nbcopilot.batch.document import document
from nbcopilot.batch.open_notebook import Documented, Progress, document_open
from nbcopilot.config import Config
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.errors import UsageError
from nbcopilot.notebook.document import NotebookFile, loads, source_text
from nbcopilot.notebook.labels import unlabelled
from nbcopilot.write.cells import edited

CODE = "def area(r):\n    return r * r"
LOOP = "for n in range(10):\n    for m in range(n):\n        print(area(n) - area(m))\n    print(n)"


def notebook(*sources: str) -> NotebookFile:
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for i, source in enumerate(sources)
    ]
    metadata = {"language_info": {"name": "python"}, "kernelspec": {"language": "python"}}
    node = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return loads(json.dumps(node).encode(), "shapes.ipynb")


def documented(file: NotebookFile) -> Documented:
    *progress, last = document_open(file.snapshot(), FakeEngine(), Config(model="fake"), threading.Event())
    assert isinstance(last, Documented)
    assert all(isinstance(update, Progress) for update in progress)
    return last


def texts(data: bytes) -> list[str]:
    return [unlabelled(cell["cell_type"], source_text(cell)) for cell in loads(data).cells]


def test_the_edits_write_what_the_command_writes() -> None:
    file = notebook("import math", CODE, LOOP)
    found = documented(file)
    assert texts(edited(file, [part.edit for part in found.parts])) == texts(document(file, FakeEngine()).data)
    assert len({part.edit.group for part in found.parts}) == 1, "one request is undone in one go"
    assert [part.about for part in found.parts] == ["c0", "c1", "c2"]
    assert texts(edited(file, [part.edit for part in found.parts]))[0].startswith("# ")
    assert found.usage.completion_tokens > 0


def test_a_text_whose_code_changed_is_renewed_in_its_place() -> None:
    file = notebook(CODE, LOOP)
    whole = loads(edited(file, [part.edit for part in documented(file).parts]))
    cells: list[Any] = [dict(cell) for cell in whole.cells]
    at = next(i for i, cell in enumerate(cells) if source_text(cell) == LOOP)
    cells[at]["source"] = LOOP.replace("10", "20").replace("area(n) -", "area(2 * n) -")
    changed = loads(json.dumps({**whole.content, "cells": cells}).encode(), "shapes.ipynb")
    (part,) = documented(changed).parts
    assert part.edit.replaces == (cells[at - 1]["id"],)
    assert set(part.edit.expected) == {cells[at - 1]["id"], cells[at]["id"]}


def test_a_notebook_that_lacks_nothing_is_a_sentence() -> None:
    file = notebook(CODE, LOOP)
    whole = loads(edited(file, [part.edit for part in documented(file).parts]))
    with pytest.raises(UsageError, match="already"):
        documented(whole)


def test_a_text_without_code_is_named_and_stays() -> None:
    file = notebook(CODE, LOOP)
    whole = loads(edited(file, [part.edit for part in documented(file).parts]))
    kept = [cell for cell in whole.cells if source_text(cell) != LOOP]
    found = documented(loads(json.dumps({**whole.content, "cells": kept}).encode(), "shapes.ipynb"))
    assert "delete it if it is of no use" in found.notes[0]


def test_stop_ends_it_without_edits() -> None:
    stop = threading.Event()
    updates = []
    for update in document_open(notebook(CODE, LOOP).snapshot(), FakeEngine(tokens_per_second=50), Config(), stop):
        updates.append(update)
        stop.set()
    assert not [update for update in updates if isinstance(update, Documented)]
