"""A blocking generator, run in a thread and consumed by the event loop.

The core is synchronous; tornado's loop must never wait for it. Closing a `Feed` asks the thread to stop: the
generator is closed there, between two items, which cancels the engine at the next token.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Feed(Generic[Item]):
    """`make(stopped)` is called and iterated in a thread; `async for` gives the items; its error is raised here.

    The thread is a daemon: a server that stops does not wait for a model.
    """

    def __init__(self, make: Callable[[threading.Event], Iterator[Item]]) -> None:
        self._stopped = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Item | BaseException | None] = asyncio.Queue()
        threading.Thread(target=self._work, args=(make,), name="nbcopilot-request", daemon=True).start()

    async def __aiter__(self) -> AsyncIterator[Item]:
        while (item := await self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        """Stop at the next item; what comes after is dropped. May be called twice, and from any thread."""
        self._stopped.set()

    def _work(self, make: Callable[[threading.Event], Iterator[Item]]) -> None:
        items: Iterator[Item] | None = None
        try:
            items = make(self._stopped)
            for item in items:
                if self._stopped.is_set():
                    break
                self._put(item)
        except BaseException as exc:  # handed to the loop, whatever it is: a thread has nobody to tell
            self._put(exc)
        finally:
            close = getattr(items, "close", None)
            with contextlib.suppress(Exception):
                if close is not None:
                    close()
            self._put(None)

    def _put(self, item: Item | BaseException | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone: the server is shutting down
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)
