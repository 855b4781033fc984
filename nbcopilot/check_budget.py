"""What one request may spend on checks: seconds in the sandbox, and runs of edits that no model wrote."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from nbcopilot.deadline import Deadline
from nbcopilot.sandbox import start


@dataclass
class CheckBudget:
    """The limits of one request and what is spent of them.

    seconds: wall time of all checks together; spent: seconds so far. quick_fix_runs: runs of one rejected answer with
    quick fixes. small_edits: edits found by search that are checked in full; search_seconds: for finding them.
    vote_seconds: for finding inputs on which several versions of a function differ. deadline: of the whole request.
    """

    seconds: float
    spent: float = 0.0
    quick_fix_runs: int = 6
    small_edits: int = 3
    search_seconds: float = 5.0
    vote_seconds: float = 1.5
    deadline: Deadline = field(default_factory=Deadline)

    def left(self) -> float:
        """Seconds that checks may still take; 0 or less when all are used up."""
        return min(self.seconds - self.spent, self.deadline.left_to_check())

    def has_spare(self) -> bool:
        """Whether less than half is spent, so that edits may be run: other answers must still find time."""
        return self.spent < self.seconds / 2 and not self.deadline.passed

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Count the time of a block as spent; waiting for the checks of another request is not ours."""
        started = time.monotonic() - start.waited()
        try:
            yield
        finally:
            self.spent += time.monotonic() - start.waited() - started
