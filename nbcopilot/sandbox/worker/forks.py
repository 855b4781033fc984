"""Work done in a forked child, with its answer as JSON and a wall time that holds whatever the child does."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
import warnings
from collections.abc import Callable
from typing import Any, Protocol

from nbcopilot.sandbox.worker import own_end, plain
from nbcopilot.sandbox.worker.audit import PAUSED

LIFE_SECONDS = 300.0  # of a fork that goes on after its answer, at most, where nobody may end it
MAX_ANSWER = 8 << 20  # bytes of JSON; a longer answer is an error, not a truncation


class ChildDied(Exception):
    """The child ended without an answer. `signal` is what killed it, 0 for an exit; `late` means its time was up."""

    def __init__(self, number: int = 0, status: int = 0, late: bool = False) -> None:
        super().__init__(f"signal {number}, status {status}")
        self.signal = number
        self.status = status
        self.late = late

    def told(self) -> str:
        """What ended it, in words."""
        return (
            signal.Signals(self.signal).name if self.signal else f"exit code {os.waitstatus_to_exitcode(self.status)}"
        )


class Deadline(Protocol):
    """Something that says when it is enough: a Clock, or one with more to look at."""

    def is_over(self) -> bool:
        """Whether the child must end now."""
        ...


def in_child(work: Callable[[], Any], seconds: float, clock: Deadline | None = None) -> Any:
    """What `work` returns (as JSON allows), computed in a fork; ended after `seconds`, or when `clock` is over.

    Raises ChildDied.
    """
    child = Child(work, seconds, clock)
    child.end()
    return child.answer


class Child:
    """A fork that has given its `answer`; with `then` it goes on with that, until `end`. Raises ChildDied."""

    def __init__(
        self,
        work: Callable[[], Any],
        seconds: float,
        clock: Deadline | None = None,
        then: Callable[[], None] | None = None,
    ) -> None:
        reader, writer = os.pipe()
        self._pid = fork()
        if self._pid == 0:
            os.close(reader)
            for inherited in _own_answers:
                os.close(inherited)  # what decides elsewhere is not for this process to write
            _own_answers.clear()
            own_end.at_the_latest(LIFE_SECONDS if then is not None else seconds + 0.5)
            answer_and_exit(work, writer, then)
        os.close(writer)
        data, late = read_all(reader, time.monotonic() + seconds, clock)
        os.close(reader)
        self.answer = parse(data)
        if self.answer is None:
            status = self.end()
            raise ChildDied(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, status, late)

    def end(self) -> int:
        """End the fork and return its exit status."""
        kill(self._pid)
        return os.waitpid(self._pid, 0)[1]


_own_answers: list[int] = []  # where this process writes its own answer


def fork() -> int:
    """os.fork without the warning about threads: the child runs Python only and ends with _exit."""
    PAUSED.append(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return os.fork()
    finally:
        PAUSED.pop()


def kill(pid: int) -> None:
    """End a child at once; nothing happens when it has ended."""
    PAUSED.append(1)
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    finally:
        PAUSED.pop()


def answer_and_exit(work: Callable[[], Any], writer: int, then: Callable[[], None] | None = None) -> None:
    """Write what `work` returns to the pipe, do what comes `then`, and end the process, whatever happens."""
    _own_answers.append(writer)
    try:
        data = json.dumps(work(), default=str).encode()
        if len(data) <= MAX_ANSWER:
            # The end mark tells a whole answer from one that was cut by death.
            view = memoryview(data + b"\n")
            while view:
                view = view[os.write(writer, view) :]
            if then is not None:
                then()
    except BaseException:
        with contextlib.suppress(BaseException):
            import traceback

            os.write(2, traceback.format_exc()[-2000:].encode("utf-8", "replace"))
    finally:
        os._exit(0)


def read_all(reader: int, deadline: float, clock: Deadline | None = None) -> tuple[bytes, bool]:
    """(what the other side wrote until its end mark, it closed, or time was up; whether it was the time)."""
    parts: list[bytes] = []
    size = 0
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or (clock is not None and clock.is_over()):
            return b"".join(parts), True
        ready, _, _ = select.select([reader], [], [], min(left, 0.05) if clock is not None else left)
        if ready:
            data = os.read(reader, 1 << 16)
            parts.append(data)
            size += len(data)
            if not data or data.endswith(b"\n") or size > MAX_ANSWER + 1:
                return b"".join(parts), False


def parse(data: bytes) -> Any:
    """The JSON value of a whole answer, else None."""
    if not data.endswith(b"\n"):
        return None
    try:
        return plain.loads(data)
    except ValueError:
        return None
