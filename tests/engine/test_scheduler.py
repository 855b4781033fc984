from __future__ import annotations

import queue
import threading

import numpy as np
import pytest

from nbcopilot.engine.model import Array, Segment
from nbcopilot.engine.request import Request
from nbcopilot.engine.scheduler import Scheduler, mapped
from nbcopilot.errors import EngineUnavailableError, InternalError, OutOfMemoryError
from nbcopilot.inference import Chunk, Sampling

# How long anything is waited for: no test takes a tenth of a second of it.
SECONDS = 60


class Counting:
    """A model that waits for permission before each pass and notes who was in it."""

    context, reuses, kind = 512, False, "counting"

    def __init__(self) -> None:
        self.passes: list[list[str]] = []
        self.go, self.second, self.open = threading.Semaphore(0), threading.Event(), False

    def wait_for_pass(self) -> None:
        """Return when the first pass has been computed, and the second is waiting."""
        self.go.release(1)
        assert self.second.wait(SECONDS)

    def free(self) -> None:
        """From now on no pass waits."""
        self.open = True
        self.go.release()

    def forward(self, segments: list[Segment]) -> Array:
        if self.passes:
            self.second.set()
        if not self.open:
            self.go.acquire(timeout=SECONDS)
        self.passes.append([segment.cache for segment in segments])
        return np.zeros((sum(segment.wanted for segment in segments), 4), np.float32)

    def use_threads(self, threads: int) -> None: ...

    def new_cache(self, capacity: int) -> None: ...

    def close(self) -> None: ...


class Steps:
    """A job of `left` decoding steps, known by its request's position."""

    reading = False

    def __init__(self, request: Request) -> None:
        self.request, self.finished = request, False
        self.left = request.sampling.max_tokens
        self.rows = request.candidates

    def segments(self, prefill_rows: int, other_rows: int) -> list[Segment]:
        return [Segment(f"job {self.request.position}", [1])]

    def take(self, logits: Array) -> None:
        self.left -= 1
        if not self.left:
            self.finished = True
            self.request.out.put((self.request.position, Chunk("", finish="stop")))

    def cancel(self) -> None:
        self.finished = True
        self.request.out.put((self.request.position, Chunk("", finish="cancelled")))


def asked(position: int, steps: int, *, candidates: int = 1, urgent: bool = False, token_budget: int = 0) -> Request:
    sampling = Sampling(max_tokens=steps)
    return Request([1], sampling, (), queue.SimpleQueue(), position, candidates, urgent, token_budget=token_budget)


@pytest.fixture
def model() -> Counting:
    return Counting()


@pytest.fixture
def scheduler(model: Counting):
    made = Scheduler(model, Steps, None, lambda: 1, token_budget=800)  # type: ignore[arg-type]
    yield made
    model.free()
    made.close()


def test_requests_share_passes_and_finish_in_their_own_time(model: Counting, scheduler: Scheduler) -> None:
    long, short = asked(1, 3), asked(2, 1)
    scheduler.submit(long)
    model.go.release(1)
    scheduler.submit(short)
    model.go.release(9)
    assert long.out.get(timeout=SECONDS)[1].finish == short.out.get(timeout=SECONDS)[1].finish == "stop"
    assert ["job 1", "job 2"] in model.passes


def test_an_urgent_request_does_not_wait_behind_a_full_engine(model: Counting, scheduler: Scheduler) -> None:
    batch, second, inline = asked(1, 50, candidates=16), asked(2, 1, candidates=16), asked(3, 1, urgent=True)
    for request in (batch, second, inline):
        scheduler.submit(request)
    model.go.release(5)
    assert inline.out.get(timeout=SECONDS)[1].finish == "stop"
    assert not any("job 2" in names for names in model.passes)


def test_answers_that_need_more_memory_than_there_is_wait_in_their_order(model: Counting, scheduler: Scheduler) -> None:
    running, large, small = asked(1, 3, token_budget=500), asked(2, 1, token_budget=400), asked(3, 1, token_budget=10)
    urgent = asked(4, 1, urgent=True, token_budget=290)  # would not fit into what others may take
    scheduler.submit(running)
    model.wait_for_pass()
    for request in (large, small, urgent):
        scheduler.submit(request)
    assert scheduler.held == 500
    model.go.release(20)
    assert small.out.get(timeout=SECONDS)[1].finish == "stop"
    first = {job: next(n for n, names in enumerate(model.passes) if f"job {job}" in names) for job in (1, 2, 3, 4)}
    assert first[4] < 3 <= first[2] == first[3]


def test_answer_that_is_larger_than_the_room_runs_alone(model: Counting, scheduler: Scheduler) -> None:
    request = asked(1, 2, token_budget=5000)
    scheduler.submit(request)
    model.go.release(2)
    assert request.out.get(timeout=SECONDS)[1].finish == "stop"


def test_a_cancelled_request_leaves_at_the_next_step(model: Counting, scheduler: Scheduler) -> None:
    request = asked(1, 1000)
    scheduler.submit(request)
    model.wait_for_pass()
    request.cancelled = True
    model.go.release(2)
    assert request.out.get(timeout=SECONDS)[1].finish == "cancelled"
    assert len(model.passes) < 10


def test_a_cancelled_request_is_never_begun(model: Counting, scheduler: Scheduler) -> None:
    running, gone = asked(1, 3), asked(2, 3)
    scheduler.submit(running)
    model.wait_for_pass()
    gone.cancelled = True
    scheduler.submit(gone)
    model.go.release(9)
    running.out.get(timeout=SECONDS)
    assert not any("job 2" in names for names in model.passes)


def test_closing_ends_every_request(model: Counting, scheduler: Scheduler) -> None:
    running, waiting = asked(1, 10**9, candidates=16), asked(2, 5, candidates=16)
    scheduler.submit(running)
    model.wait_for_pass()
    scheduler.submit(waiting)
    model.free()
    scheduler.close()
    assert running.out.get(timeout=SECONDS)[1].finish == "cancelled"
    assert isinstance(waiting.out.get(timeout=SECONDS), EngineUnavailableError)
    with pytest.raises(EngineUnavailableError):
        scheduler.submit(asked(3, 1))


def test_errors_of_torch_are_told_as_ours() -> None:
    assert isinstance(mapped(MemoryError()), OutOfMemoryError)
    assert isinstance(
        mapped(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")), OutOfMemoryError
    )
    fault = mapped(KeyError("x"))
    assert isinstance(fault, InternalError) and "the model failed" in fault.message
