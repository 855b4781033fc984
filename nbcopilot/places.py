"""Where this user's files are: home, settings, cache, state. One reader of an environment that may lack any of it.

A container that runs under an arbitrary user id has no HOME and no entry in the user database: then there are no
user settings, and caches go to a private folder among the temporary files.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path

from nbcopilot.errors import ConfigError, UsageError

NAME = "nbcopilot"


def home() -> Path | None:
    """The home folder; None where the system knows of none."""
    found = os.path.expanduser("~")
    return Path(found) if os.path.isabs(found) else None


def settings_folder() -> Path | None:
    """The configuration folder (`NBCOPILOT_CONFIG_DIR` overrides it); None without a home folder."""
    if override := os.environ.get("NBCOPILOT_CONFIG_DIR"):
        return Path(override)
    if sys.platform == "win32":
        return _below(os.environ.get("APPDATA"), NAME)
    if sys.platform == "darwin":
        return _below(None, "Library", "Application Support", NAME)
    return _below(os.environ.get("XDG_CONFIG_HOME"), NAME, at_home=".config")


def cache_folder() -> Path:
    """Where models and prompts are kept (`NBCOPILOT_CACHE_DIR` overrides it). Raises ConfigError."""
    if override := os.environ.get("NBCOPILOT_CACHE_DIR"):
        return Path(os.path.expanduser(override))
    return _platform("user_cache_dir") or _private("cache")


def state_folder() -> Path:
    """Where the journals of runs on remote stores are kept (`NBCOPILOT_STATE_DIR` overrides it). Raises ConfigError."""
    if override := os.environ.get("NBCOPILOT_STATE_DIR"):
        return Path(override)
    return _platform("user_state_dir") or _private("state")


def working_folder() -> Path:
    """The working folder. Raises UsageError when it is gone."""
    try:
        return Path.cwd()
    except OSError as exc:
        raise UsageError("the working folder is no longer there", hint="cd to a folder that exists") from exc


def temporary_folder() -> Path:
    """The folder for temporary files. Raises ConfigError when nothing can be written to any."""
    try:
        return Path(tempfile.gettempdir())
    except OSError as exc:
        raise ConfigError(
            "there is no folder for temporary files", hint="set TMPDIR to one that can be written"
        ) from exc


def _below(base: str | None, *parts: str, at_home: str = "") -> Path | None:
    if base and os.path.isabs(base):
        return Path(base, *parts)
    own = home()
    return None if own is None else Path(own, at_home, *parts)


def _platform(kind: str) -> Path | None:
    """What platformdirs says, where it says something that stands by itself."""
    import platformdirs

    try:
        found = getattr(platformdirs, kind)(NAME, appauthor=False)
    except RuntimeError:  # no home folder
        return None
    return Path(found) if os.path.isabs(found) else None


def _private(part: str) -> Path:
    """A folder of ours among the temporary files, which nobody else can have prepared. Raises ConfigError."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = temporary_folder() / f"{NAME}-home-{user}"
    hint = "set HOME, or NBCOPILOT_CACHE_DIR to a folder of yours"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as exc:
        said = (exc.strerror or str(exc)).lower()
        raise ConfigError(f"there is no home folder, and {folder} cannot be made: {said}", hint=hint) from exc
    foreign = hasattr(os, "getuid") and (found.st_uid != user or found.st_mode & 0o077)
    if foreign or not stat.S_ISDIR(found.st_mode):
        raise ConfigError(f"there is no home folder, and {folder} is not a private folder of yours", hint=hint)
    return folder / part
