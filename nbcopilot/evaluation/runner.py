"""Runs the questions of a suite through systems, in threads, and keeps every result in a journal.

    items -> questions -> system.answer -> question.judge -> Result -> journal

A run that was stopped is taken up where it was: what stands in the journal is not asked again. Decides nothing about
answers and draws no tables.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbcopilot.errors import EngineUnavailableError, NbcopilotError, OutOfMemoryError, UsageError
from nbcopilot.evaluation.suites import Question, Suite
from nbcopilot.evaluation.systems import Answer, System
from nbcopilot.evaluation.tasks import Result

# What must be the same for results to belong to one run.
FIXED = (
    "suite",
    "model",
    "sha256",
    "precision",
    "data_sha256",
    "candidates",
    "repairs",
    "retry_samples",
    "consensus_samples",
    "max_tokens",
    "answer_seconds",
)


# How long questions that are being asked may take to end after an interrupt; then they are left behind.
PATIENCE = 1.0


class Journal:
    """The results so far, in memory and in the JSON-lines file `path` (None: in memory only).

    The first line holds the conditions. Raises UsageError when the file is of a run under other conditions.
    """

    def __init__(self, path: Path | None, conditions: Mapping[str, Any]) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], Result] = {}
        self.seconds = 0.0
        if path is None:
            return
        if path.is_file():
            self._read(path, conditions)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"conditions": dict(conditions)}) + "\n", encoding="utf-8")

    @property
    def results(self) -> list[Result]:
        """All results, in the order in which they came."""
        return list(self._found.values())

    def has(self, mode: str, name: str) -> bool:
        """Whether this question was answered in this mode."""
        return (mode, name) in self._found

    def add(self, result: Result) -> None:
        """Keep a result, at once on disk."""
        with self._lock:
            self._found[result.mode, result.id] = result
            self._write(result.to_json())

    def spent(self, seconds: float) -> None:
        """Add the wall time of a run (also of one that was stopped)."""
        with self._lock:
            self.seconds += seconds
            self._write(json.dumps({"seconds": round(seconds, 1)}))

    def _write(self, line: str) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def _read(self, path: Path, conditions: Mapping[str, Any]) -> None:
        lines = path.read_text(encoding="utf-8").splitlines()
        try:
            before = json.loads(lines[0])["conditions"]
        except (ValueError, KeyError, IndexError, TypeError) as exc:
            raise UsageError(f"{path} is not a journal of an evaluation", hint="give --resume a new file") from exc
        for key in FIXED:
            if before.get(key) != conditions.get(key):
                raise UsageError(
                    f"{path} is of a run with {key} {before.get(key)}, this one has {conditions.get(key)}",
                    hint="give --resume another file",
                )
        for line in lines[1:]:
            try:
                if line.startswith('{"seconds"'):
                    self.seconds += json.loads(line)["seconds"]
                else:
                    result = Result.from_json(line)
                    self._found[result.mode, result.id] = result
            except (ValueError, TypeError):
                continue  # the line that an interrupt cut short: that question is asked again


@dataclass(frozen=True)
class Reference:
    """Gives every question its reference answer: checks the judge, not a model."""

    name: str = "reference"


@dataclass
class Run:
    """One evaluation: `suite` on `items` by `systems`, `jobs` items at a time. `progress(done, total)` after each item.

    `stop` ends it: give the same event to the engine (`MemoEngine`), so that answers end at their next token.
    """

    suite: Suite
    items: Sequence[Any]
    systems: Sequence[System | Reference]
    journal: Journal
    jobs: int = 1
    progress: Callable[[int, int], None] = lambda done, total: None
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> list[Result]:
        """All results, those of earlier runs included. Raises EngineUnavailableError, OutOfMemoryError.

        An interrupt ends it within seconds; the journal has all that was finished.
        """
        started = time.monotonic()
        todo: queue.SimpleQueue[Any] = queue.SimpleQueue()
        done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        for item in self.items:
            todo.put(item)
        # Daemons: a thread that waits for a judge or a model does not keep the program from ending.
        threads = [
            threading.Thread(target=self._work, args=(todo, done), name=f"nbcopilot-eval-{number}", daemon=True)
            for number in range(min(self.jobs, len(self.items)))
        ]
        try:
            for thread in threads:
                thread.start()
            for count in range(1, len(self.items) + 1):
                if (error := done.get()) is not None:
                    raise error
                self.progress(count, len(self.items))
        finally:
            self.stop.set()
            patience = time.monotonic() + PATIENCE
            for thread in threads:
                thread.join(max(0.0, patience - time.monotonic()))
            self.journal.spent(time.monotonic() - started)
        return self.journal.results

    def _work(self, todo: queue.SimpleQueue[Any], done: queue.SimpleQueue[BaseException | None]) -> None:
        """Take items until none is left or the run is stopped."""
        with suppress(queue.Empty):
            while not self.stop.is_set():
                item = todo.get_nowait()
                try:
                    self._item(item)
                    done.put(None)
                except BaseException as exc:  # raised again by `run`; no further question of the other items either
                    self.stop.set()
                    done.put(exc)

    def _item(self, item: Any) -> None:
        questions = self.suite.questions(item)
        try:
            for question in questions:
                for system in self.systems:
                    if self.stop.is_set():
                        return
                    if not self.journal.has(system.name, question.id):
                        self.journal.add(ask(question, system))
        finally:
            close = getattr(questions, "close", None)
            if close is not None:
                close()


def ask(question: Question, system: System | Reference) -> Result:
    """What `system` answers to `question`, judged. Raises EngineUnavailableError, OutOfMemoryError."""
    blank = Result(question.id, system.name, False)
    if question.excluded:
        return replace(blank, excluded=question.excluded)
    started = time.monotonic()
    if isinstance(system, Reference):
        if question.reference is None:
            return replace(blank, excluded="this suite has no reference answers")
        answer = question.reference
    else:
        try:
            answer = system.answer(question.task, question.notebook)
        except (EngineUnavailableError, OutOfMemoryError):
            raise
        except NbcopilotError as exc:
            answer = Answer("", generations=0, findings=(f"{exc.code}: {exc.message}",))
    seconds = time.monotonic() - started
    judged = question.judge(answer)
    return Result(
        id=question.id,
        mode=system.name,
        ok=judged.ok,
        score=judged.score,
        reason=judged.reason,
        answer=answer.text,
        accepted=answer.accepted,
        prompt_tokens=answer.usage.prompt_tokens,
        completion_tokens=answer.usage.completion_tokens,
        generations=answer.generations,
        seconds=round(seconds, 3),
        shown_seconds=None if answer.shown_seconds is None else round(answer.shown_seconds, 3),
        label=answer.label,
        features=answer.features,
        detail={"task": question.task.kind, **judged.detail, "findings": list(answer.findings)},
    )


def questions_of(suite: Suite, items: Sequence[Any]) -> Iterator[Question]:
    """All questions of all items, one after the other."""
    for item in items:
        yield from suite.questions(item)
