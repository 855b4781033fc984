"""What callers may use and have used: a seat for each running request, the tokens of a day, one line for each request.

Belongs to the event loop. What cannot be written into the key file (a full disk) still counts, and is written later.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from nbcopilot.errors import NbcopilotError, QuotaError
from nbcopilot.serve import request_log
from nbcopilot.serve.callers import Caller
from nbcopilot.serve.entry import Entry
from nbcopilot.serve.ledger import Ledger, Used, seconds_to_midnight, today

log = logging.getLogger("nbcopilot.serve")
# A seat is free again when an answer ends, which nobody can foretell.
SEAT_SECONDS = 1


class Figures(Protocol):
    """Where the figures of ended requests are gathered."""

    def note(self, entry: Entry) -> None:
        """Count one request that has ended."""
        ...


@dataclass(eq=False)
class Accounts:
    """Seats, tokens and records. Without a ledger there are no tokens of a day; without figures none are gathered."""

    ledger: Ledger | None = None
    figures: Figures | None = None
    _seats: Counter[str] = field(default_factory=Counter)
    _unwritten: list[Used] = field(default_factory=list)
    _ending: set[asyncio.Task[None]] = field(default_factory=set)

    async def enter(self, entry: Entry) -> None:
        """Take a seat, and say in `entry.left` what is left of the day. Raises QuotaError, ConfigError."""
        caller, most = entry.caller, entry.caller.limits.concurrent
        if most is not None and self._seats[caller.id] >= most:
            raise QuotaError(
                f"{most} request{'s' * (most > 1)} of this key run{'s' * (most == 1)} already, and no more may at a time",
                hint="ask again when one has ended",
                retry_seconds=SEAT_SECONDS,
            )
        self._seats[caller.id] += 1
        entry.is_seated = True
        if caller.limits.tokens_per_day is not None and self.ledger is not None:
            entry.left = caller.limits.tokens_per_day - await self._used(self.ledger, caller)
            if entry.left <= 0:
                wait = seconds_to_midnight()
                raise QuotaError(
                    f"this key has used its {caller.limits.tokens_per_day:,} tokens of {today()} (UTC)",
                    hint=f"ask again in {_duration(wait)}, or ask the administrator of the server for more",
                    retry_seconds=wait,
                )

    def leave(self, entry: Entry, *, then: Callable[[], None]) -> None:
        """Note `entry` once the engine has let go of it, and call `then`."""
        task = asyncio.get_running_loop().create_task(self._end(entry, then))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    @property
    def is_busy(self) -> bool:
        """Whether something that has ended is not noted yet."""
        return bool(self._ending)

    async def settle(self) -> None:
        """Wait until all that has ended is noted."""
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _used(self, ledger: Ledger, caller: Caller) -> int:
        waiting = sum(used.tokens for used in self._unwritten if (used.caller, used.day) == (caller.id, today()))
        return waiting + await asyncio.to_thread(ledger.used, caller.id)

    async def _end(self, entry: Entry, then: Callable[[], None]) -> None:
        if entry.job is not None:
            await entry.job.done()
        if entry.is_seated:
            self._seats[entry.caller.id] -= 1
            self._seats += Counter()  # forget callers that have nothing running
        then()
        if self.figures is not None:
            self.figures.note(entry)
        request_log.note(entry)
        was_refused = entry.left is not None and entry.left <= 0
        if entry.is_seated and not was_refused and entry.caller.is_counted and self.ledger is not None:
            tokens = (entry.prompt_tokens, entry.completion_tokens, entry.cached_tokens)
            self._unwritten.append(Used(entry.caller.id, today(), 1, *tokens))
            await self._write(self.ledger)

    async def _write(self, ledger: Ledger) -> None:
        waiting, self._unwritten = self._unwritten, []
        try:
            await asyncio.to_thread(ledger.note, waiting)
        except NbcopilotError as exc:
            self._unwritten = waiting + self._unwritten
            log.error("%d requests are not counted in the key file yet: %s", len(waiting), exc)


def _duration(seconds: int) -> str:
    hours, minutes = divmod(-(-seconds // 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
