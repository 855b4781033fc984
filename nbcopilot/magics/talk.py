"""The conversation about the notebook of this kernel: the same turns that the sidebar shows, kept in the same file."""

from __future__ import annotations

import html
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

from nbcopilot.conversation import store
from nbcopilot.conversation.reading import cleaned
from nbcopilot.conversation.store import Conversation
from nbcopilot.conversation.talk import reply
from nbcopilot.errors import NbcopilotError
from nbcopilot.events import EditReady, Event, Notice
from nbcopilot.judge import Judge
from nbcopilot.pipeline import Copilot
from nbcopilot.turns import Turn
from nbcopilot.types import Notebook, Task
from nbcopilot.write import showing

# Turns of a kernel whose notebook is no file that is known here: kept as long as the kernel lives.
_unkept: list[Turn] = []


class Talk:
    """One turn to come. What went wrong with the file is said as a notice, and costs no answer."""

    def __init__(self, notebook: Notebook) -> None:
        self.path = notebook.path if notebook.path is not None and notebook.path.is_file() else None
        self.notices: list[Notice] = []
        self.turns: tuple[Turn, ...] = tuple(_unkept)
        self.asked, self.redacts, self.personal = "", True, False
        path = self.path
        if path is not None:
            self._take(lambda: store.read(path))

    def reply(self, copilot: Copilot, task: Task, notebook: Notebook, judge: Judge) -> Iterator[Event]:
        """The events of the turn."""
        self.asked = task.instruction
        self.redacts = copilot.config.redact or copilot.config.redact_personal
        self.personal = copilot.config.redact_personal
        return reply(copilot, task, notebook, self.turns, judge=judge)

    def keep(self, task: Task, ready: EditReady) -> list[Notice]:
        """Keep the turn; what is to be said of its file."""
        verdict, candidate = ready.verdict, ready.candidate
        turn = Turn(
            uuid.uuid4().hex,
            task.kind,
            self.asked,
            candidate.text,
            "markdown" if candidate.answer == "markdown" else "code",
            truth=showing.truth(verdict, ready.confidence.told(task.kind, verdict)),
            preview=verdict.preview,
            created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            group=ready.edit.group,
        )
        turn = cleaned(turn, personal=self.personal) if self.redacts else turn
        path = self.path
        if path is None:
            _unkept.append(turn)
        else:
            self._take(lambda: store.put(path, turn))
        return self.notices

    def undo(self, turn_id: str) -> tuple[str, str]:
        """What "undo that" comes to, as (plain text, HTML): the turn is named, nothing is changed."""
        turn = next((one for one in self.turns if one.id == turn_id), None)
        text = "nothing of this conversation is in the notebook"
        if turn is not None:
            text = f"%nbcopilot undo takes back the last write of this session; the last turn was: {turn.asked}"
        return text, f"<div>{html.escape(text)}</div>"

    def _take(self, work: Callable[[], Conversation]) -> None:
        try:
            found = work()
        except NbcopilotError as exc:
            self.notices.append(Notice(exc.message, exc.hint, "warning"))
            return
        self.turns = found.turns
        if found.notice:
            self.notices.append(Notice(found.notice, severity="warning"))
