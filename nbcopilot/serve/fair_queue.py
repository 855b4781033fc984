"""Who is next: a fair queue in front of the engine. Knows nothing of models or HTTP.

Classes, most urgent first: "inline" (somebody is typing), "interactive" (somebody waits), "batch". Within a class
the client with the fewest running requests goes first, then the one that came first.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

# A class may start while fewer than this many requests run in all: the engine batches eight rows at the price of
# one or two (models.md), and the more urgent always find a free place.
LIMITS = {"inline": 12, "interactive": 10, "batch": 8}
PRIORITIES = tuple(LIMITS)


@dataclass(eq=False)
class _Waiter:
    priority: str
    client: str
    order: int
    granted: asyncio.Future[None]


class FairQueue:
    """The queue. Belongs to one event loop."""

    def __init__(self, limits: Mapping[str, int] = LIMITS) -> None:
        self._limits = dict(limits)
        self._ranks = {name: rank for rank, name in enumerate(PRIORITIES)}
        self._waiting: list[_Waiter] = []
        self._running: Counter[str] = Counter()
        self._orders = itertools.count()

    @property
    def running(self) -> int:
        """Requests that have their turn now."""
        return self._running.total()

    def waiting(self) -> dict[str, int]:
        """Requests that wait, by class."""
        found = Counter(waiter.priority for waiter in self._waiting)
        return {name: found[name] for name in PRIORITIES}

    @asynccontextmanager
    async def turn(self, priority: str, client: str) -> AsyncIterator[None]:
        """Wait for the turn; it ends with the block. Cancelling the wait leaves the queue."""
        waiter = _Waiter(priority, client, next(self._orders), asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._grant()
        try:
            await waiter.granted
            yield
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            else:
                self._running[client] -= 1
                self._running += Counter()  # forget clients that have nothing running
            self._grant()

    def _grant(self) -> None:
        while self._waiting:
            best = min(self._waiting, key=lambda w: (self._ranks[w.priority], self._running[w.client], w.order))
            if self.running >= self._limits[best.priority]:
                return
            self._waiting.remove(best)
            self._running[best.client] += 1
            if not best.granted.done():
                best.granted.set_result(None)
