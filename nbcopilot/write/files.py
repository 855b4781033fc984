"""The last step for files: bytes onto the disk, whole or not at all, and only over what was read.

A temporary file in the same folder, fsync, rename. A crash, a kill or a full disk at any moment leaves the old file;
at worst a hidden `.nbcopilot-*.tmp` stays behind, until `sweep`. Knows nothing of what the bytes mean, except `apply`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Sequence
from pathlib import Path

from nbcopilot.errors import EditConflictError, NotebookWriteError, UsageError
from nbcopilot.notebook import document
from nbcopilot.types import CellEdit
from nbcopilot.write import cells

# A write takes well below a second; a disk that hangs is waited for.
LEFT_SECONDS = 60.0
_LEFT = re.compile(r"\.nbcopilot-[0-9a-f]{16}\.tmp")


def apply(path: str | Path, edits: Sequence[CellEdit], expected_sha256: str | None = None) -> None:
    """Write `edits` into the notebook at `path`. expected_sha256: of the file when it was read (hex).

    Raises EditConflictError (nothing was overwritten), NotebookWriteError (the original is as it was),
    UsageError for a notebook older than nbformat 4, which is only written to a new file, and NotebookError.
    """
    file = document.read(path)
    if file.convertible_only:
        raise UsageError(
            f"{file.name} is nbformat {file.version[0]}, which is only read", hint="write to a new file with -o FOLDER"
        )
    _same(file.sha256, expected_sha256, file.name)
    write(path, cells.edited(file, edits), expected_sha256=file.sha256)


def write(path: str | Path, data: bytes, *, expected_sha256: str | None = None) -> None:
    """Make `data` the whole content of the file at `path`, at once; a symbolic link stays one.

    expected_sha256: hex digest that the present content must have; None: whatever is there is replaced. Mode and
    owner are kept. A new file and its folders are made with the process's umask.
    Raises EditConflictError and NotebookWriteError; in both cases the file is as it was.
    """
    target = Path(os.path.realpath(path))
    temporary = None
    try:
        if expected_sha256 is None:
            target.parent.mkdir(parents=True, exist_ok=True)
        before = target.stat() if target.exists() else None
        if before is not None and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "it is read-only")
        temporary = _temporary(target.parent, data, before)
        # As late as can be: what was read must still be there.
        if expected_sha256 is not None:
            now = hashlib.sha256(target.read_bytes()).hexdigest() if target.exists() else ""
            _same(now, expected_sha256, str(path))
        os.replace(temporary, target)
        temporary = None
        _sync_folder(target.parent)
    except OSError as exc:
        raise NotebookWriteError(f"{path} could not be written: {_reason(exc)}", hint=_hint(exc)) from exc
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def sweep(folder: str | Path, *, older_seconds: float = LEFT_SECONDS) -> None:
    """Remove from `folder` the temporary files of writes that were killed; one that is under way is younger."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _LEFT.fullmatch(entry.name) and time.time() - entry.stat().st_mtime > older_seconds:
                os.unlink(entry.path)


def _temporary(folder: Path, data: bytes, before: os.stat_result | None) -> str:
    """A synced file in `folder` with `data`, and mode and owner of `before`."""
    name = str(folder / f".nbcopilot-{secrets.token_hex(8)}.tmp")
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
            out.flush()
            if before is not None:
                _like(out.fileno(), before)
            os.fsync(out.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    return name


def _like(descriptor: int, before: os.stat_result) -> None:
    """Give the open file the owner and the mode of `before`, as far as the process may."""
    if not hasattr(os, "fchown"):  # Windows
        return
    mine = os.fstat(descriptor)
    if (mine.st_uid, mine.st_gid) != (before.st_uid, before.st_gid):
        # Only root can give a file away; a member of the group can keep the group.
        for owner in (before.st_uid, -1):
            with contextlib.suppress(PermissionError):
                os.fchown(descriptor, owner, before.st_gid)
                break
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, where folders can be opened (not on Windows)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _same(found: str, expected: str | None, name: str) -> None:
    if expected is not None and found != expected:
        what = "changed on disk since it was read" if found else "was removed since it was read"
        raise EditConflictError(f"{name} {what}; nothing was overwritten", hint="run it again")


def _reason(exc: OSError) -> str:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    return (exc.strerror or str(exc)).lower()


def _hint(exc: OSError) -> str:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the original is as it was; free some space and run it again"
    return "the original is as it was; check the permissions, or write elsewhere with -o FOLDER"
