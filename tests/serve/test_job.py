"""A job: items come through, errors too, and stopping takes effect at the next token wherever it stands."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest

from nbcopilot.serve.fair_queue import FairQueue
from nbcopilot.serve.job import Job


@asynccontextmanager
async def bench(slots: int = 4) -> AsyncIterator[Callable[..., Job[Any]]]:
    queue, executor = FairQueue({"inline": slots, "interactive": slots, "batch": slots}), ThreadPoolExecutor(4)
    yield lambda start: Job(start, queue, executor, priority="batch", client="c")
    executor.shutdown(wait=True)


class Endless:
    """Items without end; knows how many were taken and whether it was closed."""

    def __init__(self) -> None:
        self.taken, self.closed, self.go = 0, threading.Event(), threading.Event()

    def __call__(self) -> Iterator[int]:
        try:
            while True:
                self.taken += 1
                yield self.taken
                self.go.wait(120)
        finally:
            self.closed.set()


def test_items_come_in_order() -> None:
    async def scene() -> list[int]:
        async with bench() as job:
            return [item async for item in job(lambda: iter(range(100)))]

    assert asyncio.run(scene()) == list(range(100))


def test_error_comes_after_the_items_before_it() -> None:
    def start() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    async def scene() -> list[int]:
        seen = []
        async with bench() as job:
            with pytest.raises(ValueError, match="no more"):
                async for item in job(start):
                    seen.append(item)
        return seen

    assert asyncio.run(scene()) == [1]


def test_stopping_a_running_job_closes_the_stream_at_the_next_item() -> None:
    endless = Endless()

    async def scene() -> None:
        async with bench() as job:
            running = job(endless)
            async for _ in running:
                running.stop("enough")
                endless.go.set()
            assert running.reason == "enough"

    asyncio.run(scene())
    assert endless.closed.wait(60) and endless.taken == 2


def test_stopping_a_waiting_job_never_starts_it() -> None:
    endless, second = Endless(), Endless()

    async def scene() -> None:
        async with bench(slots=1) as job:
            first, waiting = job(endless), job(second)
            items = aiter(first)
            assert await anext(items) == 1
            waiting.stop()
            assert [item async for item in waiting] == []
            first.stop()
            endless.go.set()
            assert [item async for item in items] == []

    asyncio.run(scene())
    assert second.taken == 0


def test_slow_reader_does_not_hold_the_engine() -> None:
    done = threading.Event()

    def start() -> Iterator[int]:
        yield from range(1000)
        done.set()

    async def scene() -> int:
        async with bench() as job:
            running = job(start)
            assert await asyncio.to_thread(done.wait, 60)  # nothing was read yet
            return len([item async for item in running])

    assert asyncio.run(scene()) == 1000
