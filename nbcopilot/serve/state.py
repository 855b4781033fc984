"""What one server process knows and counts. Belongs to its event loop."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbcopilot.inference import Usage
from nbcopilot.serve.accounts import Accounts
from nbcopilot.serve.callers import Authenticator
from nbcopilot.serve.complete import Completer
from nbcopilot.serve.entry import Entry
from nbcopilot.serve.fair_queue import LIMITS, FairQueue
from nbcopilot.serve.job import Job
from nbcopilot.serve.pool import Pool

if TYPE_CHECKING:  # takes half a second to import: only where figures are asked for
    from nbcopilot.serve.metrics import Metrics


@dataclass(eq=False)
class State:
    """What one server process knows. `stop(now)` is how it is asked to end; `touched` is the last use (monotonic).

    `origins`: web pages that may ask, as their browser names them. `open_to_all`: requests over TCP may have further models loaded, as those over the private socket may.
    """

    pool: Pool
    max_tokens: int = 768
    authenticators: tuple[Authenticator, ...] = ()
    open_to_all: bool = False
    origins: frozenset[str] = frozenset()
    stop: Callable[[bool], None] = lambda now: None
    started: float = field(default_factory=time.time)
    touched: float = field(default_factory=time.monotonic)
    queue: FairQueue = field(default_factory=FairQueue)
    completers: dict[str, Completer] = field(default_factory=dict)
    accounts: Accounts = field(default_factory=Accounts)
    metrics: Metrics | None = None
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

    def completer(self, entry: Entry) -> Completer:
        """What remembers the suggestions of this caller, and of nobody else."""
        return self.completers.setdefault(entry.caller.id, Completer())

    def job(self, start: Callable[[], Iterator[Any]], entry: Entry, *, priority: str, client: str) -> Job[Any]:
        """A started Job for `entry` that is known to the server until the engine has let go of it."""
        job: Job[Any] = Job(start, self.queue, self.executor, priority=priority, client=entry.turn(client))
        entry.job = job
        self.jobs.add(job)
        job.on_done(self._forget)
        return job

    def _forget(self, job: Job[Any]) -> None:
        self.jobs.discard(job)
        self.touched = time.monotonic()

    def note(self, usages: Sequence[Usage]) -> None:
        """Remember what answers took, for `tokens_per_second`."""
        self.counts["answers"] += len(usages)
        self.counts["tokens"] += sum(usage.completion_tokens for usage in usages)
        self.recent.extend(usage for usage in usages if usage.completion_tokens > 1)

    def tokens_per_second(self) -> float | None:
        """Decoding speed of one answer, mean over the last ones; None before the first."""
        seconds = sum(usage.seconds - usage.first_token_seconds for usage in self.recent)
        return round(sum(usage.completion_tokens - 1 for usage in self.recent) / seconds, 1) if seconds > 0 else None
