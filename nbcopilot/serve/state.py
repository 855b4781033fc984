"""What one server process knows and counts. Belongs to its event loop."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from nbcopilot.inference import Usage
from nbcopilot.serve.complete import Completer
from nbcopilot.serve.fair_queue import LIMITS, FairQueue
from nbcopilot.serve.job import Job
from nbcopilot.serve.pool import Pool


@dataclass(eq=False)
class State:
    """What one server process knows. `stop(now)` is how it is asked to end; `touched` is the last use (monotonic).

    `origins`: web pages that may ask, as their browser names them. `open_to_all`: requests over TCP may have further models loaded, as those over the private socket may.
    """

    pool: Pool
    max_tokens: int = 768
    key: str = ""
    open_to_all: bool = False
    origins: frozenset[str] = frozenset()
    stop: Callable[[bool], None] = lambda now: None
    started: float = field(default_factory=time.time)
    touched: float = field(default_factory=time.monotonic)
    queue: FairQueue = field(default_factory=FairQueue)
    completer: Completer = field(default_factory=Completer)
    executor: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max(LIMITS.values()), thread_name_prefix="answer")
    )
    jobs: set[Job[Any]] = field(default_factory=set)
    typing: dict[str, Job[Any]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    recent: deque[Usage] = field(default_factory=lambda: deque(maxlen=20))

    @property
    def busy(self) -> bool:
        """Whether an answer or a load is on its way."""
        return bool(self.jobs) or self.counts["loading"] > 0

    def job(self, start: Callable[[], Iterator[Any]], *, priority: str, client: str) -> Job[Any]:
        """A started Job that is known to the server until the engine has let go of it."""
        job: Job[Any] = Job(start, self.queue, self.executor, priority=priority, client=client)
        self.jobs.add(job)
        job.on_done(self._forget)
        return job

    def _forget(self, job: Job[Any]) -> None:
        self.jobs.discard(job)
        self.touched = time.monotonic()

    def note(self, usage: Usage) -> None:
        """Remember what an answer took, for `tokens_per_second`."""
        self.counts["answers"] += 1
        self.counts["tokens"] += usage.completion_tokens
        if usage.completion_tokens > 1:
            self.recent.append(usage)

    def tokens_per_second(self) -> float | None:
        """Decoding speed of one answer, mean over the last ones; None before the first."""
        seconds = sum(usage.seconds - usage.first_token_seconds for usage in self.recent)
        return round(sum(usage.completion_tokens - 1 for usage in self.recent) / seconds, 1) if seconds > 0 else None
