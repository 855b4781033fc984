"""What makes one version of a notebook another, cell by cell, and the same done to a third version.

`between` compares bytes that were read with bytes that are to be written; `fitted` says what of that is left to do in a
notebook that others have edited meanwhile, or why it cannot be done. Both are pure; the messages are plain JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from nbcopilot.errors import EditConflictError, UsageError
from nbcopilot.notebook.document import NotebookFile, source_text

# What JupyterLab adds to or leaves out of a cell that it has open.
_VOLATILE = ("id", "execution_state")


@dataclass(frozen=True)
class Step:
    """One cell: put in below the cell `after` (None: at the top) where `before` is None, taken out where `cell` is None,
    else changed. `before` and `cell` are the cell as it was read and as it is to be, as JSON."""

    id: str
    before: Mapping[str, Any] | None = None
    cell: Mapping[str, Any] | None = None
    after: str | None = None


@dataclass(frozen=True)
class Changes:
    """The steps in order, and the keys of the notebook's metadata that are set (None: taken out)."""

    steps: tuple[Step, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The message that `read` takes."""
        return {"steps": [asdict(step) for step in self.steps], "metadata": dict(self.metadata)}


def read(message: Any) -> Changes:
    """The Changes of a message. Raises UsageError."""
    try:
        steps = tuple(Step(str(one["id"]), one["before"], one["cell"], one["after"]) for one in message["steps"])
        metadata = dict(message["metadata"])
    except (KeyError, TypeError, ValueError) as exc:
        raise UsageError(f"the changes cannot be read: {type(exc).__name__} {exc}") from exc
    if not all(one is None or isinstance(one, dict) for step in steps for one in (step.before, step.cell)):
        raise UsageError("the changes cannot be read: a cell is no JSON object")
    return Changes(steps, metadata)


def between(old: NotebookFile, new: NotebookFile) -> Changes:
    """The Changes that make `old` into `new`. Raises EditConflictError where cells have no ids to name them by."""
    for file in (old, new):
        if not file.has_ids or any(
            cell.get("id") != name for cell, name in zip(file.cells, file.cell_ids, strict=True)
        ):
            raise EditConflictError(
                f"{old.name} is open in a shared session and its cells have no ids of their own; nothing was written",
                hint="close it there first, or write a copy with -o FOLDER",
            )
    cells, known = dict(zip(new.cell_ids, new.cells, strict=True)), dict(zip(old.cell_ids, old.cells, strict=True))
    steps = [Step(name, before=_plain(cell)) for name, cell in known.items() if name not in cells]
    above = None
    for name, cell in cells.items():
        if name not in known:
            steps.append(Step(name, cell=_plain(cell), after=above))
        elif cell != known[name]:
            steps.append(Step(name, before=_plain(known[name]), cell=_plain(cell)))
        above = name
    return Changes(tuple(steps), _metadata(old.content.get("metadata"), new.content.get("metadata")))


def fitted(changes: Changes, present: Sequence[Mapping[str, Any]]) -> list[Step]:
    """The steps that are left to do in a notebook with the cells `present`; those that were done before are left out.

    Raises EditConflictError when a cell that is replaced or taken out was edited, or the place of a new one is gone.
    """
    there = {str(cell.get("id")): cell for cell in present}
    left: list[Step] = []
    for step in changes.steps:
        cell = there.get(step.id)
        if step.before is None:
            if cell is not None:
                continue
            if step.after is not None and step.after not in there:
                raise _conflict("the cell above the new one was deleted")
            there[step.id] = step.cell or {}
        elif cell is None:
            if step.cell is None:
                continue
            raise _conflict("a cell that would be changed was deleted")
        else:
            wanted = None if step.cell is None else source_text(step.cell)
            is_edited = source_text(cell) not in (source_text(step.before), wanted)
            if is_edited and wanted != source_text(step.before):
                raise _conflict("a cell that would be changed was edited")
        left.append(step)
    return left


def _plain(cell: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in cell.items() if key not in _VOLATILE} | {"source": source_text(cell)}


def _metadata(old: Any, new: Any) -> dict[str, Any]:
    old, new = (one if isinstance(one, Mapping) else {} for one in (old, new))
    return {key: new.get(key) for key in {**old, **new} if old.get(key) != new.get(key)}


def _conflict(what: str) -> EditConflictError:
    return EditConflictError(f"{what} in the open notebook meanwhile; nothing was written", hint="run it again")
