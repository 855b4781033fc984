"""The resident engine as its clients see it: found or started, asked, stopped. `connect(config)` is the way in.

Kernels, the server extension and the command line all come through here and share one process. Imports neither
torch nor the server.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
from packaging.version import InvalidVersion, Version

from nbcopilot import errors
from nbcopilot._version import __version__
from nbcopilot.config import Config
from nbcopilot.engine import wire
from nbcopilot.engine.remote import BROKEN, RemoteEngine, Server
from nbcopilot.errors import EngineUnavailableError, NbcopilotError
from nbcopilot.inference import ModelInfo, Usage
from nbcopilot.serve import runtime
from nbcopilot.serve.complete import Gap, Suggestion

START_SECONDS = 30.0
# A process that runs answers a look at once; one that is suspended or swaps is noticed after this.
LOOK_SECONDS = 5.0
# How long the requests that run in an engine of another version are waited for.
DRAIN_SECONDS = 600.0
# What the engine's process takes from who starts it; the rest are its own user's settings.
PASSED = ("device", "threads", "download_from", "cache_mb", "idle_minutes", "max_tokens")


def connect(config: Config) -> ResidentEngine:
    """The resident engine with `config.model` in memory; the process is started when it is not there.

    Raises what loading the model raises (ModelNotFoundError, OutOfMemoryError ...), and EngineUnavailableError
    when the process cannot be started or the runtime folder is not private.
    """
    engine = ResidentEngine(config, runtime.folder())
    engine.describe()
    return engine


class ResidentEngine(RemoteEngine):
    """The engine of this user's own process. A process that has gone is started again with the next request."""

    def __init__(self, config: Config, place: Path) -> None:
        self._config, self._place = config, place
        self._asked = model_name(config)
        record = ensure(place, config)
        super().__init__(record.url, model=self._asked, api_key=_token(place, record), socket=_socket(record))

    def suggest(self, gap: Gap) -> Iterator[Suggestion]:
        """Inline completion by the process, which remembers what it said. See `complete.Completer.suggest`."""
        body = {**asdict(gap), "model": self._asked, "stream": True}
        with contextlib.closing(self._open("/nbcopilot/complete", body)) as response:
            try:
                for event in wire.events(response.iter_lines()):
                    if "error" in event:
                        raise wire.error(0, json.dumps(event), where=self.where, model=self._asked)
                    if "text" in event:
                        yield Suggestion(**{**event, "usage": Usage(**event["usage"])})
            except BROKEN as exc:
                raise EngineUnavailableError(f"{self.where} went away ({type(exc).__name__})", hint="type on") from exc

    def warm(self, gap: Gap) -> None:
        """Let the process read what stands before the cursor."""
        self._json("POST", "/nbcopilot/complete", {**asdict(gap), "model": self._asked, "warm": True})

    def _ask_server(self) -> Server:
        """Load the model; its errors come back as they were raised there."""
        found = self._json("POST", "/nbcopilot/load", {"model": self._asked})
        return Server(wire.OURS, ModelInfo(**found["nbcopilot"]))

    def _name(self, server: Server) -> str:
        return self._asked  # "auto" stays with the model that it was first resolved to, precision included

    def _renew(self) -> bool:
        record = ensure(self._place, self._config)
        self._socket = _socket(record)
        self._aim(record.url, _token(self._place, record))
        return True


def model_name(config: Config) -> str:
    """The name under which `config` asks the process for its model; a path is made absolute."""
    model = _absolute(config.model)
    return model if config.precision == "auto" else f"{model}::{config.precision}"


def _absolute(model: str) -> str:
    path = Path(model).expanduser()
    return str(path.resolve()) if path.exists() else model


# --------------------------------------------------------------------------- found or started


def ensure(place: Path, config: Config) -> runtime.Record:
    """The process that answers, started when there is none. One of another version is replaced after its requests."""
    end = time.monotonic() + START_SECONDS
    while True:
        record = alive(place)
        if record is not None and not _answers(place, record):
            raise _stuck(record)
        if record is not None and is_outdated(record):
            _replace(place, record)
            record = None
        if record is None:
            _start(place, config)
            record = alive(place)
        if record is not None:
            return record
        if time.monotonic() > end:
            raise EngineUnavailableError(
                f"the resident engine did not start within {START_SECONDS:g} s", hint=f"see {place / 'engine.log'}"
            )
        time.sleep(0.05)  # another one won, and is not listening yet


def alive(place: Path) -> runtime.Record | None:
    """The process that takes connections now, or None."""
    record = runtime.read(place)
    return record if record is not None and _accepts(record) else None


def is_outdated(record: runtime.Record) -> bool:
    """Whether the process must make room: it is older, or its environment has another version by now.

    An engine of another, newer environment is left alone, so that two environments do not replace each other.
    """
    if record.version == __version__:
        return False
    try:
        return record.prefix == sys.prefix or Version(record.version) < Version(__version__)
    except InvalidVersion:
        return True


