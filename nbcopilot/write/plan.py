"""Step 8: the chosen answers -> CellEdit: which cells go where, which earlier ones they take the place of.

Pure: it neither touches a shell nor a file. A rerun of the same request replaces the cells that the first run
wrote, found by their metadata; cells that the user has edited since are left alone (`edited` names them, so that
the surface can ask and plan again with `overwrite=True`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nbcopilot.config import Config
from nbcopilot.hashing import text_hash
from nbcopilot.notebook import conventions
from nbcopilot.notebook.labels import labelled, unlabelled
from nbcopilot.notebook.normal import form
from nbcopilot.types import Candidate, Cell, CellEdit, CellKind, NewCell, Notebook, Role, Task, TaskKind
from nbcopilot.verdict import Verdict
from nbcopilot.write.harmless import harmless
from nbcopilot.write.provenance import KEY, Provenance, cell_metadata, identity, is_edited, label, ours

ROLES: dict[TaskKind, Role] = {
    "generate": "code",
    "complete": "code",
    "explain": "explanation",
    "testgen": "tests",
    "fix": "fix",
    "document": "summary",
}
# A cell that asks for the answer, as opposed to one that the answer is about.
_PROMPT_CELL = re.compile(r"^\s*%%?(generate|explain|testgen|fix|document|chat|nbcopilot)\b", re.M)


def plan(
    task: Task,
    notebook: Notebook,
    chosen: Sequence[tuple[Candidate, Verdict]],
    provenance: Provenance,
    config: Config,
    *,
    overwrite: bool = False,
) -> CellEdit:
    """The edit that writes `chosen`, in order, one cell each.

    The cells go below `task.target` (its position, else its cell, else the cursor, else the end), or in place of
    the cells of an earlier run. overwrite: also replace those that the user has edited.
    """
    cells = tuple(
        _cell(task, notebook, candidate, verdict, provenance, config)
        for candidate, verdict in chosen
        if candidate.text.strip()
    )
    earlier = written_before(task, notebook)
    kept = () if overwrite else tuple(cell for cell in earlier if is_edited(cell.metadata, cell.source))
    replaced = tuple(cell for cell in earlier if cell not in kept)
    expected = {cell.id: cell.hash for cell in replaced}
    subject = notebook.cell(task.target.cell_id)
    if subject is not None and task.kind != "generate":
        expected[subject.id] = subject.hash  # the answer is about this very text
    after = kept[-1].id if kept else _after(task, notebook)
    beside = notebook.cell(after)
    cells = tuple(replace(cell, metadata={**cell.metadata, **_slide(cell, beside)}) for cell in cells)
    return CellEdit(provenance.group, cells, after, tuple(cell.id for cell in replaced), expected)


def edited(task: Task, notebook: Notebook) -> tuple[Cell, ...]:
    """Cells that an earlier run of this request wrote and the user has changed since; `plan` leaves them."""
    return tuple(cell for cell in written_before(task, notebook) if is_edited(cell.metadata, cell.source))


def request_hash(task: Task) -> str:
    """Hash of what is asked: a rerun knows the answer to the same request by it. Settings are no part of it."""
    target = task.target
    return text_hash("\0".join([task.kind, task.instruction.strip(), target.source.strip(), *sorted(target.names)]))


def written_before(task: Task, notebook: Notebook) -> tuple[Cell, ...]:
    """Cells that an earlier run of the same request wrote, in document order."""
    source = task.target.cell_id
    if source is None:
        return ()
    subject = notebook.cell(source)
    asks = subject is None or bool(_PROMPT_CELL.search(subject.source))
    found = []
    for cell in notebook.cells:
        record = ours(cell.metadata)
        if record is None or record.get("source_cell") != source or record["role"] != ROLES[task.kind]:
            continue
        # One cell may define several functions: tests of another one are another request.
        if asks or tuple(record.get("names", ())) == tuple(sorted(task.target.names)):
            found.append(cell)
    return tuple(found)


def _cell(
    task: Task, notebook: Notebook, candidate: Candidate, verdict: Verdict, provenance: Provenance, config: Config
) -> NewCell:
    kind: CellKind = "code" if candidate.answer == "code" else "markdown"
    # A model that copies another cell may copy its label too.
    source = unlabelled(kind, candidate.text.strip("\n"))
    if kind == "markdown":
        source = harmless(source)
    if config.label:
        source = labelled(kind, source, label(kind, provenance, verdict, notebook.language), notebook.language)
    subject = notebook.cell(task.target.cell_id)
    metadata = cell_metadata(
        ROLES[task.kind],
        provenance,
        verdict,
        task.target.cell_id,
        source_hash=subject.hash if subject else text_hash(task.target.source or task.instruction),
        **identity(kind, source),
        source_form=form("code", subject.source) if subject else None,
        request_hash=request_hash(task),
        names=sorted(task.target.names) or None,
        answer_sha256=candidate.answer_sha256 or None,
        drawn=candidate.index or None,  # its place among the answers that were drawn together
    )
    return NewCell(kind, source, metadata)


def _slide(cell: NewCell, beside: Cell | None) -> Mapping[str, Any]:
    """Which slide of a deck the cell goes to: that of its neighbour; tests are on none."""
    if beside is None or "slideshow" not in beside.metadata:
        return {}
    is_test = cell.metadata[KEY]["role"] == "tests"
    return {"slideshow": {"slide_type": "skip"}} if is_test else conventions.slide_of(beside.metadata, below=True)


def _after(task: Task, notebook: Notebook) -> str | None:
    """The id of the cell that new cells follow; None is the top."""
    position = task.target.position
    if position is None:
        position = notebook.index(task.target.cell_id)
    if position is None:
        # A live shell knows the prompt cell by its id without having the notebook.
        if task.target.cell_id is not None and not notebook.cells:
            return task.target.cell_id
        position = notebook.cursor if notebook.cursor is not None else len(notebook.cells) - 1
    return notebook.cells[position].id if 0 <= position < len(notebook.cells) else None
