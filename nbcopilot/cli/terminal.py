"""What the command line shows and asks on the user's terminal: a progress bar, and a yes/no question.

All of it goes to stderr: stdout is for results.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from nbcopilot.cli import screen

if TYPE_CHECKING:
    from rich.progress import Progress


# On a log file a line now and then is enough.
QUIET_SECONDS = 2.0


class Bar:
    """Work as it gets done: one bar on a terminal, elsewhere plain lines, none for what is quick.

    Call it with (done, total, note), in bytes or in steps, as `Store.pull` does; a total of 0 is not known yet.
    Used as a context manager.
    """

    def __init__(self) -> None:
        self._rich: Progress | None = None
        self._tenth, self._note, self._spoke = -1, "", time.monotonic()

    def __enter__(self) -> Bar:
        if sys.stderr.isatty():
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            size = TextColumn("{task.fields[size]}")
            columns = (TextColumn("{task.description}"), BarColumn(), size, TimeRemainingColumn())
            self._rich = Progress(*columns, console=screen.console())
            self._rich.start()
        return self

    def __call__(self, done: int, total: int, note: str) -> None:
        if self._rich is None:
            self._line(done, total, note)
            return
        if not self._rich.task_ids:
            self._rich.add_task(note, size="")
        size = f"{done / 1e6:.0f}/{_size(total)}" if _size(total) else ""
        self._rich.update(self._rich.task_ids[0], completed=done, total=total or None, description=note, size=size)

    def _line(self, done: int, total: int, note: str) -> None:
        now, tenth = time.monotonic(), 10 * done // total if total else 0
        if (tenth, note) == (self._tenth, self._note) or now - self._spoke < QUIET_SECONDS:
            return
        self._tenth, self._note, self._spoke = tenth, note, now
        share = f"{100 * done // total:3d} %{f' of {_size(total)}' if _size(total) else ''}  " if total else ""
        print(f"{share}{note}", file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rich is not None:
            self._rich.stop()


def _size(total: int) -> str:
    """Megabytes of a total in bytes; nothing for a count of steps."""
    return f"{total / 1e6:.0f} MB" if total >= 1_000_000 else ""


def asker() -> Callable[[str], bool] | None:
    """A function that asks a yes/no question (Enter is yes); None where nobody can answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(question: str) -> bool:
        print(f"{question} [Y/n] ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
        return answer != "" and answer.strip().lower() in ("", "y", "yes")

    return ask
