"""The models in memory: one load however many ask, the idle one makes room, what runs is never dropped."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from nbcopilot.engine.fake import FakeEngine
from nbcopilot.errors import EngineUnavailableError, ModelNotFoundError, OutOfMemoryError
from nbcopilot.serve.pool import Pool


class Loader:
    """Loads fakes and remembers them; `room` engines fit into memory."""

    def __init__(self, room: int = 9) -> None:
        self.room = room
        self.engines: list[FakeEngine] = []
        self.asked: list[str] = []

    def __call__(self, name: str) -> FakeEngine:
        self.asked.append(name)
        if name == "missing":
            raise ModelNotFoundError("missing is not on this machine yet")
        if sum(not engine._closed.is_set() for engine in self.engines) >= self.room:
            raise OutOfMemoryError("no room")
        self.engines.append(FakeEngine())
        return self.engines[-1]


def use(pool: Pool, name: str) -> FakeEngine:
    with pool.use(name) as loaded:
        assert isinstance(loaded.engine, FakeEngine)
        return loaded.engine


def test_many_at_once_load_once() -> None:
    started = threading.Barrier(8)
    load = Loader()
    pool = Pool(load)

    def ask() -> FakeEngine:
        started.wait()
        return use(pool, "a")

    with ThreadPoolExecutor(8) as threads:
        engines = {id(future.result()) for future in [threads.submit(ask) for _ in range(8)]}
    assert len(engines) == 1 and load.asked == ["a"] and pool.loads == 1


def test_failed_load_is_tried_again_by_the_next() -> None:
    load = Loader()
    pool = Pool(load)
    for _ in range(2):
        with pytest.raises(ModelNotFoundError):
            use(pool, "missing")
    assert load.asked == ["missing", "missing"] and pool.loaded() == []


def test_the_one_that_is_idle_longest_makes_room() -> None:
    pool = Pool(Loader(), limit=2)
    a, b = use(pool, "a"), use(pool, "b")
    use(pool, "a")
    use(pool, "c")
    assert [one.name for one in pool.loaded()] == ["a", "c"]
    assert b._closed.is_set() and not a._closed.is_set()


def test_what_runs_is_not_dropped_for_another() -> None:
    pool = Pool(Loader(), limit=1)
    with pool.use("a") as a:
        b = use(pool, "b")
        assert not a.engine._closed.is_set()  # type: ignore[attr-defined]
    use(pool, "c")
    assert b._closed.is_set()


def test_short_memory_drops_the_idle_one_and_tries_again() -> None:
    pool = Pool(Loader(room=1), limit=2)
    a = use(pool, "a")
    use(pool, "b")
    assert a._closed.is_set() and [one.name for one in pool.loaded()] == ["b"]
    with pool.use("b"), pytest.raises(OutOfMemoryError):
        use(pool, "c")


def test_no_name_takes_what_is_there_else_the_default() -> None:
    load = Loader()
    pool = Pool(load, default="auto")
    assert pool.find("") is None
    assert use(pool, "") is use(pool, "default") is use(pool, "auto")
    other = Pool(load, default="auto")
    assert use(other, "b") is use(other, "")


def test_aliases_of_one_model_share_it_and_auto_is_decided_once() -> None:
    choices = iter(["big", "small"])
    pool = Pool(Loader(), identify=lambda name: next(choices) if name == "auto" else name.lower())
    assert use(pool, "auto") is use(pool, "BIG") is use(pool, "big") is use(pool, "auto")
    assert pool.loads == 1


def test_closed_pool_refuses_in_one_sentence() -> None:
    pool = Pool(Loader())
    engine = use(pool, "a")
    pool.close()
    assert engine._closed.is_set()
    with pytest.raises(EngineUnavailableError, match="stopping"):
        use(pool, "a")
