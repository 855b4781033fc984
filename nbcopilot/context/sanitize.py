"""What leaves for the model is clean: no secrets, and no data that could pass for the prompt's own marks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from nbcopilot.config import Config
from nbcopilot.context.budget import Piece
from nbcopilot.live_state import Grounding
from nbcopilot.redaction import redact

# Kinds whose text comes from data: it must not be able to close the frame that the prompt puts around data.
_DATA = ("markdown", "request", "output", "variable", "error")


@dataclass
class Cleaner:
    """Redacts every text that goes into the prompt, and keeps the count."""

    on: bool
    personal: bool = False
    count: int = 0
    _seen: dict[str, str] = field(default_factory=dict)

    def clean(self, text: str) -> str:
        """`text` without secrets; the same text counts once."""
        if not (self.on or self.personal) or not text:
            return text
        if text not in self._seen:
            self._seen[text], found = redact(text, personal=self.personal)
            self.count += found
        return self._seen[text]

    def piece(self, piece: Piece) -> Piece:
        """The piece without secrets, and without anything that could pass for the prompt's own marks."""
        levels = tuple(
            replace(level, text=_defang(self.clean(level.text)) if piece.kind in _DATA else self.clean(level.text))
            for level in piece.levels
        )
        return replace(piece, levels=levels)


def _defang(text: str) -> str:
    """Data that cannot end the `<data>` frame or start a chat turn: the marks are broken up, the words stay."""
    return re.sub(r"<(?=/?data>|\|)", "< ", text, flags=re.IGNORECASE)


def may_show_values(config: Config) -> bool:
    """Whether values of columns may go to the model: by the setting, else where the model runs on this machine."""
    if config.column_values == "auto":
        return not config.engine.startswith(("http://", "https://"))
    return config.column_values == "always"


def sendable(grounding: Grounding, cleaner: Cleaner, config: Config) -> Grounding:
    """The grounding without what must not leave: lines with secrets, and with values where these stay here."""
    kept = tuple(link.value for link in grounding.links if link.value and not may_show_values(config))

    def may_go(text: str) -> bool:
        return cleaner.clean(text) == text and not any(value in text for value in kept)

    openings = tuple(text for text in grounding.openings if may_go(text))
    return replace(grounding, plan=tuple(line for line in grounding.plan if may_go(line)), openings=openings)
