"""One Item worked on, whatever happens in it, and what it cost: the code that runs on a worker.

    Item -> perform -> Outcome (with seconds, CPU seconds, tokens, and who did it)

A process opens its engine once, for all the items it gets. Knows nothing of who sent the Item.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Protocol

from nbcopilot._version import __version__
from nbcopilot.batch import tasks
from nbcopilot.batch.asking import Cancelled
from nbcopilot.batch.job import Item, Job, MismatchError, Outcome
from nbcopilot.config import Config
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import EngineError, InternalError, NbcopilotError
from nbcopilot.notebook.syntax import steadily

Perform = Callable[[Job, Item, threading.Event], Outcome]


class Stop(Protocol):
    """Something that says whether the work is not wanted any more."""

    def is_set(self) -> bool:
        """Whether to stop at the next token."""
        ...


class _Clock:
    """CPU seconds of this process, each counted for one Outcome only."""

    def __init__(self) -> None:
        self._lock, self._process, self._told = threading.Lock(), os.getpid(), time.process_time()

    def since_last(self) -> float:
        with self._lock:
            if self._process != os.getpid():  # this process was forked from the one that the clock was made in
                self._process, self._told = os.getpid(), 0.0
            now = time.process_time()
            spent, self._told = now - self._told, now
        return spent


_CLOCK = _Clock()


def guarded(perform: Perform, job: Job, item: Item, stop: threading.Event, worker: str = "") -> Outcome:
    """The outcome of `perform`, whatever happens in it, with what it cost."""
    started = time.monotonic()
    try:
        outcome = steadily(perform, job, item, stop)  # the work is pure: a confused parser has it done again
    except NbcopilotError as exc:
        outcome = Outcome(item.unit, "failed", error=exc)
    except Cancelled:
        outcome = Outcome(item.unit, "skipped")
    except MemoryError:
        short: NbcopilotError = EngineError(
            f"not enough memory for {item.unit.path}", hint="run it alone, or with --jobs 1"
        )
        outcome = Outcome(item.unit, "failed", error=short)
    except Exception as exc:  # a fault of ours in one notebook must not cost the others
        fault = InternalError(
            f"{item.unit.path}: {type(exc).__name__}: {exc}", hint="please report it with the notebook"
        )
        outcome = Outcome(item.unit, "failed", error=fault)
    seconds = time.monotonic() - started
    return replace(outcome, worker=worker, seconds=seconds, cpu_seconds=_CLOCK.since_last())


def on_engine(engine: Callable[[], Engine], on_cells: tasks.OnCells = lambda unit, done, total: None) -> Perform:
    """`tasks.perform` on `engine`, with the clock of an engine that is shared."""

    def perform(job: Job, item: Item, stop: threading.Event) -> Outcome:
        outcome = tasks.perform(job, item, engine, stop, on_cells)
        return outcome if outcome.model is None else replace(outcome, engine_clock=engine_clock(engine()))

    return perform


def engine_clock(engine: Engine) -> tuple[str, float] | None:
    """(which process, its CPU seconds so far) of the resident engine of this machine; None for any other engine."""
    from nbcopilot.serve import runtime
    from nbcopilot.serve.client import ResidentEngine

    if not isinstance(engine, ResidentEngine):
        return None
    import psutil

    try:
        record = runtime.read(runtime.folder())
        if record is None:
            return None
        spent = psutil.Process(record.pid).cpu_times()
    except (NbcopilotError, psutil.Error, OSError):
        return None
    return f"{socket.gethostname()}:{record.pid}", spent.user + spent.system


@cache
def _engine(config: Config) -> tasks.LazyEngine:
    """The engine of this process for `config`."""
    from nbcopilot.session import Session

    return tasks.LazyEngine(Session(config).engine)


def on_worker(job: Job, item: Item, stop: threading.Event, worker: str) -> Outcome:
    """The outcome of `item` in a worker process, with this process's own engine."""
    if job.version != __version__:
        raise MismatchError(
            f"this is nbcopilot {job.version}, but the worker {worker} has {__version__}",
            hint=f"install the same on both: pip install nbcopilot=={job.version}",
        )
    return guarded(on_engine(_engine(job.config)), job, item, stop, worker or f"process {os.getpid()}")
