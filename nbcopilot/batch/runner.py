"""Work on many notebooks: read, work, write, report. One notebook's failure never stops the others.

`work` is a function of one notebook (documenting, stripping, checking); it runs in threads and writes nothing.
Files are written here, in the calling thread, whole or not at all; Ctrl-C lets the file in hand be finished.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from nbcopilot.batch.asking import Cancelled
from nbcopilot.batch.discover import Unit
from nbcopilot.batch.journal import Journal
from nbcopilot.errors import (
    EngineError,
    EngineUnavailableError,
    InternalError,
    ModelNotFoundError,
    NbcopilotError,
    UnknownModelError,
)
from nbcopilot.write import files

State = Literal["ok", "failed", "skipped"]
# Faults of the engine itself: the next notebook would meet them too.
_FATAL = (EngineUnavailableError, ModelNotFoundError, UnknownModelError)


@dataclass(frozen=True)
class Outcome:
    """What became of one notebook. `data` is what to write (None: nothing), `read` the sha256 of what was read,
    `diff` the change as text, `lacks` (cell number, problem) of a check."""

    unit: Unit
    state: State = "ok"
    data: bytes | None = None
    read: str = ""
    cells_written: int = 0
    notes: tuple[str, ...] = ()
    error: NbcopilotError | None = None
    diff: str = ""
    lacks: tuple[tuple[int, str], ...] = ()


@dataclass
class Report:
    """The whole run. `interrupted` by Ctrl-C; `fatal` ended it early (no model, no engine)."""

    total: int
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False
    fatal: NbcopilotError | None = None

    @property
    def failed(self) -> list[Outcome]:
        """The notebooks that failed, by name."""
        return sorted((o for o in self.outcomes if o.state == "failed"), key=lambda o: o.unit.name)

    @property
    def stale(self) -> list[Outcome]:
        """The notebooks in which a check found something, by name."""
        return sorted((o for o in self.outcomes if o.lacks), key=lambda o: o.unit.name)

    def count(self, state: State) -> int:
        """How many notebooks ended in `state`."""
        return sum(outcome.state == state for outcome in self.outcomes)

    @property
    def exit_code(self) -> int:
        """0 done; 1 something was found wrong; the error's own code when every notebook failed alike; 130 stopped."""
        if self.interrupted:
            return 130
        if self.fatal is not None:
            return self.fatal.exit_code
        codes = {o.error.exit_code for o in self.failed if o.error is not None}
        if codes:
            return codes.pop() if len(codes) == 1 and self.count("failed") == self.total else 1
        return 1 if self.stale else 0

    def json(self) -> dict[str, Any]:
        """The contract's object (docs/architecture.md), and `stale` for a check."""
        found: dict[str, Any] = {
            "notebooks": self.total,
            "ok": self.count("ok"),
            "failed": [{"path": str(o.unit.path), "error": str(o.error)} for o in self.failed],
            "skipped": self.total - self.count("ok") - self.count("failed"),
            "cells_written": sum(o.cells_written for o in self.outcomes if o.state == "ok"),
            "seconds": round(self.seconds, 2),
        }
        if self.stale:
            found["stale"] = [
                {"path": str(o.unit.path), "cells": [{"cell": cell, "problem": what} for cell, what in o.lacks]}
                for o in self.stale
            ]
        return found


Work = Callable[[Unit, threading.Event], Outcome]


def run(
    units: Sequence[Unit],
    work: Work,
    *,
    places: Mapping[Unit, Path] | None = None,
    journal: Journal | None = None,
    jobs: int = 1,
    on_done: Callable[[Outcome], None] = lambda outcome: None,
) -> Report:
    """Work on all `units`, `jobs` at once, and write what comes back to `places` (None: write nothing).

    A place that is the notebook itself is replaced only while it is as it was read. Errors are outcomes; an engine
    that is not there ends the run (`Report.fatal`), as does Ctrl-C (`Report.interrupted`).
    """
    report = Report(len(units))
    started = time.monotonic()
    stop = threading.Event()
    waiting = iter(units)
    pool = ThreadPoolExecutor(max(1, jobs), thread_name_prefix="nbcopilot")
    running: set[Future[Outcome]] = set()
    try:
        while True:
            for unit in waiting:
                skipped = _skipped(unit, places, journal)
                if skipped is not None:
                    report.outcomes.append(skipped)
                    on_done(skipped)
                    continue
                running.add(pool.submit(_guarded, work, unit, stop))
                if len(running) > jobs:  # one more than runs, so that no thread waits for the writing
                    break
            if not running or report.fatal:
                break
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                with uninterrupted():
                    outcome = _written(future.result(), places, journal)
                    report.outcomes.append(outcome)
                    on_done(outcome)
                if isinstance(outcome.error, _FATAL):
                    report.fatal = outcome.error
    except KeyboardInterrupt:
        report.interrupted = True
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        report.seconds = time.monotonic() - started
        if journal is not None:
            journal.close(complete=len(report.outcomes) == len(units) and not report.failed)
    return report


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block is done. Only the main thread gets signals; elsewhere this does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if caught:
        raise KeyboardInterrupt


def _guarded(work: Work, unit: Unit, stop: threading.Event) -> Outcome:
    """The outcome of `work`, whatever happens in it."""
    try:
        return work(unit, stop)
    except NbcopilotError as exc:
        return Outcome(unit, "failed", error=exc)
    except Cancelled:
        return Outcome(unit, "skipped")
    except MemoryError:
        error: NbcopilotError = EngineError(f"not enough memory for {unit.path}", hint="run it alone, or with --jobs 1")
        return Outcome(unit, "failed", error=error)
    except Exception as exc:  # a fault of ours in one notebook must not cost the others
        error = InternalError(f"{unit.path}: {type(exc).__name__}: {exc}", hint="please report it with the notebook")
        return Outcome(unit, "failed", error=error)


def _skipped(unit: Unit, places: Mapping[Unit, Path] | None, journal: Journal | None) -> Outcome | None:
    if places is None or journal is None or not journal.is_done(unit.name, unit.path, places[unit]):
        return None
    return Outcome(unit, "skipped", notes=("done before",))


def _written(outcome: Outcome, places: Mapping[Unit, Path] | None, journal: Journal | None) -> Outcome:
    """Write what came back, where there is something to write."""
    if places is None or outcome.state != "ok":
        return outcome
    place = places[outcome.unit]
    in_place = place == outcome.unit.path
    try:
        if outcome.data is not None:
            files.write(place, outcome.data, expected_sha256=outcome.read if in_place else None)
    except NbcopilotError as exc:
        return replace(outcome, state="failed", error=exc, cells_written=0)
    if journal is not None:
        journal.done(outcome.unit.name, outcome.read, place)
    return outcome
