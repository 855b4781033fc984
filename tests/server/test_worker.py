"""A generator in a thread: items in order, errors handed over, closed between two items."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from nbcopilot.server.worker import Feed


def test_items_come_in_order_and_off_the_loop() -> None:
    threads: set[int] = set()

    def make(_: threading.Event) -> Iterator[int]:
        for number in range(5):
            threads.add(threading.get_ident())
            yield number

    async def collect() -> list[int]:
        return [item async for item in Feed(make)]

    assert asyncio.run(collect()) == [0, 1, 2, 3, 4]
    assert threading.get_ident() not in threads


def test_an_error_arrives_after_the_items_before_it() -> None:
    def make(_: threading.Event) -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    async def collect() -> list[int]:
        got = []
        with pytest.raises(ValueError, match="broken"):
            async for item in Feed(make):
                got.append(item)
        return got

    assert asyncio.run(collect()) == [1]


def test_close_closes_the_generator_in_its_own_thread() -> None:
    closed = threading.Event()

    def make(stopped: threading.Event) -> Iterator[int]:
        try:
            yield 0
            while True:
                stopped.wait(0.01)
                yield 1
        finally:
            closed.set()

    async def stop_after_one() -> None:
        feed = Feed(make)
        async for _ in feed:
            feed.close()
            break
        await asyncio.get_running_loop().run_in_executor(None, closed.wait, 60)

    asyncio.run(stop_after_one())
    assert closed.is_set()
