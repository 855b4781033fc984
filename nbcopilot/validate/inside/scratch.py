"""The scratch folder of a run: the notebook's folder shown in it, what was written listed, all of it gone afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from typing import Any

SMALL_FILE, SMALL_FILES = 1 << 20, 16 << 20


def fill(scratch: str, data: Any) -> dict[str, tuple[int, int]]:
    """Show the notebook's folder in the scratch folder: small files as copies that may be changed, the rest as links."""
    wipe(scratch)
    os.makedirs(scratch, exist_ok=True)
    copied = 0
    for entry in sorted(os.scandir(data), key=lambda e: e.name)[:1000] if data and os.path.isdir(data) else ():
        target = os.path.join(scratch, entry.name)
        if entry.name.startswith(".") or entry.path == scratch:
            continue
        with contextlib.suppress(OSError):
            info = entry.stat()
            if stat.S_ISREG(info.st_mode) and info.st_size <= SMALL_FILE and copied + info.st_size <= SMALL_FILES:
                shutil.copyfile(entry.path, target)
                copied += info.st_size
            elif stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode):
                os.symlink(entry.path, target)
    return dict(_files(scratch))


def _files(folder: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """(path below the folder, (size, time of change)) of at most 2000 files; links are not followed."""
    seen = 0
    stack = [folder]
    while stack and seen < 2000:
        try:
            entries = list(os.scandir(stack.pop()))
        except OSError:
            continue
        for entry in entries:
            seen += 1
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    stack.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    info = entry.stat(follow_symlinks=False)
                    yield os.path.relpath(entry.path, folder), (info.st_size, info.st_mtime_ns)


def written(folder: str, before: dict[str, tuple[int, int]]) -> Iterator[dict[str, Any]]:
    for path, seen in sorted(_files(folder))[:2000]:
        if before.get(path) != seen and "__pycache__" not in path and not path.startswith("."):
            yield {"path": path[:200], "bytes": seen[0], "new": path not in before}


def disk_use(folder: str) -> int:
    return sum(size for _, (size, _) in _files(folder))


def wipe(folder: str) -> bool:
    """Empty a folder whatever was done to its modes; True when it is empty (or not there)."""
    if not os.path.isdir(folder):
        return True
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)
    for root, folders, _ in os.walk(folder):  # from the top: a folder is opened up before it is entered
        for name in folders:
            path = os.path.join(root, name)
            if not os.path.islink(path):
                with contextlib.suppress(OSError):
                    os.chmod(path, 0o700)
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)
    return not os.listdir(folder)
