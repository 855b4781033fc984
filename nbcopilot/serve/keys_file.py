"""The one file that holds the keys of users and what they used: SQLite, mode 0600, shared by several processes.

SQLite brings what a file of our own would need: writes that happen whole or not at all, a lock between processes that
a killed one lets go of, and a check of what is read.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from nbcopilot import places
from nbcopilot.errors import ConfigError

NAME = "keys.sqlite"
# How long one process waits for the write of another.
WAIT_SECONDS = 10.0
VERSION = 1
_TABLES = """
CREATE TABLE keys (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, digest BLOB NOT NULL, purpose TEXT NOT NULL,
    tokens_per_day INTEGER, concurrent INTEGER, created REAL NOT NULL, revoked REAL
);
CREATE UNIQUE INDEX names ON keys (name) WHERE revoked IS NULL;
CREATE TABLE usage (
    caller TEXT NOT NULL, day TEXT NOT NULL, requests INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, PRIMARY KEY (caller, day)
);
"""


def path() -> Path:
    """Where the file stands: in the user's configuration folder. Raises ConfigError where there is none."""
    folder = places.settings_folder()
    if folder is None:
        raise ConfigError(
            "there is no home folder to keep the keys in", hint="set HOME, or NBCOPILOT_CONFIG_DIR to a folder"
        )
    return folder / NAME


@contextlib.contextmanager
def opened(place: Path, *, write: bool = False) -> Iterator[sqlite3.Connection | None]:
    """The file within one transaction, kept when the block ends without an error; None when there is no file to read.

    write: made with mode 0600 when it is not there; others wait. Raises ConfigError when it cannot be believed.
    """
    if not _is_there(place, make=write):
        yield None
        return
    with _told(place), contextlib.closing(sqlite3.connect(place, timeout=WAIT_SECONDS, isolation_level=None)) as file:
        file.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        (version,) = file.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise ConfigError(f"{place} was written by a newer nbcopilot", hint="pip install --upgrade nbcopilot")
        if version < VERSION and not write:  # another process has just made it
            yield None
            return
        if version < VERSION:
            for statement in filter(str.strip, _TABLES.split(";")):
                file.execute(statement)
            file.execute(f"PRAGMA user_version = {VERSION}")
        yield file
        file.execute("COMMIT")


def _is_there(place: Path, *, make: bool) -> bool:
    """Whether there is a file, made when wanted. Raises ConfigError when others could read or exchange it."""
    try:
        if make:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        found = place.lstat()
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise ConfigError(
            f"the key file {place} cannot be opened: {exc.strerror}", hint="check its permissions"
        ) from exc
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"the key file {place} is not an ordinary file", hint="move it away")
    if hasattr(os, "getuid"):
        if found.st_uid != os.getuid():
            raise ConfigError(f"the key file {place} belongs to another user", hint="run this as its owner")
        if found.st_mode & 0o077:
            mode = stat.S_IMODE(found.st_mode)
            raise ConfigError(
                f"the key file {place} is open to others (mode {mode:o})",
                hint=f"chmod 600 {place}, and replace its keys if others may have read it",
            )
    return True


@contextlib.contextmanager
def _told(place: Path) -> Iterator[None]:
    """What SQLite raises as one ConfigError."""
    try:
        yield
    except sqlite3.OperationalError as exc:
        raise ConfigError(
            f"the key file {place} cannot be used: {exc}", hint="check the free space and who else holds it"
        ) from exc
    except sqlite3.DatabaseError as exc:
        raise ConfigError(
            f"the key file {place} is damaged: {exc}",
            hint="restore it from a backup, or move it away and add keys anew",
        ) from exc
