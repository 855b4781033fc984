"""Whether a request has its answer in the notebook already: a magic that runs again asks nothing then.

What is known stands in the metadata of the cells that the first run wrote: which request they answer
(`request_hash`), and what their text was (`cell_hash`). A notebook that runs without a front end is looked up in its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from nbcopilot.errors import NbcopilotError
from nbcopilot.hashing import text_hash
from nbcopilot.notebook import document, whereabouts
from nbcopilot.types import Cell, Notebook, Task
from nbcopilot.write.plan import request_hash, written_before
from nbcopilot.write.provenance import is_edited, ours

State = Literal["none", "untouched", "edited"]


@dataclass(frozen=True)
class Answered:
    """What is there of the answer: `cells` are the ids of the cells that hold it ("none": there is no answer)."""

    state: State = "none"
    cells: tuple[str, ...] = ()


def answered(task: Task, notebook: Notebook) -> Answered:
    """What `notebook` holds of the answer to `task`; "none" also where the request has changed since."""
    subject = notebook.cell(task.target.cell_id)
    found = written_before(task, notebook) or _by_request(task, notebook)
    if not found or not all(_answers(cell, task, subject) for cell in found):
        return Answered()
    edited = tuple(cell.id for cell in found if is_edited(cell.metadata, cell.source))
    return Answered("edited", edited) if edited else Answered("untouched", tuple(cell.id for cell in found))


def look_up(task: Task, notebook: Notebook, user_ns: dict[str, Any], running: str) -> Answered:
    """The same for a live notebook, with its file where the front end does not say which one it is.

    running: the text of the cell that runs. Never raises.
    """
    found = answered(task, notebook)
    if found.state != "none" or notebook.path is not None:
        return found
    path = whereabouts.found(user_ns, running, notebook.history)
    if path is None:
        return found
    try:
        saved = document.read(path).snapshot()
    except NbcopilotError:
        return found
    asked = notebook.cell(task.target.cell_id)
    source = asked.source if asked is not None else running
    twin = _same_cell(saved, source, notebook.history)
    if twin is None:
        return found
    return answered(replace(task, target=replace(task.target, cell_id=twin.id)), saved)


def _by_request(task: Task, notebook: Notebook) -> tuple[Cell, ...]:
    """The answer to a request that is not about one cell (`%testgen NAME`): what it asks for is all that is known."""
    if task.target.cell_id is not None:
        return ()
    wanted = request_hash(task)
    return tuple(cell for cell in notebook.cells if (ours(cell.metadata) or {}).get("request_hash") == wanted)


def _answers(cell: Cell, task: Task, subject: Cell | None) -> bool:
    record = ours(cell.metadata) or {}
    known = record.get("request_hash")
    if isinstance(known, str):
        return known == request_hash(task)
    # Written by a version that kept the hash of the whole cell only.
    return subject is not None and record.get("source_hash") == text_hash(subject.source)


def _same_cell(saved: Notebook, source: str, history: Sequence[str]) -> Cell | None:
    """The cell of the file with this text; of several the one whose turn it is."""
    cells = [cell for cell in saved.cells if cell.kind == "code" and cell.source.strip() == source.strip()]
    turn = sum(text.strip() == source.strip() for text in history)
    return cells[turn % len(cells)] if cells else None
