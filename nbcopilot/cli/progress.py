"""A batch run as it goes on, on stderr: a live view on a terminal, a line a notebook elsewhere.

The live view has a bar with the time left, notebooks a minute, failures, and a line for each worker with its tokens a
second. Diffs of a dry run and findings of a check go to stdout as they come.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from nbcopilot.cli import screen

if TYPE_CHECKING:
    from nbcopilot.batch.job import Outcome, Unit

WORKERS_SHOWN = 8


@dataclass
class _Worker:
    notebooks: int = 0
    tokens: int = 0
    seconds: float = 0.0
    last: str = ""

    @property
    def pace(self) -> float:
        """Tokens written a second."""
        return self.tokens / self.seconds if self.seconds else 0.0


class Progress:
    """Notebooks as they get done."""

    def __init__(self, total: int, args: argparse.Namespace) -> None:
        self.total, self.count, self.failed, self.before = total, 0, 0, 0
        self.dry_run = getattr(args, "dry_run", False)
        self.counts_cells = args.command not in ("strip", "finish")
        self.shows_diffs = self.dry_run
        self.quiet = args.command == "audit"
        # What an earlier run did is told together: once before the first that this one does, and at the end.
        self._verbose, self._untold = getattr(args, "verbose", False), 0
        self._started = time.monotonic()
        self._workers: defaultdict[str, _Worker] = defaultdict(_Worker)
        self._note = ""
        self._live: Any = None
        self._bar: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.live import Live
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            console = screen.console()
            columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=console)
            self._bar.add_task("", total=self.total)
            self._live = Live(get_renderable=self._view, console=console, redirect_stdout=False, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tell_before()
        if self._live is not None:
            self._live.stop()

    def done(self, outcome: Outcome) -> None:
        """One notebook is finished."""
        is_before = not outcome.worker and outcome.state == "skipped"
        if not is_before and self.count == self.before:
            self._tell_before()
        self.count += 1
        self.failed += outcome.state == "failed"
        if outcome.worker:
            worker = self._workers[outcome.worker]
            worker.notebooks += 1
            worker.tokens += outcome.usage.completion_tokens
            worker.seconds += outcome.seconds
            worker.last = outcome.unit.name
        elif is_before:  # no time went into it
            self.before += 1
            self._untold += 1
        if outcome.diff and self.shows_diffs:
            print(outcome.diff, end="", flush=True)
        for cell, problem in outcome.lacks:
            print(f"{outcome.unit.path}: cell #{cell}: {problem}", flush=True)
        told = f"{outcome.unit.path}: {self._what(outcome)}"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self.count, description=self._rates())
        if is_before and not self._verbose:
            return
        if self._bar is not None:
            if outcome.error is not None or outcome.notes:
                self.say(told, plain=True)
        elif not self.quiet or outcome.error is not None:
            print(f"{self.count}/{self.total} {told}{self._left()}", file=sys.stderr, flush=True)

    def cells(self, unit: Unit, done: int, total: int) -> None:
        """Answers within one notebook."""
        self.note(f"{unit.name}: {done} of {total} texts" if total > 1 else unit.name)

    def note(self, text: str) -> None:
        """What is going on now: below the bar; nothing elsewhere."""
        self._note = text

    def say(self, text: str, *, plain: bool = False) -> None:
        """A line above the bar, unless there is nothing to say."""
        if not text:
            return
        text = text if plain else f"nbcopilot: {text}"
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def _view(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        if len(self._workers) < 2:
            return Group(self._bar, Text(self._note, no_wrap=True, overflow="ellipsis"))
        table = Table("worker", "notebooks", "tokens/s", "last", box=None, padding=(0, 2), header_style="dim")
        busiest = sorted(self._workers.items(), key=lambda pair: -pair[1].notebooks)
        for name, worker in busiest[:WORKERS_SHOWN]:
            table.add_row(name, str(worker.notebooks), f"{worker.pace:.1f}", Text(worker.last, no_wrap=True))
        rest = len(busiest) - WORKERS_SHOWN
        return Group(self._bar, table, *([Text(f"and {rest} more workers")] if rest > 0 else []))

    def _rates(self) -> str:
        spent = max(time.monotonic() - self._started, 1e-3)
        tokens = sum(worker.tokens for worker in self._workers.values())
        words = [f"{60 * (self.count - self.before) / spent:.1f} notebooks/min"]
        words += [f"{tokens / spent:.0f} tokens/s"] if tokens else []
        words += [f"{self.before:,} done before"] if self.before else []
        words += [f"{self.failed} failed"] if self.failed else []
        return ", ".join(words)

    def _tell_before(self) -> None:
        """How many notebooks an earlier run did, where they were not told one by one; the bar says it too."""
        count, self._untold = self._untold, 0
        if count and not self._verbose and self._bar is None:
            print(f"{self.count}/{self.total} {count:,} done before", file=sys.stderr, flush=True)

    def _what(self, outcome: Outcome) -> str:
        from nbcopilot.batch.report import without_path

        if outcome.error is not None:
            return without_path(str(outcome.error), outcome.unit.path)
        count = outcome.cells_written
        wrote = "would be written" if self.dry_run else "written"
        # What strip and finish did stands in its notes, role by role.
        words = [f"{count} cell{'s' if count != 1 else ''} {wrote}"] if count and self.counts_cells else []
        if outcome.lacks:
            words.append(f"{len(outcome.lacks)} missing or outdated")
        return "; ".join([*words, *outcome.notes]) or ("skipped" if outcome.state == "skipped" else "nothing to do")

    def _left(self) -> str:
        """The time left, once it can be told and is worth telling."""
        spent = time.monotonic() - self._started
        left = spent / max(self.count - self.before, 1) * (self.total - self.count) if self.count > self.before else 0
        return f" ({left:.0f} s left)" if left >= 10 else ""
