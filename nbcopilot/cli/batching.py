"""What the batch commands share: where results go, progress on stderr, the report on stdout."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from nbcopilot.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from nbcopilot.batch.discover import Unit
    from nbcopilot.batch.runner import Outcome, Report

_FLAGS = {"output": "-o DIR", "in_place": "--in-place", "check": "--check", "dry_run": "--dry-run"}


def require_one(args: argparse.Namespace, names: Sequence[str], command: str) -> None:
    """Refuse a call that does not say what to do with the results, and numbers of jobs that make no sense."""
    if not any(getattr(args, name) for name in names):
        flags = [_FLAGS[name] for name in names]
        raise UsageError(
            f"nbcopilot {command} needs to know where to write", hint=f"say {', '.join(flags[:-1])} or {flags[-1]}"
        )
    if args.jobs < 1:
        raise UsageError(f"--jobs is {args.jobs}", hint="it takes 1 or more")


def places(units: Sequence[Unit], args: argparse.Namespace) -> dict[Unit, Path] | None:
    """Where each result goes; None for a dry run."""
    from nbcopilot.batch import discover

    if args.dry_run:
        return None
    return discover.targets(units, args.output) if args.output else {unit: unit.path for unit in units}


def say(text: str) -> None:
    """One line on stderr, unless there is nothing to say."""
    if text:
        print(f"nbcopilot: {text}", file=sys.stderr)


class Progress:
    """Notebooks as they get done, on stderr: a bar with the time left on a terminal, a line each elsewhere.

    Diffs of a dry run and findings of a check go to stdout as they come.
    """

    def __init__(self, total: int, args: argparse.Namespace) -> None:
        self.total, self.count = total, 0
        self.dry_run = args.dry_run
        self.counts_cells = args.command != "strip"
        self._started = time.monotonic()
        self._bar: RichProgress | None = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=Console(stderr=True), redirect_stdout=False)
            self._bar.start()
            self._bar.add_task("", total=self.total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def done(self, outcome: Outcome) -> None:
        """One notebook is finished."""
        self.count += 1
        if outcome.diff:
            print(outcome.diff, end="", flush=True)
        for cell, problem in outcome.lacks:
            print(f"{outcome.unit.path}: cell #{cell}: {problem}", flush=True)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self.count)
            if outcome.error is not None or outcome.notes:
                self.say(f"{outcome.unit.path}: {self._what(outcome)}")
        else:
            print(
                f"{self.count}/{self.total} {outcome.unit.path}: {self._what(outcome)}{self._left()}",
                file=sys.stderr,
                flush=True,
            )

    def cells(self, unit: Unit, done: int, total: int) -> None:
        """Answers within one notebook."""
        self.note(f"{unit.name}: {done} of {total} texts" if total > 1 else unit.name)

    def note(self, text: str) -> None:
        """What is going on now: beside the bar; nothing elsewhere."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=text)

    def say(self, text: str) -> None:
        """A line above the bar."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            say(text)

    def _what(self, outcome: Outcome) -> str:
        if outcome.error is not None:
            return str(outcome.error).removeprefix(f"{outcome.unit.path} ")
        count = outcome.cells_written
        wrote = "would be written" if self.dry_run else "written"
        # What strip did stands in its notes, role by role.
        words = [f"{count} cell{'s' if count != 1 else ''} {wrote}"] if count and self.counts_cells else []
        if outcome.lacks:
            words.append(f"{len(outcome.lacks)} missing or outdated")
        return "; ".join([*words, *outcome.notes]) or ("skipped" if outcome.state == "skipped" else "nothing to do")

    def _left(self) -> str:
        """The time left, once it can be told and is worth telling."""
        spent = time.monotonic() - self._started
        left = spent / self.count * (self.total - self.count)
        return f" ({left:.0f} s left)" if left >= 10 else ""


def finish(report: Report, args: argparse.Namespace) -> int:
    """Say how it ended and give the exit code; with --json the object is the last line of stdout."""
    if report.interrupted:
        again = ", go on with --resume" if getattr(args, "resume", None) is not None else ""
        say(f"stopped after {len(report.outcomes)} of {report.total} notebooks; nothing is half-written{again}")
    elif report.fatal is not None:
        say(str(report.fatal))
    else:
        say(_summary(report))
    if args.json:
        print(json.dumps(report.json(), ensure_ascii=False), flush=True)
    return report.exit_code


def _summary(report: Report) -> str:
    done = report.count("ok")
    words = [f"{done} of {report.total} notebook{'s' if report.total != 1 else ''} done in {report.seconds:.1f} s"]
    words += [f"{len(report.failed)} failed"] if report.failed else []
    words += [f"{report.count('skipped')} skipped"] if report.count("skipped") else []
    words += [f"{len(report.stale)} with missing or outdated documentation"] if report.stale else []
    return ", ".join(words)
