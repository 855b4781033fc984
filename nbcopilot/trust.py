"""The folders whose settings the user has said to trust, by real path and owner, in the user's configuration folder.

A folder counts by itself: what lies below it, or is put in its place by somebody else, has to be trusted anew.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nbcopilot import paths, places
from nbcopilot.errors import ConfigError, NbcopilotError, UsageError

FILE = "trusted.json"
_LIMIT = 1_000_000


@dataclass(frozen=True)
class Trusted:
    """A trusted folder: its real path, its owner's number (0 on Windows), and since when (UTC, ISO 8601)."""

    folder: str
    owner: int
    since: str


def user_folder() -> Path | None:
    """The configuration folder of nbcopilot (`NBCOPILOT_CONFIG_DIR` overrides it); None without a home folder."""
    return places.settings_folder()


def folders() -> list[Trusted]:
    """All that is trusted, in the order of trusting. Raises ConfigError when the list cannot be read."""
    place = user_folder()
    if place is None:
        return []
    path = place / FILE
    try:
        content, _ = paths.read_file(path, limit=_LIMIT)
        return [Trusted(str(one["folder"]), int(one["owner"]), str(one["since"])) for one in json.loads(content)]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, NbcopilotError) as exc:
        raise ConfigError(f"{path} cannot be read: {exc}", hint="remove it, and trust your folders again") from exc


def owner_trusted(folder: str | Path) -> int | None:
    """The owner whose files count in this very folder, None when it is not trusted or has changed hands."""
    real = os.path.realpath(folder)
    known = next((one for one in folders() if one.folder == real), None)
    try:
        return known.owner if known is not None and known.owner == os.stat(real).st_uid else None
    except OSError:
        return None


def is_trusted(folder: str | Path) -> bool:
    """Whether the settings of a project in this very folder count in full."""
    return owner_trusted(folder) is not None


def add(folder: str | Path) -> Trusted:
    """Trust the folder as it is now. Raises UsageError when there is none, ConfigError when it cannot be noted."""
    real = os.path.realpath(folder)
    if not os.path.isdir(real):
        raise UsageError(
            f"{folder} is not a folder", hint="name the folder that holds nbcopilot.toml or pyproject.toml"
        )
    made = Trusted(real, os.stat(real).st_uid, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    _write([*(one for one in folders() if one.folder != real), made])
    return made


def remove(folder: str | Path) -> bool:
    """Trust the folder no longer; whether it was trusted. A folder that is gone is named by its path."""
    names = {os.path.realpath(folder), os.path.abspath(folder)}
    known = folders()
    kept = [one for one in known if one.folder not in names]
    if len(kept) != len(known):
        _write(kept)
    return len(kept) != len(known)


def _write(known: Sequence[Trusted]) -> None:
    place = user_folder()
    if place is None:
        raise ConfigError("there is no home folder to note it in", hint="set HOME, or NBCOPILOT_CONFIG_DIR to a folder")
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=place, prefix=f".{FILE}-")
        with open(descriptor, "w", encoding="utf-8") as out:
            json.dump([asdict(one) for one in known], out, indent=1)
        os.replace(temporary, place / FILE)
    except OSError as exc:
        raise ConfigError(f"{place / FILE} cannot be written: {exc.strerror}", hint="check its permissions") from exc
