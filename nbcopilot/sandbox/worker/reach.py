"""Which files code may read and write where only the interpreter can refuse: by real paths, as far as names tell."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nbcopilot.sandbox.worker.visible import is_hidden

_DEVICES = frozenset({"null", "zero", "full", "random", "urandom", "shm", "fd", "stdin", "stdout", "stderr"})
_MACHINE = frozenset({"cpuinfo", "meminfo", "stat", "loadavg", "uptime", "version", "filesystems"})  # below /proc


@dataclass(frozen=True)
class Reach:
    """Real paths. write: folders to write in; free: the interpreter's, readable whole; private: folders of the user's
    (home, the notebook's), in which hidden files, keys and tokens may not be read."""

    write: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    private: tuple[str, ...] = ()

    def may_write(self, path: Any) -> bool:
        """Whether it lies in a folder to write in, or goes nowhere; an open file was opened by these rules."""
        if isinstance(path, int):
            return True
        real = _real(path)
        return real is not None and (real == os.devnull or bool(below(real, self.write)))

    def may_read(self, path: Any) -> bool:
        """Whether it is none of the files that are hidden, of other processes, or of the machine's devices."""
        real = None if isinstance(path, int) or path is None else _real(path)
        if real is None or below(real, (*self.free, *self.write)):
            return True
        parts = real.split(os.sep)
        if not (_may_ask(os.path.abspath(os.fsdecode(path)).split(os.sep)) and _may_ask(parts)):
            return False
        if parts[1:2] == ["dev"]:
            return len(parts) < 3 or parts[2] in _DEVICES
        return not any(
            is_hidden(part)
            for folder in below(real, self.private)
            for part in real[len(folder) :].split(os.sep)
            if part
        )

    def may_hold_a_database(self, path: Any) -> bool:
        """Whether SQLite, whose own code writes, may open it: a folder to write in, or data that are there to be read."""
        if isinstance(path, int) or os.fspath(path) in ("", b"", ":memory:", b":memory:"):
            return True
        name = os.fsdecode(path)
        name = name.removeprefix("file:").split("?", 1)[0] if name.startswith("file:") else name
        return ":memory:" in os.fsdecode(path) or self.may_write(name) or (os.path.exists(name) and self.may_read(name))


def _may_ask(parts: list[str]) -> bool:
    """Whether a path, if it lies below /proc, is about the machine's size or this very process and not its network."""
    if parts[1:2] != ["proc"] or len(parts) < 3:
        return True
    return parts[2] in _MACHINE or (parts[2] in ("self", str(os.getpid())) and parts[3:4] != ["net"])


def real_paths(paths: Iterable[Any]) -> tuple[str, ...]:
    """The paths that there are, resolved."""
    return tuple(os.path.realpath(str(path)) for path in paths if path)


def below(real: str, folders: Iterable[str]) -> list[str]:
    """Those of the folders that a real path is or lies in."""
    return [folder for folder in folders if real == folder or real.startswith(folder.rstrip(os.sep) + os.sep)]


def _real(path: Any) -> str | None:
    try:
        return os.path.realpath(os.fsdecode(path))
    except (TypeError, ValueError, OSError):
        return None
