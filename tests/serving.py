"""A server in a thread of the test, over any engine; the resident processes of a runtime folder."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvicorn

from nbcopilot.engine.protocol import Engine
from nbcopilot.engine.remote import RemoteEngine
from nbcopilot.serve import runtime
from nbcopilot.serve.app import build
from nbcopilot.serve.callers import SharedKey
from nbcopilot.serve.connections import Protocol
from nbcopilot.serve.pool import Pool
from nbcopilot.serve.server import Public, open_to
from nbcopilot.serve.state import State


@dataclass
class Served:
    """A running server: its address, what it knows, and an engine that speaks to it."""

    url: str
    state: State

    def engine(self, **changes: str) -> RemoteEngine:
        return RemoteEngine(self.url, **changes)  # type: ignore[arg-type]


@contextlib.contextmanager
def served(
    load: Callable[[str], Engine],
    *,
    key: str = "",
    open_to_all: bool = False,
    origins: frozenset[str] = frozenset(),
    public: Public | None = None,
) -> Iterator[Served]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    state = State(Pool(load, default="fake"), open_to_all=open_to_all, origins=origins)
    state.authenticators = (SharedKey(key),) if key else ()
    if public is not None:
        open_to(state, public)
    app = build(state, prefix=public.prefix if public else "")
    server = uvicorn.Server(uvicorn.Config(app, http=Protocol, log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    with state.pool.use("fake"):
        pass
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{listening.getsockname()[1]}", state)
    finally:
        server.should_exit = True
        state.pool.close()
        thread.join(10)
        listening.close()
        state.executor.shutdown(wait=False)


def eventually(holds: Callable[[], object], seconds: float = 60) -> bool:
    """Whether `holds` comes true; no longer than it takes."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(holds())


def daemons(folder: Path) -> list[psutil.Process]:
    """The resident processes that were started for `folder`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if "nbcopilot.serve.daemon" in process.cmdline() and process.cwd() == str(folder):
                found.append(process)
    return found


def pid_of(folder: Path) -> int:
    record = runtime.read(folder)
    assert record is not None
    return record.pid
