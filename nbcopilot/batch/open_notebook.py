"""An open notebook documented as `nbcopilot document` documents a file: Notebook -> edits for the front end.

Writes nothing; the surface applies the edits. What the file's way and this one write is the same.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nbcopilot import features
from nbcopilot.batch.asking import Cancelled
from nbcopilot.batch.assemble import moved
from nbcopilot.batch.document import DocumentResult, document
from nbcopilot.batch.survey import survey
from nbcopilot.batch.texts import Options
from nbcopilot.config import Config
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import UsageError
from nbcopilot.hashing import text_hash
from nbcopilot.inference import Usage
from nbcopilot.notebook.document import NotebookFile, loads, source_text
from nbcopilot.types import Cell, CellEdit, NewCell, Notebook, Output
from nbcopilot.write.provenance import KEY


@dataclass(frozen=True)
class Progress:
    """So many texts of so many are there."""

    done: int
    total: int


@dataclass(frozen=True)
class Part:
    """New texts at one place: the edit, the id of the cell below them, and how they came about (`cell_metadata`)."""

    edit: CellEdit
    about: str
    checks: Mapping[str, Any]


@dataclass(frozen=True)
class Documented:
    """All parts in the order of the notebook, one group; sentences for the user; tokens and seconds."""

    parts: tuple[Part, ...]
    notes: tuple[str, ...]
    usage: Usage


def document_open(
    notebook: Notebook, engine: Engine, config: Config, stop: threading.Event
) -> Iterator[Progress | Documented]:
    """Progress, then what `document` would write, as edits. Ends without Documented when `stop` is set.

    Raises UsageError when nothing is missing, EngineError when the model cannot answer.
    """
    features.require(config, "document")
    file = _file(notebook)
    if survey(file).complete:
        raise UsageError(
            "the notebook has its title and a text above every group of cells already",
            hint="Explain writes a text for the selected cell",
        )
    started = time.monotonic()
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    options = Options(created, config.label, config.redact, personal=config.redact_personal)
    with _working(file, engine, options, stop) as updates:
        while (update := updates.get()) is not None:
            if isinstance(update, Cancelled):
                return
            if isinstance(update, BaseException):
                raise update
            if isinstance(update, Progress):
                yield update
                continue
            edits = tuple(_parts(notebook, loads(update.data).cells))
            seconds = time.monotonic() - started
            usage = Usage(update.usage.prompt_tokens, update.usage.completion_tokens, seconds=seconds)
            yield Documented(edits, _notes(file, update), usage)


@contextmanager
def _working(
    file: NotebookFile, engine: Engine, options: Options, stop: threading.Event
) -> Iterator[queue.SimpleQueue[Progress | DocumentResult | BaseException | None]]:
    """A thread that documents; what it has to say, in order, then None. Leaving stops it at the next token."""
    updates: queue.SimpleQueue[Progress | DocumentResult | BaseException | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            updates.put(
                document(
                    file, engine, options, stop=stop, on_progress=lambda done, total: updates.put(Progress(done, total))
                )
            )
        except BaseException as exc:  # raised again in the thread that reads
            updates.put(exc)
        updates.put(None)

    thread = threading.Thread(target=work, name="nbcopilot-document", daemon=True)
    thread.start()
    try:
        yield updates
    finally:
        stop.set()
        thread.join()


# ------------------------------------------------------------------ Notebook -> file -> edits


def _file(notebook: Notebook) -> NotebookFile:
    language = {"name": notebook.language}
    metadata = {"language_info": language, "kernelspec": {"language": notebook.language}}
    node = {"cells": [_node(cell) for cell in notebook.cells], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return loads(json.dumps(node).encode(), notebook.path)


def _node(cell: Cell) -> dict[str, Any]:
    node: dict[str, Any] = {
        "cell_type": cell.kind,
        "id": cell.id,
        "metadata": dict(cell.metadata),
        "source": cell.source,
    }
    if cell.kind == "code":
        node |= {"execution_count": cell.executed, "outputs": [_output(output) for output in cell.outputs]}
    return node


def _output(output: Output) -> dict[str, Any]:
    if output.kind == "stream":
        return {"output_type": "stream", "name": "stdout", "text": output.text}
    if output.kind == "error":
        name, _, message = output.text.partition(": ")
        return {"output_type": "error", "ename": name, "evalue": message, "traceback": [output.text]}
    return {"output_type": "display_data", "data": {"text/plain": output.text}, "metadata": {}}


def _parts(notebook: Notebook, cells: Sequence[Mapping[str, Any]]) -> Iterator[Part]:
    """An edit for each place where `cells` differ from the notebook's: new ones between two old ones, or a renewed one."""
    known = {cell.id: cell for cell in notebook.cells}
    above: str | None = None
    new: list[Mapping[str, Any]] = []
    for cell in cells:
        old = known.get(cell["id"])
        if old is None:
            new.append(cell)
            continue
        if new:
            yield _part(new, old, after=above)
            new = []
        if old.source != source_text(cell) or old.metadata.get(KEY) != cell["metadata"].get(KEY):
            below = _below(notebook, old)
            yield _part([cell], below or old, replaces=old)
        above = old.id
    if new and above is not None:
        yield _part(new, known[above], after=above)


def _part(
    cells: Sequence[Mapping[str, Any]], about: Cell, *, after: str | None = None, replaces: Cell | None = None
) -> Part:
    records = [cell["metadata"][KEY] for cell in cells]
    made = tuple(NewCell("markdown", source_text(cell), {KEY: cell["metadata"][KEY]}) for cell in cells)
    expected = {about.id: text_hash(about.source)}
    if replaces is not None:
        expected[replaces.id] = text_hash(replaces.source)
    edit = CellEdit(records[-1]["group"], made, after, (replaces.id,) if replaces else (), expected)
    return Part(edit, about.id, records[-1].get("checks", {}))


def _below(notebook: Notebook, cell: Cell) -> Cell | None:
    at = notebook.index(cell.id)
    return next((other for other in notebook.cells[(at or 0) + 1 :] if other.kind == "code"), None)


def _notes(file: NotebookFile, result: DocumentResult) -> tuple[str, ...]:
    """The notes of the run; here texts that have lost their code are named, not taken out."""
    orphans = survey(file).orphans
    places = ", ".join(f"#{at + 1}" for at in orphans)
    named = f"no code follows the text of cell {places} any more: delete it if it is of no use"
    return (*([named] if orphans else []), *(note for note in result.notes if note != moved(orphans)))
