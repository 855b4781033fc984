"""Turns as JSON, and back: whatever is not of the right shape or size is cut or left out, whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from nbcopilot.errors import UsageError
from nbcopilot.redaction import redact
from nbcopilot.sandbox.preview_results import read_preview, with_rest
from nbcopilot.turns import STATES, State, Turn

MAX_ASKED = 4000
MAX_TEXT = 20_000
MAX_CELLS = 20


def read_turn(raw: Any) -> Turn:
    """The Turn of its JSON. Raises UsageError where it is none."""
    if not isinstance(raw, dict) or not _text(raw.get("id"), 80) or not isinstance(raw.get("asked"), str):
        raise UsageError("a turn of a conversation has no id or says nothing", hint="reload the page")
    state: State = next((one for one in STATES if one == raw.get("state")), "offered")
    cells = raw.get("cells")
    return Turn(
        _text(raw["id"], 80),
        _text(raw.get("kind"), 20) or "generate",
        _text(raw["asked"], MAX_ASKED),
        _text(raw.get("text"), MAX_TEXT),
        "markdown" if raw.get("answer") == "markdown" else "code",
        state,
        tuple(_text(cell, 100) for cell in cells[:MAX_CELLS]) if isinstance(cells, list) else (),
        _text(raw.get("truth"), 400),
        with_rest(read_preview(raw.get("preview")), raw.get("preview")),
        _text(raw.get("created"), 40),
        _text(raw.get("group"), 80),
    )


def read_turns(raw: Any, most: int) -> tuple[Turn, ...]:
    """The last `most` turns of a list of them; what is no turn is passed over."""
    found = []
    for one in raw[-most:] if isinstance(raw, list) else ():
        try:
            found.append(read_turn(one))
        except UsageError:
            continue
    return tuple(found)


def write_turns(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    """The turns as JSON holds them."""
    return [asdict(turn) for turn in turns]


def cleaned(turn: Turn, *, personal: bool = False) -> Turn:
    """The turn without secrets, and where `personal` is set without personal data, in all of its texts."""
    return read_turn(_clean(asdict(turn), personal))


def _clean(value: Any, personal: bool, key: str = "") -> Any:
    if isinstance(value, str):
        return value if key == "png" else redact(value, personal=personal)[0]
    if isinstance(value, dict):
        return {name: _clean(item, personal, name) for name, item in value.items()}
    return [_clean(item, personal) for item in value] if isinstance(value, list | tuple) else value


def _text(raw: Any, limit: int) -> str:
    return raw[:limit] if isinstance(raw, str) else ""