def stop(place: Path, *, now: bool = False, wait_seconds: float = 30.0) -> tuple[bool, int]:
    """Ask the process to stop; (whether it has, requests that ran). With `now` running requests are cancelled."""
    record = runtime.read(place)
    if record is None or not _accepts(record):
        return True, 0
    if not _answers(place, record):
        if not now:
            raise _stuck(record)
        return _killed(record) and _gone(place, wait_seconds), 0
    running = 0
    with contextlib.suppress(EngineUnavailableError), contextlib.closing(_plain(place, record)) as engine:
        running = int(engine.post("/nbcopilot/shutdown", {"now": now})["running"])
    return _gone(place, wait_seconds), running


def _answers(place: Path, record: runtime.Record) -> bool:
    """Whether the process that takes connections also answers: one that is suspended does not."""
    with contextlib.closing(_plain(place, record)) as engine:
        return not engine.is_stuck(LOOK_SECONDS)


def _stuck(record: runtime.Record) -> EngineUnavailableError:
    return EngineUnavailableError(
        f"the resident engine (process {record.pid}) takes connections and does not answer",
        hint="nbcopilot stop --now ends it",
    )


def _killed(record: runtime.Record) -> bool:
    """End the recorded process, after a look that it is an engine of ours; False when it is another program by now."""
    import psutil

    try:
        process = psutil.Process(record.pid)
        words = " ".join(process.cmdline())
        ours = "nbcopilot" in words and process.create_time() <= record.started + 60
        if not ours or (hasattr(os, "getuid") and process.uids().real != os.getuid()):
            return False
        process.kill()
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
    return True


def status(place: Path) -> dict[str, Any] | None:
    """What the process says of itself, or None when there is none. Raises EngineUnavailableError when it hangs."""
    record = alive(place)
    if record is None:
        return None
    if not _answers(place, record):
        raise _stuck(record)
    # A process that is just ending still takes connections.
    with contextlib.suppress(EngineUnavailableError), contextlib.closing(_plain(place, record)) as engine:
        return engine.get("/nbcopilot/status")
    return None


class _Plain(RemoteEngine):
    """Single requests to a process of any version."""

    def is_stuck(self, seconds: float) -> bool:
        """Whether it takes connections and says nothing within so long."""
        try:
            self._http.get("/health", timeout=seconds)
        except httpx.ReadTimeout:
            return True
        except httpx.HTTPError:
            return False
        return False

    def get(self, path: str) -> dict[str, Any]:
        return self._json("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._json("POST", path, body)


def _plain(place: Path, record: runtime.Record) -> _Plain:
    return _Plain(record.url, api_key=_token(place, record), socket=_socket(record))


def _accepts(record: runtime.Record) -> bool:
    import socket

    try:
        if record.socket:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(5.0)
                probe.connect(record.socket)
        else:
            host, _, port = record.url.removeprefix("http://").partition(":")
            socket.create_connection((host, int(port)), timeout=5.0).close()
    except (OSError, ValueError):
        return False
    return True


def _replace(place: Path, record: runtime.Record) -> None:
    stopped, running = stop(place, wait_seconds=DRAIN_SECONDS)
    if not stopped:
        raise EngineUnavailableError(
            f"the engine of version {record.version} still answers {running} requests", hint="nbcopilot stop --now"
        )


def _gone(place: Path, wait_seconds: float) -> bool:
    """Whether the running process has let go of the lock."""
    lock = runtime.acquire(place, wait_seconds=wait_seconds)
    if lock is None:
        return False
    lock.release()
    return True


def _start(place: Path, config: Config) -> None:
    """Start the process and wait until it listens, or another one has won. Raises what the start raised."""
    passed = {name: getattr(config, name) for name in PASSED}
    passed |= {"model": _absolute(config.model), "precision": "auto"}
    command = [sys.executable, "-m", "nbcopilot.serve.daemon", "--settings", json.dumps(passed)]
    environment = {**os.environ, "NBCOPILOT_RUNTIME_DIR": str(place), "OMP_WAIT_POLICY": "PASSIVE"}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=place,
            env=environment,
            start_new_session=True,
            creationflags=getattr(subprocess, "DETACHED_PROCESS", 0),
        )
    except OSError as exc:
        raise EngineUnavailableError(f"the resident engine cannot be started: {exc}") from exc
    assert process.stdout is not None and process.stderr is not None
    with process.stdout, process.stderr:
        line = process.stdout.readline()
        early = b"" if line else process.stderr.read()[-2000:]
    if hasattr(os, "fork"):
        process.wait()  # the process has detached itself: what ends here is only who started it
    state = json.loads(line) if line.strip() else {}
    if state.get("state") == "failed":
        raise _error(state)
    if not state:
        words = early.decode("utf-8", "replace").strip().rpartition("\n")[2] or runtime.last_words(place)
        raise EngineUnavailableError(f"the resident engine did not start: {words}", hint=f"see {place / 'engine.log'}")


def _error(state: dict[str, Any]) -> NbcopilotError:
    return wire.of_code(str(state["code"]), str(state["message"]), str(state["hint"])) or errors.InternalError(
        str(state)
    )


def _socket(record: runtime.Record) -> Path | None:
    return Path(record.socket) if record.socket else None


def _token(place: Path, record: runtime.Record) -> str:
    return "" if record.socket else runtime.read_token(place)
