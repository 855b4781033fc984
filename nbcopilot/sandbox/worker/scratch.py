"""The scratch folder of a run: the notebook's folder shown in it, what was written listed, all of it gone afterwards."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from typing import Any

from nbcopilot import paths
from nbcopilot.errors import UnsafePathError
from nbcopilot.sandbox.worker.visible import Tree, tree

COPIED_FILE, COPIED_BYTES, COPIED_FILES = 1 << 20, 16 << 20, 300
COUNTED_FILES, BEYOND = 20_000, 1 << 60


def fill(scratch: str, data: Any) -> dict[str, tuple[int, int]]:
    """Show the notebook's folder in the scratch folder: small files as copies that may be changed, the rest as links.

    Of what is visible only (`visible.tree`). Folders are copied while they are small. Returns the files as they are.
    """
    wipe(scratch)
    os.makedirs(scratch, exist_ok=True)
    if data and os.path.isdir(data):
        found = tree(str(data))
        inside = os.path.realpath(scratch)
        room = Room()
        for path in _top(found):
            if path != inside:
                with contextlib.suppress(OSError, UnsafePathError):
                    _show(found, path, os.path.join(scratch, os.path.basename(path)), room)
    return dict(_files(scratch))


class Room:
    """Bytes and files that may still be copied."""

    def __init__(self) -> None:
        self.bytes = COPIED_BYTES
        self.files = COPIED_FILES

    def take(self, size: int, files: int = 1) -> bool:
        """Whether there was room, which is then less."""
        if size > self.bytes or files > self.files:
            return False
        self.bytes -= size
        self.files -= files
        return True


def _top(found: Tree) -> list[str]:
    """The visible entries at the top of the folder, in the order of their names."""
    every = (*found.files, *found.folders, *found.links)
    return sorted(path for path in every if os.path.dirname(path) == found.top)[:1000]


def _show(found: Tree, path: str, target: str, room: Room) -> None:
    real = found.links.get(path, path)
    if real in found.files:
        size = found.files[real].st_size
        if size <= COPIED_FILE and room.take(size):
            _copy(found.top, real, target)
            return
    elif path == real:
        inner = list(found.below(path))
        sizes = [found.files[file].st_size for file in inner if file in found.files]
        if max(sizes, default=0) <= COPIED_FILE and room.take(sum(sizes), len(inner)):
            _copy_folder(found, path, inner, target)
            return
    os.symlink(real, target)


def _copy_folder(found: Tree, folder: str, inner: Sequence[str], target: str) -> None:
    os.mkdir(target)
    for path in sorted(inner):  # a folder comes before what it holds
        copy = os.path.join(target, os.path.relpath(path, folder))
        with contextlib.suppress(OSError, UnsafePathError):
            if path in found.folders:
                os.mkdir(copy)
            elif path in found.files:
                _copy(found.top, path, copy)
            else:
                os.symlink(found.links[path], copy)


def _copy(top: str, path: str, target: str) -> None:
    """Copy a file that was found below `top`, unless a link has taken its place or that of a folder around it."""
    content, _ = paths.read(top, path, limit=COPIED_FILE)
    with open(target, "xb") as file:
        file.write(content)


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
    """Bytes on disk below a folder; more than any limit when it has too many entries, or too deep ones, to be counted."""
    total = seen = 0
    stack = [folder]
    while stack:
        try:
            entries = list(os.scandir(stack.pop()))
        except OSError as exc:
            if exc.errno == errno.ENAMETOOLONG:
                return BEYOND
            continue
        seen += len(entries)
        if seen > COUNTED_FILES:
            return BEYOND
        for entry in entries:
            with contextlib.suppress(OSError):
                info = entry.stat(follow_symlinks=False)
                total += info.st_blocks * 512
                if stat.S_ISDIR(info.st_mode):
                    stack.append(entry.path)
    return total


def wipe(folder: str) -> bool:
    """Empty a folder whatever was done to its modes and however deep it is; True when it is empty (or not there)."""
    if not os.path.isdir(folder):
        return True
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)
        if not paths.BY_DESCRIPTOR:
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder, exist_ok=True)
            return not os.listdir(folder)
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _flatten(top)
        finally:
            os.close(top)
    return not os.listdir(folder)


def _flatten(top: int) -> None:
    """Remove all in the open folder: what lies in a folder of it is moved to the top, so that no path is ever long."""
    number = 0
    while names := os.listdir(top):
        left = len(names)
        for name in names:
            with contextlib.suppress(OSError):
                if not stat.S_ISDIR(os.lstat(name, dir_fd=top).st_mode):
                    os.unlink(name, dir_fd=top)
                    left -= 1
                    continue
                os.chmod(name, 0o700, dir_fd=top)
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
                try:
                    for below in os.listdir(inner):
                        number += 1
                        _take(inner, below, top, f"{number:x}-")
                finally:
                    os.close(inner)
                os.rmdir(name, dir_fd=top)
                left -= 1
        if left == len(names):
            return  # nothing of it can be removed


def _take(inner: int, name: str, top: int, new: str) -> None:
    """Remove a file of a folder, or move a folder of it to the top under a new name."""
    if stat.S_ISDIR(os.lstat(name, dir_fd=inner).st_mode):
        os.chmod(name, 0o700, dir_fd=inner)  # a folder that is moved is written to
        os.rename(name, _free(top, new), src_dir_fd=inner, dst_dir_fd=top)
    else:
        os.unlink(name, dir_fd=inner)


def _free(top: int, name: str) -> str:
    """A name like this one that nothing at the top has."""
    while True:
        try:
            os.lstat(name, dir_fd=top)
        except FileNotFoundError:
            return name
        name += "-"
