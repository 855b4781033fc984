"""Captured output that outlives its process: a bounded buffer in memory shared with the parent of a run."""

from __future__ import annotations

import io
import mmap
import struct
import time

_HEAD = struct.Struct("=QQ")  # bytes kept, characters offered


class Tape(io.TextIOBase):
    """A text stream that keeps the first `limit_bytes` of UTF-8 and counts the rest.

    Lives in anonymous shared memory, so that a run that is killed leaves what it printed.
    """

    def __init__(self, limit_bytes: int) -> None:
        super().__init__()
        self._limit = limit_bytes
        self._map = mmap.mmap(-1, _HEAD.size + limit_bytes)
        self._map[: _HEAD.size] = _HEAD.pack(0, 0)

    encoding = "utf-8"
    errors = "replace"

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        used, offered = _HEAD.unpack(self._map[: _HEAD.size])
        room = self._limit - used
        if room > 0:
            data = text[:room].encode("utf-8", "replace")[:room]
            self._map[_HEAD.size + used : _HEAD.size + used + len(data)] = data
            used += len(data)
        self._map[: _HEAD.size] = _HEAD.pack(used, offered + len(text))
        return len(text)

    def clear(self) -> None:
        """Forget what was written."""
        self._map[: _HEAD.size] = _HEAD.pack(0, 0)

    def text(self) -> str:
        """What was kept, with a last line that says how much was left out."""
        used, offered = _HEAD.unpack(self._map[: _HEAD.size])
        used = min(used, self._limit)
        kept = self._map[_HEAD.size : _HEAD.size + used].decode("utf-8", "ignore")
        more = offered - len(kept)
        return f"{kept}\n… {more:,} more characters" if used >= self._limit and more > 0 else kept


class Clock:
    """A deadline in memory shared with the parent of a run: the run sets it, the parent enforces it.

    Lets the code itself be held to its seconds while what we do around it gets more.
    """

    _VALUE = struct.Struct("=d")

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, self._VALUE.size)
        self.allow(1e9)

    def allow(self, seconds: float) -> None:
        """The run must say something again within `seconds`."""
        self._map[:] = self._VALUE.pack(time.monotonic() + seconds)

    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return bool(time.monotonic() > self._VALUE.unpack(self._map[:])[0])


class NoInput(io.TextIOBase):
    """A standard input that nobody types into: reading says so."""

    def __init__(self, refuse: type[BaseException]) -> None:
        super().__init__()
        self._refuse = refuse

    def readable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]  # TextIOBase is typed for bytes too
        raise self._refuse("keyboard")

    def read(self, size: int | None = -1, /) -> str:
        raise self._refuse("keyboard")
