"""The resident engine as a process: detach, lock, listen, serve, stop when idle.

`python -m nbcopilot.serve.daemon` is started by `client`; `nbcopilot serve` runs `serve` in the foreground. The
first line on stdout is one JSON object that says how the start went: ready, taken (another one won) or failed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import json
import logging
import logging.handlers
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbcopilot import __version__
from nbcopilot import config as settings
from nbcopilot.config import Config
from nbcopilot.errors import EngineUnavailableError, NbcopilotError, UsageError
from nbcopilot.serve import runtime

log = logging.getLogger("nbcopilot.serve")
LOG_BYTES, LOG_FILES = 1_000_000, 3
# What asks for the lock while looking whether an engine has gone holds it for a moment.
LOCK_SECONDS = 1.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Listening:
    """Where a server process listens: always privately, and at `host`:`port` when asked to."""

    host: str = ""
    port: int = 0
    key: str = ""

    def check(self) -> None:
        """Raises UsageError when others could come in without a key."""
        if self.host and self.host not in LOOPBACK and not self.key:
            raise UsageError(
                f"without a key the engine listens on this machine only, not on {self.host}", hint="add --key SECRET"
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a detached process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", default="{}")
    args = parser.parse_args(argv)
    place = runtime.folder()
    _detach()
    lock = runtime.acquire(place, wait_seconds=LOCK_SECONDS)
    if lock is None:
        _report({"state": "taken"})
        return 0
    try:
        _log_to(place)
        config = settings.with_changes(settings.load(folder=place), **json.loads(args.settings))
        serve(place, config, Listening(), announce=_report, idle_seconds=config.idle_minutes * 60)
    except NbcopilotError as exc:
        _report({"state": "failed", "code": exc.code, "message": exc.message, "hint": exc.hint})
        log.error("not started: %s", exc)
        return exc.exit_code
    finally:
        lock.release()
    return 0


def serve(
    place: Path,
    config: Config,
    listening: Listening,
    *,
    announce: Any,
    idle_seconds: float | None = None,
) -> None:
    """Serve until asked to stop, or idle for `idle_seconds`. The caller holds the lock of `place`.

    announce: called once with {"state": "ready", ...} when clients can connect.
    """
    import uvicorn

    from nbcopilot.serve.app import build
    from nbcopilot.serve.loader import pool
    from nbcopilot.serve.state import State

    listening.check()
    runtime.sweep(place)
    key = listening.key
    private, url = _private_socket(place)
    if private.family == socket.AF_INET:
        key = key or secrets.token_urlsafe(32)
        runtime.write_token(place, key)
    sockets = [private] + ([_public_socket(listening)] if listening.host else [])
    path = private.getsockname() if private.family != socket.AF_INET else ""
    record = runtime.Record(os.getpid(), __version__, sys.prefix, url, path, time.time())
    state = State(pool(config), max_tokens=config.max_tokens, key=key, open_to_all=not path)
    server = uvicorn.Server(
        uvicorn.Config(build(state), log_config=None, access_log=False, lifespan="off", timeout_keep_alive=30)
    )

    def stop(now: bool) -> None:
        server.should_exit = True
        server.force_exit = now

    state.stop = stop
    _ignore_signals()
    try:
        runtime.write(place, record)
        announce({"state": "ready", "pid": record.pid})
        log.info("ready: pid %d, version %s", record.pid, record.version)
        asyncio.run(_run(server, sockets, state, idle_seconds))
    finally:
        runtime.forget(place, record)
        state.pool.close()
        state.executor.shutdown(wait=False, cancel_futures=True)
        log.info("stopped after %d answers, %d tokens", state.counts["answers"], state.counts["tokens"])


async def _run(server: Any, sockets: list[socket.socket], state: Any, idle_seconds: float | None) -> None:
    watcher = asyncio.create_task(_stop_when_idle(server, state, idle_seconds)) if idle_seconds else None
    try:
        await server.serve(sockets=sockets)
    finally:
        if watcher is not None:
            watcher.cancel()


async def _stop_when_idle(server: Any, state: Any, idle_seconds: float) -> None:
    while not server.should_exit:
        left = idle_seconds - (0.0 if state.busy else time.monotonic() - state.touched)
        if left <= 0:
            log.info("idle for %g s: stopping", idle_seconds)
            server.should_exit = True
            return
        await asyncio.sleep(min(max(left, 0.01), 5.0))


# --------------------------------------------------------------------------- sockets


def _private_socket(place: Path) -> tuple[socket.socket, str]:
    """The listening socket that only the user can reach, and the URL that clients use for it."""
    path = runtime.socket_path(place)
    if path is None:
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.bind(("127.0.0.1", 0))
        server.listen(128)
        return server, f"http://127.0.0.1:{server.getsockname()[1]}"
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        server.bind(str(path))
    finally:
        os.umask(before)
    server.listen(128)
    return server, "http://localhost"


def _public_socket(listening: Listening) -> socket.socket:
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((listening.host, listening.port))
    except OSError as exc:
        raise EngineUnavailableError(
            f"cannot listen on {listening.host}:{listening.port}: {exc.strerror}", hint="choose another --port"
        ) from exc
    server.listen(128)
    return server


# --------------------------------------------------------------------------- the process


def _detach() -> None:
    """Leave the process that started us: no zombie is left when we end before it."""
    if hasattr(os, "fork") and os.fork():
        os._exit(0)
    # The engine is what the system should end first when memory runs out, not the user's kernel with its data.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _report(state: Mapping[str, Any]) -> None:
    """Tell the process that started us, once; from then on stdout is the log."""
    print(json.dumps(state), flush=True)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _log_to(place: Path) -> None:
    """Log into the runtime folder, with rotation; what a crash prints goes to engine.err."""
    error = os.open(place / "engine.err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(error, 2)
    os.close(error)
    faulthandler.enable()
    handler = logging.handlers.RotatingFileHandler(
        place / "engine.log", maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _ignore_signals() -> None:
    """uvicorn ends gracefully on SIGTERM and SIGINT, then raises the signal again: by then it must do nothing."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(ValueError):  # not in the main thread: a test
            signal.signal(number, lambda *_: None)


if __name__ == "__main__":
    sys.exit(main())
