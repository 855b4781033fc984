"""Worker processes of this machine as a Dask cluster of its own: started, kept quiet, deaf to Ctrl-C. cluster.py uses them."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import warnings
from typing import Any

import dask
import distributed
import psutil
from dask.utils import parse_bytes

from nbcopilot.errors import EngineUnavailableError, UsageError

# A worker takes some 120 MB before it does anything.
LEAST_MEMORY = 1 << 28
# What is for dashboards and for finding faults in Dask itself: 32 idle workers took 0.8 of a core with it.
QUIET = {
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "60s",  # the client has one for each worker
    "distributed.admin.system-monitor.disk": False,
    "distributed.worker.memory.monitor-interval": "200ms",
    "distributed.worker.profile.enabled": False,
    "distributed.worker.http.routes": [],
}
_dask: Any = distributed  # its annotations are too few to be checked against


class IgnoreInterrupt(distributed.WorkerPlugin):
    """Ctrl-C in a terminal reaches all its processes; only the client is to act on it."""

    name = "nbcopilot-ignore-interrupt"

    def setup(self, worker: Any) -> None:
        """Called in the main thread of the worker's process."""
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def quiet() -> None:
    """What Dask logs of lost workers and closed lines is said by us, in one sentence each."""
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
    # Dask keeps its last messages for debugging: a thousand of them, with the notebooks that are in them.
    dask.config.set({"distributed.admin.low-level-log-length": 10})
    warnings.filterwarnings("ignore", message="Creating scratch directories")
    for name in ("distributed", "distributed.client"):  # the two to which Dask gives handlers
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [logging.NullHandler()], False


def _share_imports() -> None:
    """Let workers be forked from a process that has imported what they need (1.2 s of CPU), so that they, and those that
    take the place of lost ones, are there at once. On Linux only: forking is not safe on macOS, and Windows has none."""
    if sys.platform != "linux":
        return
    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    # Dask's own list would be imported here too, with pandas.
    _dask.utils._forkserver_preload_set = True
    multiprocessing.get_context("forkserver").set_forkserver_preload(["nbcopilot.batch.forked"])


def start(jobs: int, memory: str, failures: int) -> Any:
    """A cluster of `jobs` processes of one thread each; together they take nine tenths of the memory.

    failures: lost workers after which the scheduler gives back a unit that was theirs.
    """
    _share_imports()
    dask.config.set({"distributed.scheduler.allowed-failures": failures - 1})
    dask.config.set({"distributed.comm.timeouts.connect": "30s"})
    dask.config.set(QUIET)
    try:
        limit = parse_bytes(memory) if memory else int(psutil.virtual_memory().total * 0.9 / jobs)
    except ValueError:
        raise UsageError(f"--worker-memory {memory} cannot be read", hint="such as 2GB") from None
    try:
        return _dask.LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            processes=True,
            memory_limit=max(limit, LEAST_MEMORY),
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            host="127.0.0.1",
            env=dict(os.environ),  # the process that they are forked from may be older than what stands there now
            # Who can speak to a scheduler can run code: other users of this machine must not.
            security=_dask.Security.temporary(),
        )
    except ImportError as exc:
        raise UsageError(f"--jobs needs {exc.name or exc}", hint="pip install 'nbcopilot[batch]'") from exc
    except (OSError, RuntimeError, TimeoutError) as exc:
        raise EngineUnavailableError(
            f"{jobs} worker processes could not be started ({exc or type(exc).__name__})",
            hint="ask for fewer: --jobs 2",
        ) from exc
