"""How long a request may take until its answer is shown: one budget of wall time, which every stage asks.

`answer_seconds` of the settings; 0 is no limit, so that evaluations are the same on machines of any speed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# What a check may take at least, also of an answer that came late, and generation leaves to it: a share of the time,
# within these seconds.
CHECK_SHARE, CHECK_LEAST, CHECK_MOST = 0.2, 1.0, 4.0
# The first answer may be written for this share of the time, however long the prompt took to be read (on a busy machine longer
# than the whole), and must end after so many times the time.
WRITING_SHARE, OVERTIME = 0.5, 2.0
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

    @property
    def reserve(self) -> float:
        """Seconds that are kept for a check."""
        return min(CHECK_MOST, max(CHECK_LEAST, CHECK_SHARE * self.seconds))

    @property
    def overdue(self) -> bool:
        """Whether more time was taken than a check that began in time may take."""
        return self.seconds > 0 and self.spent() > self.seconds + self.reserve

    def left_to_generate(self) -> float:
        """Seconds until generation must end, so that what it gave can still be checked."""
        return max(0.0, self.left() - self.reserve)

    def left_to_write(self, begun: float) -> float:
        """Seconds until an answer must end without which there is nothing to show. begun: `spent` at its first token."""
        if not self.seconds:
            return math.inf
        end = min(OVERTIME * self.seconds, begun + WRITING_SHARE * self.seconds)
        return max(self.left_to_generate(), end - self.spent())

    def left_to_check(self) -> float:
        """Seconds that the next check may take: never so few that the first answer could not be checked at all."""
        return max(self.reserve, self.left())

    def tokens(self, limit: int, speed: float, rows: int = 1) -> int:
        """The longest answer that can end in time, at most `limit` tokens.

        speed: tokens a second of a row that is decoded alone (0: not measured yet). rows: decoded together.
        """
        if not self.seconds or speed <= 0:
            return limit
        return min(limit, int(self.left_to_generate() * speed / (1 + (rows - 1) / ROWS_AT_HALF_SPEED)))
