"""Prompts kept on this machine, so that `nbcopilot replay` can ask the same again: the notebook holds only their hash.

A small file each, in the user's cache folder, readable by the user alone, with secrets replaced as they were sent; the
newest MOST of them. `keep_prompts = false` turns it off.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from nbcopilot.types import Message, Prompt

MOST = 500


def folder() -> Path:
    """Where they are."""
    from nbcopilot.models.store import cache_folder

    return cache_folder() / "prompts"


def keep(prompt: Prompt) -> None:
    """Keep the prompt under its hash. A disk that is full or read-only costs the replay, not the answer: never raises."""
    place = folder()
    path = place / _name(prompt.hash)
    with contextlib.suppress(OSError, ValueError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = place / f".{os.getpid()}-{path.name}"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            json.dump(asdict(prompt), out)
        os.replace(temporary, path)
        _forget(place)


def find(prompt_sha256: str) -> Prompt | None:
    """The prompt with this hash (`sha256:…`, as a cell's metadata has it), None when it is not here."""
    try:
        raw = json.loads((folder() / _name(prompt_sha256)).read_text(encoding="utf-8"))
        found = Prompt(**{**raw, "messages": tuple(Message(**m) for m in raw["messages"]), "stop": tuple(raw["stop"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if found.hash == prompt_sha256 else None


def _name(prompt_sha256: str) -> str:
    digest = prompt_sha256.removeprefix("sha256:")
    if not digest.isalnum():
        raise ValueError(f"not a hash: {prompt_sha256!r}")
    return f"{digest}.json"


def _forget(place: Path) -> None:
    """Remove the oldest beyond MOST."""
    names = os.listdir(place)
    if len(names) > MOST:
        paths = sorted((place / name for name in names), key=lambda path: path.stat().st_mtime)
        for path in paths[: len(paths) - MOST]:
            path.unlink(missing_ok=True)
