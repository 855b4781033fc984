"""One thread that owns the model and answers all requests together, step by step.

Every step computes, in one forward pass, the newest token of every answer and the next piece of one prompt
(continuous batching). Urgent requests (inline completions) go first; cancelled ones are dropped before each step.
Answers begin as long as their caches have room in memory together; the rest wait.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from nbcopilot.engine.drafting import SpeculationPolicy
from nbcopilot.engine.jobs import PREFILL_ROWS, Factory, Job
from nbcopilot.engine.model import Model, Segment
from nbcopilot.engine.request import Request
from nbcopilot.errors import EngineError, EngineUnavailableError, InternalError, OutOfMemoryError

# Answers decoded together: 8 rows cost about twice as much as one, 16 about three times (benchmarks/results).
MAX_ROWS = 16
# Share of the token budget that is kept free for urgent requests.
URGENT_SHARE = 1 / 8


class Scheduler:
    """Requests in, chunks out through each request's queue. Thread-safe.

    token_budget: tokens that the caches of all running answers may come to hold together.
    """

    def __init__(
        self,
        model: Model,
        make_job: Factory,
        policy: SpeculationPolicy | None,
        threads: Callable[[], int],
        token_budget: float = math.inf,
    ) -> None:
        self._model, self._make_job, self._policy, self._threads = model, make_job, policy, threads
        self._token_budget = token_budget
        self._waiting: deque[Request] = deque()
        self._active: list[Job] = []
        self._changed = threading.Condition()
        self._closed = False
        self._worker = threading.Thread(target=self._run, name="nbcopilot-engine", daemon=True)
        self._worker.start()

    def submit(self, request: Request) -> None:
        """Queue a request: urgent ones before all others. Raises EngineUnavailableError after `close`."""
        with self._changed:
            if self._closed:
                raise EngineUnavailableError("the engine is closed", hint="load it again")
            self._waiting.append(request)
            self._changed.notify()

    @property
    def held(self) -> int:
        """Tokens that the caches of the running answers may come to hold."""
        return sum(job.request.token_budget for job in list(self._active))

    def close(self) -> None:
        """Cancel what runs and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if threading.current_thread() is not self._worker:
            self._worker.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._active or self._closed):
                    self._changed.wait()
                if self._closed:
                    break
            self._drop_cancelled()
            self._admit()
            self._step()
        for job in self._active:
            job.cancel()
        for request in self._waiting:
            request.out.put(EngineUnavailableError("the engine was closed", hint="ask again"))

    def _drop_cancelled(self) -> None:
        for job in self._active:
            if job.request.cancelled:
                job.cancel()
        self._active = [job for job in self._active if not job.finished]

    def _admit(self) -> None:
        with self._changed:
            waiting = sorted(self._waiting, key=lambda request: not request.urgent)
            self._waiting.clear()
        rest: list[Request] = []
        for request in waiting:
            if request.cancelled:
                continue
            # Who waits is not overtaken by smaller requests, only by urgent ones.
            if (rest and not request.urgent) or (self._active and not self._fits(request)):
                rest.append(request)
                continue
            try:
                job = self._make_job(request)
            except Exception as exc:  # whatever it is, the caller must hear of it: this thread serves everybody
                request.out.put(mapped(exc))
                continue
            # An urgent request's prompt is computed before the prompts of others.
            self._active.insert(0 if request.urgent else len(self._active), job)
        with self._changed:
            self._waiting.extendleft(reversed(rest))

    def _fits(self, request: Request) -> bool:
        """Whether `request` can run beside the others now. Alone every request can."""
        held = self.held + request.token_budget
        if request.urgent:
            return held <= self._token_budget
        rows = sum(job.rows for job in self._active) + max(request.candidates, request.sampling.beams)
        return rows <= MAX_ROWS and held <= self._token_budget * (1 - URGENT_SHARE)

    def _step(self) -> None:
        parts = self._parts()
        if not parts:
            return
        began, reading = time.monotonic(), any(job.reading for job, _ in parts)
        try:
            self._model.use_threads(self._threads())
            logits = self._model.forward([segment for _, segments in parts for segment in segments])
            row = 0
            for job, segments in parts:
                count = sum(segment.wanted for segment in segments)
                job.take(logits[row : row + count])
                row += count
        except Exception as exc:  # as above
            for job, _ in parts:
                job.request.out.put(mapped(exc))
                job.finished = True
        else:
            if self._policy is not None and not reading:
                self._policy.took(len(logits), time.monotonic() - began)
        self._active = [job for job in self._active if not job.finished]

    def _parts(self) -> list[tuple[Job, list[Segment]]]:
        """What to compute next. One prompt at a time, so that the next one can begin where this one has been."""
        parts = []
        rows_left, rows = PREFILL_ROWS, sum(job.rows for job in self._active if not job.reading)
        for job in self._active:
            segments = job.segments(rows_left, rows - job.rows)
            if job.reading:
                rows_left = 0
            if segments:
                parts.append((job, segments))
        return parts


def mapped(exc: BaseException) -> EngineError | InternalError:
    """Torch's errors as ours; the one place."""
    if isinstance(exc, (EngineError, InternalError)):
        return exc
    text = str(exc)
    if (
        isinstance(exc, MemoryError)
        or type(exc).__name__ == "OutOfMemoryError"  # torch's, told by name: torch need not be loaded
        or "not enough memory" in text
        or "can't allocate" in text
    ):
        error = OutOfMemoryError(
            "not enough memory for this request", hint="ask for a shorter answer or fewer candidates"
        )
        error.__cause__ = exc
        return error
    fault = InternalError(
        f"the model failed: {text.splitlines()[0] if text else type(exc).__name__}", hint="please report it"
    )
    fault.__cause__ = exc
    return fault
