"""Worker processes of this machine as a Dask cluster of its own: started, kept quiet, deaf to Ctrl-C. cluster.py uses them."""

from __future__ import annotations

import contextlib
import logging
import signal
from typing import Any

import dask
import distributed
import psutil
from dask.utils import parse_bytes

from nbcopilot.errors import EngineUnavailableError, UsageError

# A worker takes some 120 MB before it does anything.
LEAST_MEMORY = 1 << 28
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
    for name in ("distributed", "distributed.client"):  # the two to which Dask gives handlers
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [logging.NullHandler()], False


def start(jobs: int, memory: str, strikes: int) -> Any:
    """A cluster of `jobs` processes of one thread each; together they take nine tenths of the memory."""
    # The scheduler itself sets a unit aside after as many lost workers (it counts those beyond the first).
    dask.config.set({"distributed.scheduler.allowed-failures": strikes - 1})
    dask.config.set({"distributed.comm.timeouts.connect": "30s"})
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
