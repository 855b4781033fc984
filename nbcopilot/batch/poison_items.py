"""Which units kill workers. Told what ran on each worker that died, it says what is to be set aside.

Knows names only; cluster.py tells it, and acts on what it says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

# A unit that was running when so many workers died is set aside.
STRIKES = 2
# Where workers die of other things (killed, preempted, out of another's memory) a unit may meet two deaths by chance.
# So it is once this many units lost the worker that they had for themselves, and then went on to finish.
SURVIVORS = 2
PATIENT_STRIKES = 3 * STRIKES


class Blame:
    """The deaths of workers, by unit."""

    def __init__(self) -> None:
        self._strikes: Counter[str] = Counter()
        self._given_up: Counter[str] = Counter()
        self._alone: set[str] = set()
        self._survivors = 0

    def died(self, running: Collection[str]) -> None:
        """A worker died while it worked on `running`."""
        self._strikes.update(running)
        if len(running) == 1:
            self._alone.update(running)

    def given_up(self, name: str) -> None:
        """The scheduler gave `name` back: workers to which it was assigned died, perhaps before it began."""
        self._given_up[name] += 1

    def deaths(self, name: str) -> int:
        """How many deaths `name` has to answer for."""
        return max(self._strikes[name], self._given_up[name])

    def is_guilty(self, name: str) -> bool:
        """Whether `name` is to be set aside."""
        return self.deaths(name) >= (STRIKES if self._survivors < SURVIVORS else PATIENT_STRIKES)

    def settled(self, name: str, *, finished: bool) -> None:
        """`name` is done with; finished: a worker brought it to its end."""
        self._survivors += finished and name in self._alone
        self._alone.discard(name)
        self._strikes.pop(name, None)
        self._given_up.pop(name, None)
