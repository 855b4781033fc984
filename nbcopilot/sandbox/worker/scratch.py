"""The scratch folder of a run: the notebook's folder shown in it, what was written listed, all of it gone afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from typing import Any

COPIED_FILE, COPIED_BYTES, COPIED_FILES = 1 << 20, 16 << 20, 300


def fill(scratch: str, data: Any) -> dict[str, tuple[int, int]]:
    """Show the notebook's folder in the scratch folder: small files as copies that may be changed, the rest as links.

    Hidden entries at the top are left out. Folders are copied while they are small. Returns the files as they are.
    """
    wipe(scratch)
    os.makedirs(scratch, exist_ok=True)
    room = Room()
    for entry in _entries(data) if data and os.path.isdir(data) else []:
        if not entry.name.startswith(".") and entry.path != scratch:
            with contextlib.suppress(OSError):
                _show(entry, os.path.join(scratch, entry.name), room)
    return dict(_files(scratch))


class Room:
    """Bytes and files that may still be copied, and folders that may still be looked into."""

    def __init__(self) -> None:
        self.bytes = COPIED_BYTES
        self.files = COPIED_FILES
        self.looks = 20

    def take(self, size: int, files: int = 1) -> bool:
        """Whether there was room, which is then less."""
        if size > self.bytes or files > self.files:
            return False
        self.bytes -= size
        self.files -= files
        return True


def _entries(folder: str) -> list[os.DirEntry[str]]:
    return sorted(os.scandir(folder), key=lambda entry: entry.name)[:1000]


def _show(entry: os.DirEntry[str], target: str, room: Room) -> None:
    info = entry.stat()
    if stat.S_ISREG(info.st_mode):
        if info.st_size <= COPIED_FILE and room.take(info.st_size):
            shutil.copyfile(entry.path, target)
        else:
            os.symlink(entry.path, target)
    elif stat.S_ISDIR(info.st_mode):
        room.looks -= 1
        sizes = _small_tree(entry.path) if room.looks >= 0 and not entry.is_symlink() else None
        if sizes is not None and room.take(sum(sizes), len(sizes)):
            shutil.copytree(entry.path, target, symlinks=True, copy_function=shutil.copyfile)
        else:
            os.symlink(entry.path, target)


def _small_tree(folder: str) -> list[int] | None:
    """Sizes of all that is in a folder; None when it is too much, or holds what is neither file, folder nor link."""
    sizes: list[int] = []
    for root, folders, files in os.walk(folder):
        if len(sizes) + len(folders) + len(files) > COPIED_FILES:
            return None
        sizes += [0] * len(folders)
        for name in files:
            info = os.lstat(os.path.join(root, name))
            if info.st_size > COPIED_FILE or not (stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode)):
                return None
            sizes.append(info.st_size)
    return sizes


def _files(folder: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """(path below the folder, (size, time of change)) of at most some 2000 files; links are not followed."""
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
