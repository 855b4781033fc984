"""Items worked on by the processes of a Dask cluster: one on this machine (--jobs N), or any other (--scheduler).

Dask gives the units of a lost worker to another one; here it is counted which unit was running when a worker died, and
one that was twice is set aside (`Blame`). Workers of this machine that could not be started again are replaced. A
scheduler that goes away is waited for, and gets again what was under way. Versions are compared before anything is sent.
Reads and writes no file but the scheduler file.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import Any

import distributed
from distributed import KilledWorker

from nbcopilot._version import __version__
from nbcopilot.batch import gateway, processes
from nbcopilot.batch.job import Item, Job, MismatchError, Outcome
from nbcopilot.batch.poison_items import PATIENT_STRIKES, Blame
from nbcopilot.batch.worker import on_worker
from nbcopilot.errors import EngineError, EngineUnavailableError, InternalError, NbcopilotError, OutOfMemoryError

CONNECT_SECONDS = 10
# One of this machine is there; the machine may be busy.
OWN_CONNECT_SECONDS = 60
# How long a scheduler that went away is waited for: a pod or a job is started anew within this.
BACK_SECONDS = 120
_TOPIC = "nbcopilot"


_dask: Any = distributed  # its annotations are too few to be checked against


class _Unwanted(threading.Event):
    """Set when the task `key` was cancelled: nobody waits for its result."""

    def __init__(self, worker: Any, key: str) -> None:
        super().__init__()
        self._worker, self._key = worker, key

    def is_set(self) -> bool:
        state = self._worker.state.tasks.get(self._key)
        return state is None or state.state == "cancelled"


def work(job: Job, item: Item, key: str) -> Outcome:
    """The task: runs in a worker's thread, says that it has begun, gives the Outcome."""
    worker = _dask.get_worker()
    worker.log_event(_TOPIC, {"key": key, "worker": worker.address})
    return on_worker(job, item, _Unwanted(worker, key), str(worker.name))


def versions(dask_worker: Any) -> str:
    """The version of nbcopilot on a worker, "" when it has none."""
    try:
        from nbcopilot._version import __version__

        return __version__
    except ImportError:
        return ""


