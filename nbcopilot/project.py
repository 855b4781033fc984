"""The settings that a project brings: which file, whether it may be believed, and what was passed over.

The walk goes upwards from a folder and ends at the project's root, at the home folder, or where another file system
begins. A file counts only when it belongs to the user or to root and nobody else could have put it there.
"""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbcopilot import paths, trust
from nbcopilot.errors import ConfigError, UnsafePathError

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

FILE, SHARED = "nbcopilot.toml", "pyproject.toml"
# What a folder holds that is the root of a project.
ROOT_MARKS = (".git", ".hg", SHARED, "setup.py", "setup.cfg", FILE)
LIMIT = 1_000_000


@dataclass(frozen=True)
class Project:
    """Settings of a project as they were written, and the folder that they stand in.

    `notice`: why a file was passed over, one sentence or ""; `folder` is then what would have to be trusted, if that helps.
    """

    folder: Path | None = None
    origin: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    is_trusted: bool = False
    notice: str = ""


def find(start: str | Path) -> Project:
    """The settings that count for work in `start`. Raises ConfigError when the file that counts cannot be read."""
    for folder in _upwards(Path(os.path.realpath(start))):
        for name in (FILE, SHARED):
            if os.path.lexists(folder / name) and (found := _project(folder, name)) is not None:
                return found
        if any(os.path.lexists(folder / mark) for mark in ROOT_MARKS):
            break
    return Project()


def root(start: str | Path = ".") -> Path:
    """The root of the project that `start` belongs to; `start` itself where none can be told."""
    real = Path(os.path.realpath(start))
    marked = (folder for folder in _upwards(real) if any(os.path.lexists(folder / mark) for mark in ROOT_MARKS))
    return next(marked, real)


def require_own(output: str | Path, *trees: str | Path) -> None:
    """Refuse to write to `output` through a link that this project, or that of one of `trees`, brought and that leads out.

    Raises UnsafePathError. In a trusted folder links are the user's own.
    """
    for tree in {root(), *map(root, trees)}:
        if paths.is_foreign_link(tree, output) and not trust.is_trusted(tree):
            raise UnsafePathError(
                f"{output} is a link that leads out of {tree}, to {os.path.realpath(output)}",
                hint="name the place that it leads to, if that is what you mean",
            )


def is_ours(path: str | Path) -> bool:
    """Whether the user or root owns what is at `path`, a link itself; True where files have no such owners."""
    if not hasattr(os, "geteuid"):
        return True
    try:
        return os.lstat(path).st_uid in (0, os.geteuid())
    except OSError:
        return False


def trust_line(folder: str | Path) -> str:
    """What to type so that all settings in `folder` count."""
    return f"nbcopilot trust {shlex.quote(str(folder))}"


def read_toml(content: bytes, path: str | Path) -> dict[str, Any]:
    """The content of a TOML file. Raises ConfigError."""
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{path} cannot be read: {exc}", hint="mend the file or move it away") from exc


def _upwards(start: Path) -> Iterator[Path]:
    """`start` and the folders above it, as far as a project can reach."""
    home = os.path.realpath(os.path.expanduser("~"))
    try:
        device = start.stat().st_dev
        for folder in (start, *start.parents):
            if folder.stat().st_dev != device:
                return
            yield folder
            if str(folder) == home:
                return
    except OSError:
        return


def _project(folder: Path, name: str) -> Project | None:
    """The project whose settings stand in this file; None when it has no settings."""
    path = folder / name
    owner = trust.owner_trusted(folder)
    try:
        content, status = paths.read(folder, path, limit=LIMIT)
    except (UnsafePathError, OSError) as exc:
        reason = (
            exc.message if isinstance(exc, UnsafePathError) else f"it cannot be read: {(exc.strerror or '').lower()}"
        )
        return None if name == SHARED else Project(notice=f"{path} is passed over: {reason}")
    reason = _why_not(folder, status, owner)
    try:
        values = _settings(read_toml(content, path), name)
    except ConfigError:
        if reason:
            return _passed_over(path, reason) if name == FILE else None
        raise
    if values is None:
        return None
    if reason:
        return _passed_over(path, reason)
    origin = str(path) if name == FILE else f"{path} [tool.nbcopilot]"
    return Project(folder, origin, values, owner is not None)


def _settings(content: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    if name == FILE:
        return content
    tools = content.get("tool")
    section = tools.get("nbcopilot") if isinstance(tools, dict) else None
    return section if isinstance(section, dict) else None


def _why_not(folder: Path, status: os.stat_result, trusted: int | None) -> str:
    """Why a file with this status must not steer the user, or ""."""
    if not hasattr(os, "geteuid"):  # Windows has no such owners
        return ""
    around = folder.stat()
    allowed = {0, os.geteuid(), *(() if trusted is None else (trusted,))}
    if status.st_uid not in allowed:
        return f"it belongs to {_user(status.st_uid)}, not to you"
    if around.st_uid not in allowed:
        return f"its folder belongs to {_user(around.st_uid)}, not to you"
    if trusted is None and around.st_mode & stat.S_IWOTH and not around.st_mode & stat.S_ISVTX:
        return "everybody may write into its folder"
    if trusted is None and status.st_mode & stat.S_IWOTH:
        return "everybody may write into it"
    return ""


def _passed_over(path: Path, reason: str) -> Project:
    said = f"{path} is passed over: {reason}; to use it all the same, type: {trust_line(path.parent)}"
    return Project(path.parent, notice=said)


def _user(number: int) -> str:
    try:
        import pwd

        return f"{pwd.getpwuid(number).pw_name} (user {number})"
    except (ImportError, KeyError):
        return f"user {number}"
