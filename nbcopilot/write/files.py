"""The last step for files: bytes onto the disk, whole or not at all, and only over what was read.

A temporary file in the same folder, fsync, rename. A crash, a kill or a full disk at any moment leaves the old file;
at worst a hidden `.nbcopilot-*.tmp` stays behind, until `sweep`. Knows nothing of what the bytes mean, except `apply`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Sequence
from pathlib import Path

from nbcopilot import paths
from nbcopilot.errors import EditConflictError, NotebookWriteError, UsageError
from nbcopilot.notebook import document
from nbcopilot.types import CellEdit
from nbcopilot.write import cells, rooms

# A write takes well below a second; a disk that hangs is waited for.
LEFT_SECONDS = 60.0
_LEFT = re.compile(r"\.nbcopilot-[0-9a-f]{16}\.tmp")


def apply(path: str | Path, edits: Sequence[CellEdit], base: bytes | None = None) -> None:
    """Write `edits` into the notebook at `path`. base: what stood in the file when it was read.

    Raises EditConflictError (nothing was overwritten), NotebookWriteError (the original is as it was),
    UsageError for a notebook older than nbformat 4, which is only written to a new file, and NotebookError.
    """
    file = document.read(path) if base is None else document.loads(base, path)
    if file.convertible_only:
        raise UsageError(
            f"{file.name} is nbformat {file.version[0]}, which is only read", hint="write to a new file with -o FOLDER"
        )
    write(path, cells.edited(file, edits), base=file.raw)


def write(path: str | Path, data: bytes, *, base: bytes | None = None, within: str | Path | None = None) -> None:
    """Make `data` the whole content of the file at `path`, at once; a symbolic link stays one.

    A notebook that is open in a shared session gets what makes `base` into `data` through that session; any other
    file that is open in one is left alone. base: the content that was read and must still be there; None: whatever is
    there is replaced. Mode and owner are kept. A new file and its folders are made with the process's umask.
    within: the folder that the file must really lie in, whatever links are there; None for a path that the user named.
    Raises EditConflictError, NotebookWriteError and UnsafePathError; in each case the file is as it was.
    """
    target = Path(os.path.realpath(path)) if within is None else paths.inside(within, path)
    if target.exists() and (room := rooms.holding(target)) is not None:
        if base is None or room.kind != "notebook" or target.suffix != ".ipynb":
            raise rooms.refuse(room)
        return room.write(base, data)
    try:
        if base is None and within is None:
            target.parent.mkdir(parents=True, exist_ok=True)
        top = target.parent if within is None else within
        with paths.opened_folder(top, target.parent, make=base is None) as folder:
            _replace(folder, target.name, data, base, str(path))
    except OSError as exc:
        raise NotebookWriteError(f"{path} could not be written: {_reason(exc)}", hint=_hint(exc)) from exc


def _replace(folder: paths.Folder, name: str, data: bytes, base: bytes | None, shown: str) -> None:
    """Put `data` in the place of the file `name`, which is not a link, in a folder that is held open."""
    before = folder.status(name)
    if before is not None and not folder.is_writable(name):
        raise PermissionError(errno.EACCES, "it is read-only")
    temporary = f".nbcopilot-{secrets.token_hex(8)}.tmp"
    try:
        _create(folder, temporary, data, before)
        # As late as can be: what was read must still be there.
        if base is not None:
            _same(None if folder.status(name) is None else folder.read(name), base, shown)
        folder.rename(temporary, name)
    except BaseException:
        with contextlib.suppress(OSError):
            folder.unlink(temporary)
        raise
    folder.sync()


def sweep(folder: str | Path, *, older_seconds: float = LEFT_SECONDS) -> None:
    """Remove from `folder` the temporary files of writes that were killed; one that is under way is younger."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _LEFT.fullmatch(entry.name) and time.time() - entry.stat().st_mtime > older_seconds:
                os.unlink(entry.path)


def _create(folder: paths.Folder, name: str, data: bytes, before: os.stat_result | None) -> None:
    """A synced new file with `data`, and mode and owner of `before`."""
    with os.fdopen(folder.create(name), "wb") as out:
        out.write(data)
        out.flush()
        if before is not None:
            _like(out.fileno(), before)
        os.fsync(out.fileno())


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


def _same(found: bytes | None, base: bytes, name: str) -> None:
    if found != base:
        what = "was removed since it was read" if found is None else "changed on disk since it was read"
        raise EditConflictError(f"{name} {what}; nothing was overwritten", hint="run it again")


def _reason(exc: OSError) -> str:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    return (exc.strerror or str(exc)).lower()


def _hint(exc: OSError) -> str:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the original is as it was; free some space and run it again"
    return "the original is as it was; check the permissions, or write elsewhere with -o FOLDER"
