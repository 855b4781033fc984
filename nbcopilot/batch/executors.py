"""Who works on the Items: threads of this process (here), or the processes of a Dask cluster (cluster.py).

    submit(job, item) … next(timeout) -> (item, outcome), in any order

An executor neither reads nor writes files, and never raises for what happens to one Item.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from nbcopilot.batch.job import Item, Job, Outcome
from nbcopilot.batch.worker import Perform, guarded


class Executor(Protocol):
    """What the runner needs of whoever does the work."""

    @property
    def slots(self) -> int:
        """How many Items are worth having under way: more would only wait, with their bytes, elsewhere."""
        ...

    def submit(self, job: Job, item: Item) -> None:
        """Begin work on `item`. Returns at once."""
        ...

    def next(self, timeout: float) -> tuple[Item, Outcome] | None:
        """One that is finished; None when none is after `timeout` seconds."""
        ...

    def notices(self) -> list[str]:
        """Sentences for the user since the last call: a worker that was lost, a scheduler that is waited for."""
        ...

    def close(self) -> None:
        """Stop at the next token what still runs, and let everything go."""
        ...


class Threads:
    """`jobs` threads of this process."""

    def __init__(self, perform: Perform, jobs: int = 1) -> None:
        self._perform, self._jobs = perform, jobs
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="nbcopilot")
        self._stop = threading.Event()
        self._finished: queue.SimpleQueue[tuple[Item, Outcome]] = queue.SimpleQueue()

    @property
    def slots(self) -> int:
        """One more than runs, so that no thread waits for the writing."""
        return self._jobs + 1

    def submit(self, job: Job, item: Item) -> None:
        """See `Executor.submit`."""
        self._pool.submit(self._work, job, item)

    def _work(self, job: Job, item: Item) -> None:
        name = threading.current_thread().name.rpartition("_")[2]
        self._finished.put((item, guarded(self._perform, job, item, self._stop, f"thread {name}")))

    def next(self, timeout: float) -> tuple[Item, Outcome] | None:
        """See `Executor.next`."""
        try:
            return self._finished.get(timeout=timeout)
        except queue.Empty:
            return None

    def notices(self) -> list[str]:
        """See `Executor.notices`: there are none."""
        return []

    def close(self) -> None:
        """See `Executor.close`."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
