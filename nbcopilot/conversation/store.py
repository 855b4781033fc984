"""The conversation about a notebook, in a file beside its checkpoints: found again, bounded, and never lost silently.

`.ipynb_checkpoints/NAME-conversation.json`, readable by the user alone. Turns are merged by their id, so that two pages and
a kernel may write. A file that is damaged, or of a newer version, is moved aside and that is said.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nbcopilot.conversation.reading import read_turns, write_turns
from nbcopilot.errors import EditConflictError, NbcopilotError, UnsafePathError
from nbcopilot.paths import read_file
from nbcopilot.turns import Turn
from nbcopilot.write import files

SCHEMA = 1
MOST = 200  # turns
MAX_BYTES = 4_000_000
WITH_FIGURES = 20  # latest turns that keep their pictures
TRIES = 5


@dataclass(frozen=True)
class Conversation:
    """The turns, oldest first, and what is to be said of the file they come from ("" as a rule)."""

    turns: tuple[Turn, ...] = ()
    notice: str = ""


def place(notebook: Path) -> Path:
    """The file of the conversation about `notebook`."""
    return notebook.parent / ".ipynb_checkpoints" / f"{notebook.stem}-conversation.json"


def read(notebook: Path) -> Conversation:
    """The conversation about a notebook; an empty one where there is none. Raises NbcopilotError where it cannot be read."""
    return _read(notebook)[0]


def put(notebook: Path, turn: Turn) -> Conversation:
    """Add a turn, or put it in the place of the one with its id. Raises NbcopilotError when it cannot be written."""
    return _change(notebook, lambda turns: (*(one for one in turns if one.id != turn.id), turn))


def remove(notebook: Path, turn_id: str) -> Conversation:
    """Take one turn out."""
    return _change(notebook, lambda turns: tuple(one for one in turns if one.id != turn_id))


def clear(notebook: Path) -> None:
    """Remove the conversation about a notebook; nothing happens where there is none."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place(notebook))


def _change(notebook: Path, change: Callable[[Sequence[Turn]], tuple[Turn, ...]]) -> Conversation:
    """Read, change, write; again when another page has written meanwhile."""
    for left in reversed(range(TRIES)):
        found, base = _read(notebook)
        turns = tuple(sorted(change(found.turns), key=lambda turn: turn.created))[-MOST:]
        path = place(notebook)
        try:
            files.write(path, _bytes(turns), base=base, within=notebook.parent)
            os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)
            return replace(found, turns=turns)
        except EditConflictError:
            if not left:
                raise
    raise AssertionError("unreachable")


def _bytes(turns: Sequence[Turn]) -> bytes:
    """The file: without the pictures of older turns, and without the oldest turns where it would be too large."""
    kept = [
        turn if i >= len(turns) - WITH_FIGURES or turn.preview is None else replace(turn, preview=replace(turn.preview, figures=()))
        for i, turn in enumerate(turns)
    ]  # fmt: skip
    while True:
        data = json.dumps({"schema": SCHEMA, "turns": write_turns(kept)}, ensure_ascii=False).encode("utf-8", "replace")
        if len(data) <= MAX_BYTES or len(kept) < 2:
            return data
        kept = kept[len(kept) // 4 or 1 :]


def _read(notebook: Path) -> tuple[Conversation, bytes | None]:
    """The conversation, and the bytes of its file: None where there is none."""
    path = place(notebook)
    try:
        content, _ = read_file(path, limit=4 * MAX_BYTES)
    except FileNotFoundError:
        return Conversation(), None
    except (OSError, UnsafePathError) as exc:
        raise NbcopilotError(f"the conversation {path.name} cannot be read: {exc}", hint="move it away") from exc
    try:
        raw: Any = json.loads(content)
        schema = raw["schema"]
        if not isinstance(schema, int) or not isinstance(raw["turns"], list):
            raise TypeError
    except (ValueError, TypeError, KeyError, RecursionError):
        return Conversation(notice=_aside(path, "damaged")), None
    if schema > SCHEMA:
        return Conversation(notice=_aside(path, "newer")), None

    return Conversation(read_turns(raw["turns"], MOST)), content


def _aside(path: Path, why: str) -> str:
    """Move the file out of the way, under a name that is free; the sentence that says so."""
    number = 1
    while (kept := path.with_suffix(f".{why}-{number}.json")).exists():
        number += 1
    os.rename(path, kept)
    reason = "is damaged" if why == "damaged" else "was written by a newer version of nbcopilot"
    return f"the conversation of this notebook {reason}: it is kept as {kept.name}, and a new one begins"
