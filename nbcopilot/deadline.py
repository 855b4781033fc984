"""How long a request may take until its answer is shown: one budget of wall time, which every stage asks.

`answer_seconds` of the settings; 0 is no limit, so that evaluations are the same on machines of any speed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# What is kept of the time for checking the answer that generation ends with: a share, and at most so many seconds.
CHECK_SHARE, CHECK_SECONDS = 0.2, 4.0
# The least that a check may take, also of an answer that came late.
LEAST_CHECK_SECONDS = 2.0
# Rows that the engine decodes together, above which one row takes twice as long as alone.
ROWS_AT_HALF_SPEED = 8


@dataclass
class Deadline:
    """The time of one request. `seconds` 0 is no limit; the clock starts when the object is made."""

    seconds: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    def spent(self) -> float:
        """Seconds since the request began."""
        return self.clock() - self._started

    def left(self) -> float:
        """Seconds until the answer must be shown; 0 when they are over, infinite without a limit."""
        return max(0.0, self.seconds - self.spent()) if self.seconds else math.inf

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self.left() <= 0

    def left_to_generate(self) -> float:
        """Seconds until generation must end, so that what it gave can still be checked."""
        return max(0.0, self.left() - min(CHECK_SECONDS, CHECK_SHARE * self.seconds))

    def left_to_check(self) -> float:
        """Seconds that the next check may take: never so few that the first answer could not be checked at all."""
        return max(LEAST_CHECK_SECONDS, self.left())

    def tokens(self, limit: int, speed: float, rows: int = 1) -> int:
        """The longest answer that can end in time, at most `limit` tokens.

        speed: tokens a second of a row that is decoded alone (0: not measured yet). rows: decoded together.
        """
        if not self.seconds or speed <= 0:
            return limit
        return min(limit, int(self.left_to_generate() * speed / (1 + (rows - 1) / ROWS_AT_HALF_SPEED)))
