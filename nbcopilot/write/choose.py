"""Which way new cells take into an open notebook: comm, then payload, then copy; the output says which and what it lost.

Knows the ways only by their functions. Files have no ways to choose from: write/files.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from nbcopilot.config import Config
from nbcopilot.types import CellEdit
from nbcopilot.write import comm, copy, payload
from nbcopilot.write.wire import Answer, Applied, Refused

Route = Literal["comm", "payload", "copy", "none"]


@dataclass(frozen=True)
class Delivery:
    """What became of an edit: the way it took and what was lost on it, a sentence each.

    With route "comm" the front end's answer is still to come (to `on_answer`); `lost` is empty then.
    """

    route: Route
    lost: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One line for the output: the way, then what was lost."""
        return ". ".join([_SENTENCES[self.route], *self.lost])


def deliver(
    edit: CellEdit,
    shell: Any,
    config: Config,
    *,
    on_answer: Callable[[Answer], None] | None = None,
    overwrite: bool = False,
) -> Delivery:
    """Send `edit` to the open notebook by the first way that can, and say which.

    on_answer: gets the front end's Applied or Refused when the comm was taken; a Refused wrote nothing, so the
    caller shows `explain(refused)` and `copy.bundle(edit)`. `config.route` fixes the way; a fixed comm that is not
    there falls back and says so. overwrite: cells of an earlier run are replaced though the user edited them.
    """
    if not edit.cells:
        return Delivery("none")
    link = comm.connect(shell) if config.route in ("auto", "comm") else None
    missing: tuple[str, ...] = ()
    if link is not None and link.ready:
        link.send(edit, on_answer or (lambda answer: None), overwrite=overwrite)
        return Delivery("comm", (link.mismatch,) if link.mismatch else ())
    if config.route == "comm":
        missing = ("no front end with the nbcopilot extension has answered, so the comm was not taken",)
    if config.route != "copy" and hasattr(shell, "set_next_input") and payload.can_carry(edit):
        lost = payload.send(edit, shell, running_cell=comm.running_cell(shell))
        return Delivery("payload", missing + lost)
    return Delivery("copy", missing + copy.send(edit))


def explain(answer: Answer) -> str:
    """One sentence on what the front end answered."""
    if isinstance(answer, Applied):
        count = len(answer.cells)
        return f"{count} cell{'s' if count != 1 else ''} added" + (
            " in place of earlier ones" if answer.replaced else ""
        )
    if isinstance(answer, Refused):
        return ". ".join(part for part in (_REFUSALS[answer.reason], answer.detail) if part)
    return f"connected to {answer.frontend}"


_SENTENCES: dict[Route, str] = {
    "comm": "written below, as one undo step",
    "payload": "written into the next cell",
    "copy": "the text is below",
    "none": "there was nothing to write",
}
_REFUSALS = {
    "conflict": "a cell changed while the answer was made; nothing was overwritten",
    "edited": "you have edited the cells of the earlier run; they were left as they are (--replace overwrites them)",
    "no-cell": "the cell that asked is no longer there; nothing was added",
    "read-only": "the notebook is read-only; nothing was added",
    "schema": "the JupyterLab extension is of another version; nothing was added",
    "failed": "the front end could not add the cells",
}
