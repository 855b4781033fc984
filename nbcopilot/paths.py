"""The one way to open a file below a folder that somebody else may have filled: no link leads out of it.

A path is first resolved; its real place must lie below the real folder. It is then opened one component at a time
with O_NOFOLLOW, so that a link put there meanwhile makes the open fail. Where the system has no such opening
(Windows), the real path is checked right before. Devices, pipes and sockets are refused, and so is what is too long.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from nbcopilot.errors import UnsafePathError

BY_DESCRIPTOR = {os.open, os.stat, os.unlink, os.mkdir, os.rename, os.access} <= os.supports_dir_fd and hasattr(
    os, "O_NOFOLLOW"
)
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# A pipe without a writer must not hold us up.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | _FLAGS


def is_inside(folder: str | Path, path: str | Path) -> bool:
    """Whether the real place of `path` is `folder` or lies below it; neither has to exist."""
    return _parts(folder, path) is not None


def inside(folder: str | Path, path: str | Path) -> Path:
    """The real place of `path`, below the real place of `folder`. Raises UnsafePathError when it lies outside."""
    parts = _parts(folder, path)
    if parts is None:
        raise UnsafePathError(
            f"{path} leads out of {folder}, to {os.path.realpath(path)}",
            hint="name the file or folder that it leads to, if that is what you mean",
        )
    return Path(os.path.realpath(folder), *parts)


def is_foreign_link(folder: str | Path, path: str | Path) -> bool:
    """Whether `path`, as written, lies below `folder` but really lies outside: a link in `folder` leads there."""
    written = os.path.abspath(path)
    is_below = _is_below(os.path.abspath(folder), written) or _is_below(os.path.realpath(folder), written)
    return is_below and not is_inside(folder, path)


class Folder:
    """A folder that is held open: its files by name, none of them a link. Where BY_DESCRIPTOR is False, by its path."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self._path, self._descriptor = path, descriptor

    def status(self, name: str) -> os.stat_result | None:
        """The status of an ordinary file, None when nothing is there. Raises OSError, UnsafePathError for anything else."""
        try:
            found = os.stat(self._at(name), dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(found.st_mode):
            raise UnsafePathError(f"{self._path / name} is not an ordinary file", hint="name an ordinary file")
        return found

    def is_writable(self, name: str) -> bool:
        """Whether the process may write into the file."""
        return os.access(self._at(name), os.W_OK, dir_fd=self._descriptor)

    def read(self, name: str, *, limit: int | None = None) -> bytes:
        """The content of the file."""
        return _read(self._open(name, _READ), str(self._path / name), limit)[0]

    def create(self, name: str) -> int:
        """A descriptor of a new, empty file, to write."""
        return self._open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS)

    def rename(self, name: str, new: str) -> None:
        """Put the file `name` in the place of `new`."""
        where = self._descriptor
        os.replace(self._at(name), self._at(new), src_dir_fd=where, dst_dir_fd=where)

    def unlink(self, name: str) -> None:
        """Remove the file."""
        os.unlink(self._at(name), dir_fd=self._descriptor)

    def sync(self) -> None:
        """Make a rename survive a power cut, where folders can be synced (not on Windows)."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.fsync(self._descriptor)

    def _open(self, name: str, flags: int) -> int:
        return os.open(self._at(name), flags | getattr(os, "O_NOFOLLOW", 0), 0o666, dir_fd=self._descriptor)

    def _at(self, name: str) -> str:
        return name if self._descriptor is not None else str(self._path / name)


@contextlib.contextmanager
def opened_folder(folder: str | Path, path: str | Path, *, make: bool = False) -> Iterator[Folder]:
    """The folder at `path`, which lies at or below `folder`; make: create what is missing.

    Raises UnsafePathError when a link leads out, OSError.
    """
    place, top = inside(folder, path), Path(os.path.realpath(folder))
    if make:
        top.mkdir(parents=True, exist_ok=True)
    if not BY_DESCRIPTOR:
        if make:
            place.mkdir(parents=True, exist_ok=True)
        yield Folder(place, None)
        return
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)
    try:
        for part in place.relative_to(top).parts:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | _FLAGS, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield Folder(place, descriptor)
    finally:
        os.close(descriptor)


def read(folder: str | Path, path: str | Path, *, limit: int | None = None) -> tuple[bytes, os.stat_result]:
    """(content, status) of the file at `path`, which must lie below `folder`. See `read_file` for the errors."""
    place = inside(folder, path)
    with opened_folder(folder, place.parent) as parent:
        return _read(parent._open(place.name, _READ), str(path), limit)


def read_file(path: str | Path, *, limit: int | None = None) -> tuple[bytes, os.stat_result]:
    """(content, status) of an ordinary file that the user named; links are followed. limit: bytes.

    Raises UnsafePathError when it is a device, a pipe, a folder or longer than the limit, and OSError.
    """
    return _read(os.open(path, _READ), str(path), limit)


def _read(descriptor: int, name: str, limit: int | None) -> tuple[bytes, os.stat_result]:
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise UnsafePathError(f"{name} is not an ordinary file", hint="name an ordinary file")
        content = file.read() if limit is None else file.read(limit + 1)
    if limit is not None and len(content) > limit:
        raise UnsafePathError(f"{name} is longer than {limit:,} bytes", hint="shorten it")
    return content, found


def _parts(folder: str | Path, path: str | Path) -> tuple[str, ...] | None:
    """The components of the real `path` below the real `folder`; None when it lies elsewhere."""
    top, real = os.path.realpath(folder), os.path.realpath(path)
    return Path(real).relative_to(top).parts if _is_below(top, real) else None


def _is_below(top: str, path: str) -> bool:
    try:
        Path(path).relative_to(top)
    except ValueError:
        return False
    return True
