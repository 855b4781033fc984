"""Listen and serve until asked to stop: the sockets, the HTTP server and the idle watch of one process.

Detaching, the lock and the log are the caller's (`daemon`, or `nbcopilot serve` in the foreground).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from nbcopilot._version import __version__
from nbcopilot.config import Config
from nbcopilot.errors import EngineUnavailableError, UsageError
from nbcopilot.serve import runtime
from nbcopilot.serve.accounts import Accounts
from nbcopilot.serve.app import build
from nbcopilot.serve.callers import Authenticator, SharedKey, UserKeys
from nbcopilot.serve.connections import Protocol, QuietAccept
from nbcopilot.serve.keys import KeyStore
from nbcopilot.serve.ledger import Ledger
from nbcopilot.serve.loader import pool
from nbcopilot.serve.state import State
from nbcopilot.urls import is_loopback

log = logging.getLogger("nbcopilot.serve")
WATCH_SECONDS = 5.0
Announce = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Public:
    """Where a server listens besides its private socket, and who comes in there. Without a key: this machine only.

    `key` is one for everybody, `keys` are those of users, `others` know callers in another way (a JupyterHub).
    `prefix`: the path before our pages, where a proxy leaves it there.
    """

    host: str
    port: int
    key: str = ""
    origins: tuple[str, ...] = ()
    keys: KeyStore | None = None
    others: tuple[Authenticator, ...] = ()
    prefix: str = ""

    def check(self) -> None:
        """Raises UsageError when others could come in without a key, ConfigError for keys that cannot be read."""
        has_keys = self.keys is not None and self.keys.any()
        if not (is_loopback(self.host) or self.key or has_keys or self.others):
            raise UsageError(
                f"without a key the engine listens on this machine only, not on {self.host}",
                hint="make one (nbcopilot keys add NAME), or add --key-file FILE",
            )

    def authenticators(self) -> tuple[Authenticator, ...]:
        """All that know callers."""
        shared = (SharedKey(self.key),) if self.key else ()
        return (*shared, *((UserKeys(self.keys),) if self.keys else ()), *self.others)


def serve(
    place: Path, config: Config, announce: Announce, *, public: Public | None = None, idle_seconds: float = 0.0
) -> None:
    """Serve in this process until asked to stop, or idle for `idle_seconds` (0: never). The caller holds the lock.

    announce: called once with {"state": "ready", ...} when clients can connect; with `public` the model is loaded
    before that, and "port" is where it listens. Raises UsageError, EngineUnavailableError, and what loading raises.
    """
    if public is not None:
        public.check()
    runtime.sweep(place)
    private = _private_socket(place)
    is_socket = private.family != socket.AF_INET
    state = State(pool(config), max_tokens=config.max_tokens, open_to_all=not is_socket)
    if public is not None:
        open_to(state, public)
    url = "http://localhost"
    if not is_socket:
        url = f"http://127.0.0.1:{private.getsockname()[1]}"
        token = public.key if public and public.key else secrets.token_urlsafe(32)
        state.authenticators = (SharedKey(token), *state.authenticators)
        runtime.write_token(place, token)
    path = private.getsockname() if is_socket else ""
    record = runtime.Record(os.getpid(), __version__, sys.prefix, url, path, time.time(), public is not None)
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(private)
            sockets, ready = [private], {"state": "ready", "pid": record.pid}
            if public is not None:
                sockets.append(stack.enter_context(_public_socket(public)))
                ready["port"] = sockets[-1].getsockname()[1]
                with state.pool.use(config.model):
                    pass
            asked_to_end = _watch_signals()
            runtime.write(place, record)
            announce(ready)
            log.info("ready: pid %d, version %s", record.pid, record.version)
            app = build(state, prefix=public.prefix if public is not None else "")
            can_be_found = partial(runtime.is_there, place, record)
            asyncio.run(_run(app, state, sockets, asked_to_end, idle_seconds, can_be_found))
    finally:
        runtime.forget(place, record)
        state.pool.close()
        state.executor.shutdown(wait=False, cancel_futures=True)
        log.info("stopped after %d answers, %d tokens", state.counts["answers"], state.counts["tokens"])


def open_to(state: State, public: Public) -> None:
    """Let others in: who they are, what they may use, and what is gathered of it."""
    from nbcopilot.serve.metrics import Metrics

    state.authenticators = public.authenticators()
    state.origins = frozenset(public.origins)
    state.metrics = Metrics(state.queue)
    state.accounts = Accounts(Ledger(public.keys.path) if public.keys else None, state.metrics)


async def _run(
    app: ASGIApp,
    state: State,
    sockets: list[socket.socket],
    asked_to_end: list[int],
    idle_seconds: float,
    can_be_found: Callable[[], bool],
) -> None:
    server = uvicorn.Server(
        uvicorn.Config(app, http=Protocol, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=30)
    )

    def stop(now: bool) -> None:
        server.should_exit = True
        server.force_exit = server.force_exit or now

    state.stop = stop
    if asked_to_end:
        return
    asyncio.get_running_loop().set_exception_handler(QuietAccept())
    watcher = asyncio.create_task(_stop_when_not_needed(state, asked_to_end, idle_seconds, can_be_found))
    try:
        await server.serve(sockets=sockets)
    finally:
        watcher.cancel()
        await state.accounts.settle()


async def _stop_when_not_needed(
    state: State, asked_to_end: list[int], idle_seconds: float, can_be_found: Callable[[], bool]
) -> None:
    """Stop after `idle_seconds` without a request, or when the note by which clients find us has gone.

    A signal that came just before uvicorn listened to them is acted on here: this runs first when it does.
    """
    if asked_to_end:
        return state.stop(False)
    while True:
        idle = 0.0 if state.busy else time.monotonic() - state.touched
        left = idle_seconds - idle if idle_seconds else WATCH_SECONDS
        if left <= 0 or not can_be_found():
            log.info(
                "stopping: %s", f"idle for {idle_seconds:g} s" if left <= 0 else "nobody can find this engine any more"
            )
            state.stop(False)
            return
        await asyncio.sleep(min(max(left, 0.01), WATCH_SECONDS))


def _watch_signals() -> list[int]:
    """The signals that asked us to end before uvicorn listens to them, and after it has: it raises them again."""
    seen: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(ValueError):  # not in the main thread
            signal.signal(number, lambda number, _: seen.append(number))
    return seen


def _private_socket(place: Path) -> socket.socket:
    """The listening socket that only the user can reach; on the loopback where there is no Unix-domain socket."""
    path = runtime.socket_path(place)
    if path is None:
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.bind(("127.0.0.1", 0))
    else:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            server.bind(str(path))
        finally:
            os.umask(before)
    server.listen(128)
    return server


def _public_socket(public: Public) -> socket.socket:
    server = socket.socket(socket.AF_INET6 if ":" in public.host else socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((public.host, public.port))
    except OSError as exc:
        server.close()
        raise EngineUnavailableError(
            f"cannot listen on {public.host}:{public.port}: {exc.strerror or exc}", hint="choose another --port"
        ) from exc
    server.listen(128)
    return server