class Cluster:
    """A Dask cluster: `jobs` processes on this machine, or the one at `scheduler` (an address, gateway://NAME, or a
    scheduler file).

    resources: what each Item takes of a worker ({"GPU": 1}); memory: of a worker of this machine ("2GB").
    Raises EngineUnavailableError when the scheduler cannot be reached, MismatchError when a worker has another version.
    """

    def __init__(
        self, jobs: int = 1, scheduler: str = "", resources: Mapping[str, float] | None = None, memory: str = ""
    ) -> None:
        processes.quiet()
        self._scheduler, self._resources = scheduler, dict(resources or {})
        self._run = uuid.uuid4().hex[:8]
        self._count = 0
        self._own: Any = None
        self._under_way: dict[str, tuple[Job, Item, Any]] = {}
        self._finished: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._running: dict[str, str] = {}
        self._blame = Blame()
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._slots, self._stale = 1, threading.Event()
        self._jobs, self._looked = jobs, 0.0
        try:
            if not scheduler:
                self._own = processes.start(jobs, memory, PATIENT_STRIKES)
            self._client = self._connect(CONNECT_SECONDS if scheduler else OWN_CONNECT_SECONDS)
            self._require_versions()
            if self._own is not None:
                self._client.register_plugin(processes.IgnoreInterrupt())
        except BaseException:
            self.close()
            raise

    # ------------------------------------------------------------------ the Executor

    @property
    def slots(self) -> int:
        """One Item for each thread of each worker that has the resources; a few more where workers may be added."""
        if self._stale.is_set():
            self._stale.clear()
            with contextlib.suppress(Exception):
                threads = self._threads()
                self._slots = max(threads, 1) if self._own is not None else threads + max(1, threads // 4)
        return self._slots

    def submit(self, job: Job, item: Item) -> None:
        """See `Executor.submit`."""
        self._count += 1
        self._send(f"{_TOPIC}-{self._run}-{self._count}", job, item)

    def _send(self, key: str, job: Job, item: Item) -> None:
        future = None
        self._under_way[key] = (job, item, None)  # before the worker can say that it has begun
        try:
            future = self._client.submit(
                work, job, item, key, key=key, pure=False, resources=self._resources or None, retries=0
            )
            future.add_done_callback(lambda done: self._finished.put(done.key))
        except Exception:
            # The line to the scheduler is broken: what is under way is sent again when it is back.
            if self._own is not None or self._client.status == "running":
                raise
        self._under_way[key] = (job, item, future)

    def next(self, timeout: float) -> tuple[Item, Outcome] | None:
        """See `Executor.next`. Raises EngineUnavailableError when the scheduler is gone for good."""
        if self._own is not None:
            self._replace_workers()
        elif self._client.status != "running":
            self._wait_for_scheduler()
        try:
            key = self._finished.get(timeout=timeout)
        except queue.Empty:
            return None
        if key not in self._under_way:
            return None
        job, item, future = self._under_way[key]
        if future.status != "finished" and self._blame.is_guilty(_name(item)):
            future.cancel()
            return self._settled(key, item, self._set_aside(item))
        if future.status == "pending":  # the worker that had the result died: it is done again
            future.add_done_callback(lambda done: self._finished.put(done.key))
            return None
        try:
            return self._settled(key, item, self._located(future.result(timeout=60)), finished=True)
        except KilledWorker:
            # The scheduler also blames what only waited on a worker that died: that gets another try.
            self._blame.given_up(_name(item))
            if self._blame.is_guilty(_name(item)):
                return self._settled(key, item, self._set_aside(item))
            del self._under_way[key]
            self.submit(job, item)
            return None
        except NbcopilotError as exc:
            return self._settled(key, item, Outcome(item.unit, "failed", error=exc))
        except (TimeoutError, OSError, CancelledError):
            # The worker that had the result, or the scheduler, went away: it is given back.
            if self._own is None:
                time.sleep(0.5)  # the client sees a broken line a moment after its futures do
                if self._client.status != "running":
                    self._wait_for_scheduler()
                    return None
            self._send(key, job, item)
            return None
        except Exception as exc:
            fault = InternalError(f"{item.unit.path}: {type(exc).__name__}: {exc}", hint="see the log of the worker")
            return self._settled(key, item, Outcome(item.unit, "failed", error=fault))

    def _settled(self, key: str, item: Item, outcome: Outcome, *, finished: bool = False) -> tuple[Item, Outcome]:
        del self._under_way[key]
        self._running.pop(key, None)
        self._blame.settled(_name(item), finished=finished)
        return item, outcome

    def _located(self, outcome: Outcome) -> Outcome:
        """`outcome` with the worker in what it says of "this machine", where that is another one."""
        error = outcome.error
        if self._own is not None or not isinstance(error, EngineError):
            return outcome
        return replace(outcome, error=type(error)(f"{error.message} (worker {outcome.worker})", hint=error.hint))

    def _set_aside(self, item: Item) -> Outcome:
        """What becomes of a unit that workers died of."""
        deaths = self._blame.deaths(_name(item))
        error = OutOfMemoryError(
            f"{item.unit.path} was set aside: {deaths} workers died while they worked on it",
            hint="most likely it needs more memory than a worker has; run it alone, with --jobs 1",
        )
        return Outcome(item.unit, "failed", error=error)

    def _replace_workers(self) -> None:
        """Have processes of ours started that died while they were starting: Dask gives those up."""
        if self._slots < self._jobs and time.monotonic() > self._looked + 1:
            self._looked = time.monotonic()
            self._own.scale(self._jobs)

    def notices(self) -> list[str]:
        """See `Executor.notices`."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._said.get_nowait())
        return found

    def close(self) -> None:
        """See `Executor.close`. Workers of another's cluster stop at the next token of what they do for us."""
        client = getattr(self, "_client", None)
        if client is not None:
            with contextlib.suppress(Exception):
                client.cancel([future for _, _, future in self._under_way.values() if future], force=True)
            with contextlib.suppress(Exception):
                client.close(timeout=5)
        self._under_way.clear()
        if self._own is not None:
            with contextlib.suppress(Exception):
                self._own.close(timeout=10)

    # ------------------------------------------------------------------ connection

    def _connect(self, seconds: float) -> Any:
        where: dict[str, Any] = {"address": self._own if self._own is not None else self._scheduler}
        if self._own is None and "://" not in self._scheduler and Path(self._scheduler).is_file():
            where = {"scheduler_file": self._scheduler}
        elif self._scheduler.startswith(gateway.SCHEME):
            where = gateway.found(self._scheduler)
        try:
            client = _dask.Client(**where, timeout=seconds, set_as_default=False, name="nbcopilot")
        except Exception as exc:
            raise EngineUnavailableError(
                f"no Dask scheduler answers at {self._scheduler or 'this machine'}",
                hint="check the address (tcp://HOST:8786) or the scheduler file",
            ) from exc
        client.subscribe_topic("all", self._on_cluster)
        client.subscribe_topic(_TOPIC, self._on_begun)
        self._stale.set()
        return client

    def _require_versions(self) -> None:
        """Refuse workers that have another version of nbcopilot, or none."""
        found: dict[str, Any] = self._client.run(versions, on_error="return")
        for worker, version in sorted(found.items()):
            if version != __version__:
                other = version if isinstance(version, str) and version else "none"
                raise MismatchError(
                    f"this is nbcopilot {__version__}, but the worker {worker} has {other}",
                    hint=f"install the same on both: pip install nbcopilot=={__version__}",
                )

    def _wait_for_scheduler(self) -> None:
        """Connect again, and send again what was under way."""
        self._said.put(f"the scheduler at {self._scheduler} went away; waiting for it")
        with contextlib.suppress(Exception):
            self._client.close(timeout=1)
        end = time.monotonic() + BACK_SECONDS
        while True:
            try:
                self._client = self._connect(5)
                break
            except EngineUnavailableError:
                if time.monotonic() > end:
                    raise EngineUnavailableError(
                        f"the scheduler at {self._scheduler} went away and did not come back within {BACK_SECONDS} s",
                        hint="start it and run the same command with --resume",
                    ) from None
                time.sleep(1)
        self._said.put(f"the scheduler is back; {len(self._under_way)} notebooks are sent again")
        self._require_versions()
        again, self._under_way = self._under_way, {}
        self._running.clear()
        for job, item, _ in again.values():
            self.submit(job, item)

    def _threads(self) -> int:
        """Threads of all workers that have the resources."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        if not self._resources:
            return sum(worker["nthreads"] for worker in workers)
        return sum(
            int(min([worker["nthreads"], *((worker["resources"].get(n, 0)) // q for n, q in self._resources.items())]))
            for worker in workers
        )

    # ------------------------------------------------------------------ what the scheduler tells (in its client's thread)

    def _on_begun(self, event: tuple[float, Any]) -> None:
        message = event[1]
        if isinstance(message, Mapping) and message.get("key") in self._under_way:
            self._running[message["key"]] = message["worker"]

    def _on_cluster(self, event: tuple[float, Any]) -> None:
        message = event[1]
        action = message.get("action") if isinstance(message, Mapping) else None
        if action in ("add-worker", "remove-worker"):
            self._stale.set()
        if action != "remove-worker" or message.get("expected"):
            return
        units = {key: entry[1] for key, entry in self._under_way.copy().items()}
        lost = [key for key in message["processing-tasks"] if key in units]
        # One that was there alone had begun, even if its word of that was lost with the worker.
        ran = [key for key in lost if self._running.pop(key, None) == message["worker"]] or lost[: len(lost) == 1]
        self._blame.died([_name(units[key]) for key in ran])
        for key in ran:
            if self._blame.is_guilty(_name(units[key])):
                self._finished.put(key)
        names = ", ".join(units[key].unit.name for key in lost[:3])
        self._said.put(f"lost the worker {message['worker']}" + (f" with {names}" if names else ""))


def _name(item: Item) -> str:
    """What is one and the same piece of work, under whichever key it is sent."""
    return f"{item.unit.name} {item.part.groups if item.part is not None else ''}"
