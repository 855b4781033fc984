"""A whole run: plan, work, write, note, report. The same for one process and for a cluster.

    units -> read, hashed, held against the journal -> Items -> executor -> Outcomes -> written -> journal, Report

Files are read ahead and written in threads, so that the delays of disks and stores overlap and no worker waits for them;
all else happens in the calling thread. Ctrl-C and SIGTERM let what is being written be finished. One notebook's failure never stops
the others.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from nbcopilot import paths
from nbcopilot.batch import stores
from nbcopilot.batch.executors import Executor
from nbcopilot.batch.job import Item, Job, MismatchError, Outcome, Part, Unit
from nbcopilot.batch.journal import Journal
from nbcopilot.batch.report import Report
from nbcopilot.batch.signals import exit_code, uninterrupted
from nbcopilot.batch.tasks import divided, mismatch
from nbcopilot.errors import (
    DiskFullError,
    EditConflictError,
    EngineUnavailableError,
    ModelNotFoundError,
    NbcopilotError,
    NotebookWriteError,
    UnknownModelError,
)
from nbcopilot.inference import Usage
from nbcopilot.write import pairing

# Faults that the next notebook would meet too.
_FATAL = (EngineUnavailableError, ModelNotFoundError, UnknownModelError, MismatchError, DiskFullError)
# Notebooks read ahead: with a store far away their delays overlap, on a disk one is enough.
AHEAD_REMOTE, AHEAD_LOCAL = 16, 2
# Results written at once, and how many may wait for it: a disk syncs some at the same moment, a store takes many.
WRITERS, UNWRITTEN = 8, 32
TICK_SECONDS, SHORT_TICK_SECONDS = 0.5, 0.02
Places = Mapping[Unit, str]


@dataclass
class Run:
    """One run of `job` on `units`. places: where the results go (None: nowhere).

    shared: workers read the notebooks themselves, from storage that they share with this machine. keep_diffs: for a
    report. within: the folder that all places lie in, whatever links
    are there ("": where the notebooks lie). on_done gets each finished notebook, on_notice sentences for the user.
    """

    job: Job
    units: Sequence[Unit]
    executor: Executor
    journal: Journal = field(default_factory=Journal)
    places: Places | None = None
    shared: bool = False
    keep_diffs: bool = False
    within: str = ""
    on_done: Callable[[Outcome], None] = lambda outcome: None
    on_notice: Callable[[str], None] = lambda text: None

    def __post_init__(self) -> None:
        self.report = Report(len(self.units))
        self._ready: deque[Item] = deque()
        self._divided: dict[Unit, _Divided] = {}
        self._model = self.journal.model()
        remote = any(stores.is_url(unit.path) for unit in self.units[:1])
        self._ahead = AHEAD_REMOTE if remote else AHEAD_LOCAL
        self._readers = ThreadPoolExecutor(self._ahead // 2, thread_name_prefix="nbcopilot-read")
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="nbcopilot-write")
        self._writing: deque[Future[tuple[Outcome, str]]] = deque()

    def run(self) -> Report:
        """Work on all units and write what comes back. Errors are outcomes; an engine that is not there or a full
        disk ends the run (`Report.fatal`), as do Ctrl-C and SIGTERM (`Report.interrupted`). Closes the executor."""
        started = time.monotonic()
        waiting = self._prepared()
        try:
            under_way = self._fill(waiting, 0)
            while under_way or self._writing:
                finished = self.executor.next(SHORT_TICK_SECONDS if self._writing else TICK_SECONDS)
                for text in self.executor.notices():
                    self.on_notice(text)
                if finished is not None:
                    # The worker gets its next notebook before the result of this one is looked at.
                    under_way = self._fill(waiting, under_way - 1)
                    with uninterrupted():
                        self._settle(*finished)
                self._note_written(UNWRITTEN if under_way else 0)
                under_way = self._fill(waiting, under_way)
                self.report.seconds = time.monotonic() - started
                if self.report.fatal is not None:
                    break
        except KeyboardInterrupt as exc:
            self.report.interrupted, self.report.stop_code = True, exit_code(exc)
        except _FATAL as exc:
            self.report.fatal = exc
        finally:
            self._readers.shutdown(wait=False, cancel_futures=True)
            try:
                self.executor.close()
            finally:
                with uninterrupted(swallow=True):
                    self._note_written(0)
                    self._writers.shutdown()
            self.report.seconds = time.monotonic() - started
        return self.report

    def _fill(self, waiting: Iterator[Item | Outcome], under_way: int) -> int:
        """Give the executor as many Items as are useful; how many are under way then."""
        while under_way < self.executor.slots and (item := self._next(waiting)) is not None:
            if self.shared and item.part is None and not item.parts:
                item = replace(item, data=None, earlier=None)
            with uninterrupted():
                self.executor.submit(replace(self.job, model=self._model), item)
            under_way += 1
        return under_way

    # ------------------------------------------------------------------ before the work

    def _prepared(self) -> Iterator[Item | Outcome]:
        """The units in order, read ahead."""
        reading: deque[Future[Item | Outcome]] = deque()
        for unit in self.units:
            reading.append(self._readers.submit(self._read, unit))
            if len(reading) >= self._ahead:
                yield reading.popleft().result()
        while reading:
            yield reading.popleft().result()

    def _read(self, unit: Unit) -> Item | Outcome:
        place = self.places[unit] if self.places is not None else ""
        within = unit.within if place in ("", unit.path) else self.within
        try:
            if self.job.writes and place and not stores.is_url(place):
                _require_writable(place, within)
            if self.job.command == "check" and place:
                return Item(unit, stores.read(place, within))
            data = stores.read(unit.path, unit.within)
            earlier = stores.present(place, within) if place not in ("", unit.path) else None
        except NbcopilotError as exc:
            return Outcome(unit, "failed", error=exc)
        return Item(unit, data, place, earlier, within=within)

    def _next(self, waiting: Iterator[Item | Outcome]) -> Item | None:
        """The next Item to work on; what needs no work is settled on the way. None: there is no more."""
        while not self._ready:
            found = next(waiting, None)
            if found is None or self.report.fatal is not None:
                return None
            if isinstance(found, Outcome):
                self._finish(found)
            elif self._is_done(found):
                self._finish(Outcome(found.unit, "skipped", notes=("done before",)), noted=True)
            else:
                self._ready.extend(self._divide(found) or [found])
        return self._ready.popleft()

    def _is_done(self, item: Item) -> bool:
        if self.places is None or self.job.command == "check":
            return False
        if item.in_place:
            return self.journal.is_done(item.unit.name, None, stores.digest(item.data))
        return self.journal.is_done(item.unit.name, stores.digest(item.data), stores.digest(item.earlier))

    def _divide(self, item: Item) -> list[Item]:
        """A huge notebook as parts, without those that the journal has; [] for one that is worked on whole."""
        parts = divided(self.job, item)
        if not parts:
            return []
        known = self.journal.parts(item.unit.name, stores.digest(item.data))
        left = [one for one in parts if one.part is not None and one.part.groups not in known]
        there = [known[one.part.groups] for one in parts if one.part is not None and one.part.groups in known]
        self._divided[item.unit] = _Divided(len(left), there)
        return left or [replace(item, parts=tuple(there))]

    # ------------------------------------------------------------------ after the work

    def _settle(self, item: Item, outcome: Outcome) -> None:
        """Take in what an executor gives back."""
        self.report.cost.add(outcome)
        if outcome.model is not None:
            self._model = self._model or self.journal.model(outcome.model)
            if self._model is not None and self._model != outcome.model:
                error = mismatch(self._model, outcome.model)
                outcome = replace(outcome, state="failed", data=None, error=error, cells_written=0)
        if isinstance(outcome.error, _FATAL):
            self.report.fatal = outcome.error
        if item.part is not None:
            self._settle_part(item, outcome)
            return
        if item.unit in self._divided:
            outcome = self._divided.pop(item.unit).whole(outcome)
        if self.places is not None and outcome.state == "ok":
            if (data := self._made(outcome)) is not None:
                # Noted before it is written: `is_done` holds the note against the file, so that a kill between the two
                # has the notebook worked on again only where the file is not there.
                self._note(outcome, stores.digest(data))
            self._writing.append(self._writers.submit(self._written, item, outcome))
        else:
            self._finish(outcome)

    def _settle_part(self, item: Item, outcome: Outcome) -> None:
        state = self._divided.get(item.unit)
        if state is None:
            return  # another part of it has failed
        if outcome.part is None:
            del self._divided[item.unit]
            self._finish(outcome)
            return
        self.journal.part_done(item.unit.name, outcome.read, outcome.part)
        state.add(outcome)
        if not state.left:
            self._ready.append(replace(item, part=None, parts=tuple(state.parts)))

    def _written(self, item: Item, outcome: Outcome) -> tuple[Outcome, str]:
        """Write what came back, where there is something to write; with the hash of what stands there now."""
        try:
            if (data := self._made(outcome)) is not None:
                base = _base(item, outcome) if item.in_place else None
                stores.write(item.place, data, base=base, within=item.within)
                if item.in_place and item.data is not None and not stores.is_url(item.place):
                    said = pairing.follow(item.place, item.data)
                    outcome = replace(outcome, notes=(*outcome.notes, said)) if said else outcome
                return outcome, stores.digest(data)
        except NbcopilotError as exc:
            return replace(outcome, state="failed", error=exc, cells_written=0), ""
        return outcome, stores.digest(stores.present(item.place, item.within) if item.place else None)

    def _made(self, outcome: Outcome) -> bytes | None:
        """What is to be written, if anything."""
        return outcome.data if self.job.writes else None

    def _note_written(self, allowed: int) -> None:
        """Note what is written by now; wait while more than `allowed` are not."""
        for _ in range(len(self._writing)):
            if not self._writing[0].done() and len(self._writing) <= allowed:
                break
            with uninterrupted():
                outcome, written = self._writing.popleft().result()
                self._finish(outcome, written, noted=outcome.state == "ok" and self._made(outcome) is not None)

    def _finish(self, outcome: Outcome, written: str = "", *, noted: bool = False) -> None:
        if isinstance(outcome.error, NotebookWriteError) and stores.is_full(outcome.error):
            self.report.fatal = DiskFullError(outcome.error.message, hint="free some space and go on with --resume")
        self.report.add(outcome)
        if not noted:
            self._note(outcome, written)
        self.on_done(outcome)

    def _note(self, outcome: Outcome, written: str) -> None:
        place = self.places[outcome.unit] if self.places is not None else ""
        self.journal.done(outcome, place, written, diff=self.keep_diffs)


@dataclass
class _Divided:
    """A huge notebook of which parts are under way."""

    left: int
    parts: list[Part]
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def add(self, outcome: Outcome) -> None:
        assert outcome.part is not None
        self.parts.append(outcome.part)
        self.left -= 1
        self.seconds += outcome.seconds
        self.cpu_seconds += outcome.cpu_seconds

    def whole(self, outcome: Outcome) -> Outcome:
        """The outcome of the last step with what the parts cost."""
        usages = [outcome.usage, *(part.usage for part in self.parts)]
        usage = Usage(sum(one.prompt_tokens for one in usages), sum(one.completion_tokens for one in usages))
        spent = (outcome.seconds + self.seconds, outcome.cpu_seconds + self.cpu_seconds)
        return replace(outcome, usage=usage, seconds=spent[0], cpu_seconds=spent[1])


def _base(item: Item, outcome: Outcome) -> bytes:
    """The bytes that an outcome was made of. Raises EditConflictError when nobody has them any more."""
    read = stores.read(item.place, item.within) if item.data is None else item.data
    if outcome.read not in ("", stores.digest(read)):
        raise EditConflictError(f"{item.place} changed since it was read; nothing was overwritten", hint="run it again")
    return read


def _require_writable(place: str, within: str) -> None:
    """Refuse a file that cannot be replaced, or that a link leads to, before a model has worked on it."""
    if within:
        paths.inside(within, place)
    folder = os.path.dirname(os.path.realpath(place))
    for path, what in ((place, "it"), (folder, "its folder")):
        if os.path.exists(path) and not os.access(path, os.W_OK):
            raise NotebookWriteError(
                f"{place} could not be written: {what} is read-only",
                hint="check the permissions, or write elsewhere with -o",
            )
