"""One engine call on its way: waits for its turn, runs in a worker thread, hands items to the event loop.

Stopping a job takes effect at the next token. A reader that is slow or gone never holds up the engine: items wait
in memory (an answer is bounded by its max_tokens) and the turn ends when the engine is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from typing import Generic, TypeVar

from nbcopilot.serve.fair_queue import FairQueue

T = TypeVar("T")


class Job(Generic[T]):
    """A running call of `start`, whose items are read with `async for`. Made within a running event loop.

    An error of the engine is raised to the reader, after the items that came before it.
    """

    def __init__(
        self, start: Callable[[], Iterator[T]], queue: FairQueue, executor: Executor, *, priority: str, client: str
    ) -> None:
        self.stopped = False
        self.reason = ""
        self._start = start
        self._queue = queue
        self._executor = executor
        self._begun = False
        self._over = threading.Event()
        self._stream: Iterator[T] | None = None
        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[T | _Ended] = asyncio.Queue()
        self._task = self._loop.create_task(self._run(priority, client))

    def stop(self, reason: str = "") -> None:
        """Leave the queue, or end the running call at its next token. The reader sees the end, and the `reason`."""
        if self.stopped:
            return
        self.stopped, self.reason = True, reason
        self._over.set()
        if not self._begun:
            self._task.cancel()

    def on_done(self, call: Callable[[Job[T]], None]) -> None:
        """Call back when the engine has let go."""
        self._task.add_done_callback(lambda _: call(self))

    async def done(self) -> None:
        """Wait until the engine has let go."""
        await asyncio.wait([self._task])

    async def __aiter__(self) -> AsyncIterator[T]:
        while True:
            item = await self._items.get()
            if isinstance(item, _Ended):
                if item.error is not None:
                    raise item.error
                return
            yield item

    async def _run(self, priority: str, client: str) -> None:
        error: BaseException | None = None
        try:
            async with self._queue.turn(priority, client):
                self._begun = True
                error = await self._loop.run_in_executor(self._executor, self._work)
        except asyncio.CancelledError:
            pass  # stopped before its turn
        finally:
            self._items.put_nowait(_Ended(error))

    def _work(self) -> BaseException | None:
        """Run the call to its end in a worker thread; what it raised, if anything."""
        try:
            stream = self._start()
            try:
                for item in stream:
                    if self._over.is_set():
                        break
                    # The loop is closed only when the process ends.
                    with contextlib.suppress(RuntimeError):
                        self._loop.call_soon_threadsafe(self._items.put_nowait, item)
            finally:
                close = getattr(stream, "close", None)
                if close is not None:
                    close()
        except BaseException as exc:
            return exc
        return None


class _Ended:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error
