"""Who is next: the urgent before the patient, clients by turns, and nobody is lost."""

from __future__ import annotations

import asyncio

import pytest

from nbcopilot.serve.fair_queue import FairQueue


class Desk:
    """Requests that hold their turn until they are told to go."""

    def __init__(self, **limits: int) -> None:
        self.queue = FairQueue({"inline": 3, "interactive": 2, "batch": 1, **limits})
        self.served: list[str] = []
        self._tasks: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}

    async def ask(self, name: str, priority: str, client: str = "") -> None:
        leave = asyncio.Event()

        async def request() -> None:
            async with self.queue.turn(priority, client or name):
                self.served.append(name)
                await leave.wait()

        self._tasks[name] = (asyncio.create_task(request()), leave)
        await settle()

    async def leave(self, name: str) -> None:
        self._tasks[name][1].set()
        await settle()

    async def cancel(self, name: str) -> None:
        self._tasks[name][0].cancel()
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_urgent_request_does_not_wait_behind_a_batch() -> None:
    async def scene() -> None:
        desk = Desk()
        for name in ("batch 1", "batch 2", "batch 3"):
            await desk.ask(name, "batch")
        await desk.ask("magic", "interactive")
        await desk.ask("typing", "inline")
        assert desk.served == ["batch 1", "magic", "typing"]
        assert desk.queue.waiting() == {"inline": 0, "interactive": 0, "batch": 2}

    asyncio.run(scene())


def test_freed_turn_goes_to_the_most_urgent_then_in_order() -> None:
    async def scene() -> None:
        desk = Desk(inline=1, interactive=1)
        await desk.ask("first", "batch")
        for name, priority in (("b", "batch"), ("m", "interactive"), ("i 1", "inline"), ("i 2", "inline")):
            await desk.ask(name, priority)
        for name in ("first", "i 1", "i 2", "m"):
            await desk.leave(name)
        assert desk.served == ["first", "i 1", "i 2", "m", "b"]

    asyncio.run(scene())


def test_client_with_many_requests_does_not_hold_up_another() -> None:
    async def scene() -> None:
        desk = Desk(batch=2)
        for number in range(4):
            await desk.ask(f"many {number}", "batch", "many")
        await desk.ask("few", "batch", "few")
        await desk.leave("many 0")
        assert desk.served == ["many 0", "many 1", "few"]

    asyncio.run(scene())


@pytest.mark.parametrize("who", ["waiting", "running"])
def test_request_that_is_given_up_leaves_no_trace(who: str) -> None:
    async def scene() -> None:
        desk = Desk()
        await desk.ask("running", "batch")
        await desk.ask("waiting", "batch")
        await desk.ask("next", "batch")
        await desk.cancel(who)
        await desk.leave("running")
        await desk.leave("waiting")
        await desk.leave("next")
        assert "next" in desk.served
        assert desk.queue.running == 0 and not any(desk.queue.waiting().values())

    asyncio.run(scene())
