"""A forked child that works on a copy of this process's state and says one thing through a pipe."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

MOST_BYTES = 256 << 20
TICK_SECONDS = 0.05
Work = Callable[[Callable[[], bytes]], bytes]


class Fork:
    """`work(told)` in a child, in `scratch`, a copy of the working folder; told() waits for the message to `result`.

    seconds: of CPU (a busy machine must not fail right answers); wall time, four times that and ten, only ends sleepers.
    The child has no file of this process open but its own two pipes and the standard streams.
    """

    def __init__(self, work: Work, scratch: Path, seconds: float) -> None:
        shutil.copytree(os.getcwd(), scratch)
        (self._heard, said), (asked, self._told) = os.pipe(), os.pipe()
        self._deadline = time.monotonic() + 4 * seconds + 10
        self._has_ended = False
        self._child = os.fork()
        if self._child == 0:
            _in_child(work, asked, said, scratch, seconds)
        os.close(said)
        os.close(asked)

    def result(self, message: bytes = b"") -> bytes:
        """What the child says once it has got `message`; b"" when it ends without a word, or not in time."""
        with contextlib.suppress(BrokenPipeError):
            self._tell(message)
        parts: list[bytes] = []
        while sum(map(len, parts)) <= MOST_BYTES and time.monotonic() < self._deadline:
            if select.select([self._heard], [], [], TICK_SECONDS)[0]:
                part = os.read(self._heard, 1 << 20)
                if not part:
                    return b"".join(parts)
                parts.append(part)
            elif self._ended():  # what it started may hold the pipe open
                return b"".join(parts)
        return b""

    def close(self) -> None:
        """Leave nothing of the child, nor of what it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child, signal.SIGKILL)
        if not self._has_ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
            self._has_ended = True
        os.close(self._heard)
        self._close_told()

    def _tell(self, message: bytes) -> None:
        view = memoryview(message)
        while view and time.monotonic() < self._deadline and not self._ended():
            if select.select([], [self._told], [], TICK_SECONDS)[1]:
                view = view[os.write(self._told, view[: select.PIPE_BUF]) :]
        self._close_told()

    def _ended(self) -> bool:
        self._has_ended = self._has_ended or os.waitpid(self._child, os.WNOHANG)[0] != 0
        return self._has_ended

    def _close_told(self) -> None:
        told, self._told = self._told, -1
        if told >= 0:
            os.close(told)


def _in_child(work: Work, asked: int, said: int, scratch: Path, seconds: float) -> None:
    """Limits, own folder, no other pipe, the work, and out; never returns."""
    try:
        os.setsid()
        low = 3
        for fd in (*sorted((asked, said)), os.sysconf("SC_OPEN_MAX")):
            os.closerange(low, fd)
            low = fd + 1
        limit = int(sum(os.times()[:2]) + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        os.chdir(scratch)

        def told() -> bytes:
            with open(asked, "rb") as message:
                return message.read()

        data = work(told)
        with open(said, "wb") as out:
            out.write(data)
    finally:
        os._exit(0)
