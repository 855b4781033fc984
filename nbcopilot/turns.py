"""One thing that was asked in a conversation, what was offered, and what became of it. Nouns only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nbcopilot.preview import Preview

State = Literal["offered", "taken", "rejected", "undone", "stopped", "failed"]
STATES: tuple[State, ...] = ("offered", "taken", "rejected", "undone", "stopped", "failed")


@dataclass(frozen=True)
class Turn:
    """asked: the user's words. text: the code or the words that were offered ("" where nothing came), as `answer` says.

    cells: ids of the cells that it led to. truth: what was known of it in one line; preview: what it gave when it was run.
    created: UTC (2026-11-21T23:00:00Z), the order of a conversation. group: of the request, for undo.
    """

    id: str
    kind: str
    asked: str
    text: str = ""
    answer: Literal["code", "markdown"] = "code"
    state: State = "offered"
    cells: tuple[str, ...] = ()
    truth: str = ""
    preview: Preview | None = None
    created: str = ""
    group: str = ""
