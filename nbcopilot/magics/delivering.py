"""The cells of an answer on their way into the open notebook, what the front end says of them, and what is remembered for undo."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping

from IPython.core.interactiveshell import InteractiveShell

from nbcopilot import session
from nbcopilot.config import Config
from nbcopilot.types import CellEdit
from nbcopilot.write import clipboard, comm, delivery, diff
from nbcopilot.write.wire import Answer, Refused

Say = Callable[[str, Mapping[str, str]], None]


def deliver(
    edit: CellEdit,
    shell: InteractiveShell,
    config: Config,
    say: Say,
    *,
    overwrite: bool = False,
    call: comm.Call | None = None,
) -> str:
    """Write `edit` by the best way and remember it for undo; the sentence says which way and what it lost.

    What the front end answers comes to `say` as a sentence, with the text to copy when it wrote nothing. Where it
    keeps silent, that is said, too: nothing counts as written before it was confirmed.
    """
    current, running = session.current(), comm.running_cell(shell)
    answers: list[Answer] = []

    def answered(answer: Answer) -> None:
        answers.append(answer)
        if isinstance(answer, Refused):
            return say(_refused(answer, edit), _kept(answer, edit))
        current.history.append(session.Write(edit, "comm", confirmed=True))
        say(delivery.explain(answer, asker=running), {})

    def silent() -> None:
        if not answers:
            say(delivery.SILENT, clipboard.bundle(edit))

    made = delivery.deliver(edit, shell, config, on_answer=answered, on_silence=silent, overwrite=overwrite, call=call)
    if made.route in ("payload", "copy"):
        current.history.append(session.Write(edit, made.route))
    return made.sentence


def _refused(answer: Refused, edit: CellEdit) -> str:
    """Why nothing was written; an answer that would replace what the user has edited waits to be accepted."""
    if answer.reason == "edited":
        current = session.current()
        current.pending, current.pending_overwrites = edit, True
    return delivery.explain(answer)


def _kept(answer: Refused, edit: CellEdit) -> Mapping[str, str]:
    """What stands below a refusal: how the answer differs from the text that was kept, then the text to copy."""
    shown = clipboard.bundle(edit)
    if answer.reason != "edited" or not answer.sources:
        return shown
    new = "\n\n".join(cell.source for cell in edit.cells)
    change = diff.cell_diff("\n\n".join(answer.sources).rstrip("\n"), new, "your text, kept", "the new answer")
    rich = f"<pre style='white-space:pre-wrap'>{html.escape(change)}</pre>{shown['text/html']}"
    return {"text/plain": f"\n{change}", "text/html": rich}
