"""Which way new cells take into an open notebook: comm, then payload, then copy; the output says which and what it lost.

Knows the ways only by their functions. Files have no ways to choose from: write/files.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nbcopilot.config import Config
from nbcopilot.types import CellEdit
from nbcopilot.write import clipboard, comm, payload
from nbcopilot.write.wire import Answer, Applied, Refused

Route = Literal["comm", "payload", "copy", "none"]


@dataclass(frozen=True)
class Delivery:
    """What became of an edit: the way it took and what was lost on it, a sentence each.

    With route "comm" the front end's answer is still to come (to `on_answer`). in_place: the cell that asked is
    replaced.
    """

    route: Route
    lost: tuple[str, ...] = ()
    in_place: bool = False

    @property
    def sentence(self) -> str:
        """One line for the output: the way, then what was lost. Nothing is called written before it was confirmed."""
        first = _OFFERED_IN_PLACE if self.in_place and self.route == "payload" else _SENTENCES[self.route]
        return ". ".join([first, *self.lost])


def deliver(
    edit: CellEdit,
    shell: Any,
    config: Config,
    *,
    on_answer: Callable[[Answer], None] | None = None,
    on_silence: Callable[[], None] = lambda: None,
    overwrite: bool = False,
    call: comm.Call | None = None,
) -> Delivery:
    """Send `edit` to the open notebook by the first way that can, and say which.

    on_answer: gets the front end's Applied or Refused when the comm was taken; a Refused wrote nothing, so the
    caller shows `explain(refused)` and `clipboard.bundle(edit)`; on_silence is called when it keeps silent. `config.insert_via` fixes the way; a fixed comm that is not
    there falls back and says so. overwrite: cells of an earlier run are replaced though the user edited them.
    call: the comm of a request that has run in a thread; then there is no other way.
    """
    if not edit.cells:
        return Delivery("none")
    running = comm.running_cell(shell)
    in_place = running is not None and edit.replaces == (running,)
    if call is not None:
        call.send(edit, on_answer or (lambda answer: None), overwrite=overwrite, on_silence=on_silence)
        return Delivery("comm", in_place=in_place)
    link = comm.connect(shell) if config.insert_via in ("auto", "comm") else None
    missing: tuple[str, ...] = ()
    if link is not None and link.ready:
        link.send(edit, on_answer or (lambda answer: None), overwrite=overwrite, on_silence=on_silence)
        return Delivery("comm", (link.mismatch,) if link.mismatch else (), in_place)
    if config.insert_via == "comm":
        missing = ("no front end with the nbcopilot extension has answered, so the comm was not taken",)
    if config.insert_via != "copy" and hasattr(shell, "set_next_input") and payload.can_carry(edit):
        lost = payload.send(edit, shell, running_cell=running)
        return Delivery("payload", missing + lost, in_place)
    return Delivery("copy", missing + clipboard.send(edit))


def explain(answer: Answer, *, asker: str | None = None) -> str:
    """One sentence on what the front end answered to an edit; `asker` is the id of the cell that asked."""
    if isinstance(answer, Applied):
        if answer.replaced == (asker,):
            return _IN_PLACE
        count = len(answer.cells)
        where = "in place of the earlier answer" if answer.replaced else "below"
        return f"written {where} ({count} cell{'s' if count != 1 else ''}), as one undo step"
    return _refusal(answer, _REFUSALS)


def explain_undo(answer: Answer) -> str:
    """One sentence on what the front end answered to an undo."""
    if isinstance(answer, Applied):
        gone, back = len(answer.replaced), len(answer.cells)
        more = f", {back} put back" if back else ""
        return f"the last write is taken back: {gone} cell{'s' if gone != 1 else ''} removed{more}"
    return _refusal(answer, {**_REFUSALS, **_NOT_UNDONE})


def _refusal(answer: Answer, reasons: Mapping[str, str]) -> str:
    if not isinstance(answer, Refused):
        return "the front end has not said what it did"
    return ". ".join(part for part in (reasons[answer.reason], answer.detail) if part)


SILENT = "no page has taken the cells yet: copy the text, or keep the notebook open"
_OFFERED_IN_PLACE = "offered in place of this cell"
_IN_PLACE = "written in place of this cell, as one undo step"
_SENTENCES: dict[Route, str] = {
    "comm": "sent to the notebook page, which has not confirmed it yet",
    "payload": "offered as the next cell",
    "copy": "the text is below",
    "none": "there was nothing to write",
}
_REFUSALS = {
    "conflict": "a cell changed while the answer was made; nothing was overwritten",
    "edited": "you have edited the cells of the earlier run; they were kept (%nbcopilot accept replaces them)",
    "no-cell": "the cell that asked is no longer there; nothing was added",
    "read-only": "what would be changed is read-only; nothing was written",
    "schema": "the JupyterLab extension is of another version; nothing was added",
    "failed": "the front end could not add the cells",
}
_NOT_UNDONE = {
    "edited": "you have edited what was written; nothing was taken back (%nbcopilot undo --force does it)",
    "no-cell": "no cell of the last write is in the notebook any more",
    "read-only": "what would be changed is read-only; nothing was taken back",
    "failed": "the front end could not take the cells back",
}
