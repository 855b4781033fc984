"""Prompts kept on this machine, so that `nbcopilot replay` can ask the same again: the notebook holds only their hash.

A small file each, in the user's cache folder, readable by the user alone, without secrets whatever was sent. The oldest
go when there are more than MOST, when they take more than `keep_mb`, and when they are older than `keep_days`;
`nbcopilot forget` removes them at once, and `keep_prompts = false` keeps none.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from nbcopilot import places
from nbcopilot.config import Config
from nbcopilot.inference import Message, Prompt
from nbcopilot.redaction import redact_prompt

MOST = 500
DAY = 86400.0


def folder() -> Path:
    """Where they are."""
    return places.cache_folder() / "prompts"


def keeper(config: Config) -> Callable[[Prompt], None]:
    """What keeps a prompt as the settings have it: without personal data, so many megabytes, so many days."""
    return lambda prompt: keep(prompt, personal=config.redact_personal, days=config.keep_days, megabytes=config.keep_mb)


def keep(prompt: Prompt, *, personal: bool = False, days: float = 0, megabytes: float = 0) -> None:
    """Keep the prompt under its hash, redacted. A disk that is full or read-only costs the replay, not the answer.

    days, megabytes: what is older goes, and the oldest beyond that size; 0 is no limit. Never raises.
    """
    place = folder()
    path = place / _name(prompt.hash)
    with contextlib.suppress(OSError, ValueError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = place / f".{os.getpid()}-{path.name}"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            json.dump({**asdict(redact_prompt(prompt, personal=personal)), "sha256": prompt.hash}, out)
        os.replace(temporary, path)
        _limit(place, days, megabytes)


def find(prompt_sha256: str) -> Prompt | None:
    """The prompt with this hash (`sha256:…`, as a cell's metadata has it), None when it is not here.

    Its own hash is another one where a secret was replaced when it was kept.
    """
    try:
        raw = json.loads((folder() / _name(prompt_sha256)).read_text(encoding="utf-8"))
        sha256 = raw.pop("sha256", "")
        found = Prompt(**{**raw, "messages": tuple(Message(**m) for m in raw["messages"]), "stop": tuple(raw["stop"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return found if prompt_sha256 in (sha256, found.hash) else None


def forget(older_than: float = 0) -> tuple[int, int]:
    """Remove the kept prompts that are older than so many seconds (0: all); (how many, their bytes).

    Raises OSError when one cannot be removed.
    """
    count = size = 0
    for _, length, path in _files(folder(), before=time.time() - older_than if older_than else None):
        path.unlink(missing_ok=True)
        count, size = count + 1, size + length
    return count, size


def _name(prompt_sha256: str) -> str:
    digest = prompt_sha256.removeprefix("sha256:")
    if not digest.isalnum():
        raise ValueError(f"not a hash: {prompt_sha256!r}")
    return f"{digest}.json"


def _files(place: Path, before: float | None = None) -> list[tuple[float, int, Path]]:
    """(time of writing, bytes, path) of what is kept, the oldest first; before: only what was written before then."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(place):
            path = place / name
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                if before is None or status.st_mtime < before:
                    found.append((status.st_mtime, status.st_size, path))
    return sorted(found)


def _limit(place: Path, days: float, megabytes: float) -> None:
    """Remove the oldest beyond MOST, beyond `megabytes`, and what is older than `days`."""
    files = _files(place)
    total, oldest = sum(size for _, size, _ in files), time.time() - days * DAY
    for index, (written, size, path) in enumerate(files):
        too_many = len(files) - index > MOST
        too_large = bool(megabytes) and total > megabytes * 1e6
        if not (too_many or too_large or (days and written < oldest)):
            break
        path.unlink(missing_ok=True)
        total -= size
