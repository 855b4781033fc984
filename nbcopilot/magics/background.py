"""Requests that run beside the cells: one after the other, in the order in which they were asked, in one thread.

Every request runs in a copy of its cell's context, so that what it shows appears in that cell's output. Interrupt
(while no cell runs), the Stop button, `%nbcopilot stop` and a new run of the same cell cancel at the next token.
"""

from __future__ import annotations

import threading
from collections import deque
from contextvars import Context, copy_context
from typing import Any, Protocol

_ATTRIBUTE = "_nbcopilot_line"


class Job(Protocol):
    """What the line needs of a request. `answer` never raises; after `stop` it ends soon."""

    cell_id: str | None
    execution: str

    @property
    def stopped(self) -> bool: ...

    def answer(self) -> None: ...

    def stop(self) -> None: ...


class Line:
    """The requests of one shell that are under way. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Job, Context]] = deque()
        self._current: Job | None = None
        self._thread: threading.Thread | None = None

    @property
    def jobs(self) -> list[Job]:
        """Those under way, the running one first."""
        with self._lock:
            return [*([self._current] if self._current else []), *(job for job, _ in self._waiting)]

    def add(self, job: Job) -> None:
        """Answer `job` when its turn comes. An earlier request of the same cell is stopped: it would be replaced at once."""
        for earlier in self.jobs:
            if earlier.cell_id == job.cell_id and earlier.execution != job.execution:
                earlier.stop()
        with self._lock:
            self._waiting.append((job, copy_context()))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="nbcopilot-requests", daemon=True)
                self._thread.start()

    def stop(self) -> int:
        """Cancel all of them at the next token; gives back how many there were."""
        jobs = self.jobs
        for job in jobs:
            job.stop()
        return len(jobs)

    def join(self, seconds: float | None = None) -> bool:
        """Wait until nothing is under way; False when it took longer."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._current = self._thread = None
                    return
                self._current, context = self._waiting.popleft()
            context.run(self._current.answer)


def line(shell: Any) -> Line:
    """The line of this shell; made, and made to hear of interrupts, on first use."""
    found = getattr(shell, _ATTRIBUTE, None)
    if not isinstance(found, Line):
        found = Line()
        setattr(shell, _ATTRIBUTE, found)
    _hear_interrupts(shell, found)
    return found


def under_way(shell: Any) -> Line | None:
    """The line of this shell, if it was ever used."""
    found = getattr(shell, _ATTRIBUTE, None)
    return found if isinstance(found, Line) else None


def _hear_interrupts(shell: Any, requests: Line) -> None:
    """Have an interrupt that comes while no cell runs stop the requests.

    ipykernel ignores such interrupts: it puts the handler `saved_sigint_handler` back after every message.
    """
    kernel: Any = getattr(shell, "kernel", None)
    if hasattr(kernel, "saved_sigint_handler"):
        kernel.saved_sigint_handler = lambda *_: requests.stop()
