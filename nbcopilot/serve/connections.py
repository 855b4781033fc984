"""Connections that never finish a request are closed, before any key is asked for, so that they cannot use up handles.

uvicorn limits the time between requests, not that of a request's header. Here a connection has HEADER_SECONDS for it,
and of those that wait only so many are kept as leave handles for everybody else: the oldest goes first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger("nbcopilot.serve")
HEADER_SECONDS = 10.0
MOST_WAITING = 128


def most_waiting() -> int:
    """Connections that may wait for their header: a quarter of the handles that this process may open."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MOST_WAITING
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(8, min(MOST_WAITING, limit // 4))


class Protocol(H11Protocol):
    """uvicorn's protocol with a time for the header, and a bound on the connections that wait for one."""

    waiting: ClassVar[OrderedDict[Protocol, None]] = OrderedDict()
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()
        while len(self.waiting) > most_waiting():
            oldest, _ = self.waiting.popitem(last=False)
            oldest.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self not in self.waiting and (self.cycle is None or self.cycle.response_complete):
            self._wait()  # the next request of a connection that is kept
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._has_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_header()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self.waiting[self] = None
        self._timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def _has_header(self) -> None:
        self.waiting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()

    def _too_slow(self) -> None:
        if self in self.waiting:
            self.waiting.pop(self, None)
            self.transport.abort()


class QuietAccept:
    """An exception handler of the event loop that tells once in a while, not a thousand times, that handles ran out."""

    def __init__(self) -> None:
        self._told = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "accept" not in str(context.get("message", "")):
            loop.default_exception_handler(context)
        elif time.monotonic() - self._told > 10.0:
            self._told = time.monotonic()
            log.warning("a connection could not be accepted: %s", context.get("exception"))
