"""Step 6, the run: code in a child process that cannot harm, and a report of what happened.

Levels, best first. The verdict carries the level; `policy.run_at` says which is good enough.

    bubblewrap  own namespaces (no network, no other processes, an empty file system but for the read-only system,
                interpreter and notebook folder), seccomp, rlimits
    landlock    Linux without bubblewrap: Landlock for files, seccomp for network and signals, rlimits
    rlimits     elsewhere (macOS): rlimits and an audit hook in the interpreter

Not covered at any level: faults of the kernel, side channels (timing, load), code that forges its own report, and
reading what it is shown, which is the notebook's folder without hidden files. Not covered by `landlock`: seeing the
names and sizes of files (stat) and the list of processes. Not covered by `rlimits`: native code, tampering with the
interpreter, reading ordinary files, several processes together exceeding the memory limit; use it for code by a
model that errs, not for code by an enemy. Windows has no level: runs are "not-run" there.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbcopilot.errors import SandboxUnavailableError
from nbcopilot.validate import bubblewrap
from nbcopilot.validate.inside import landlock
from nbcopilot.validate.policy import LEVELS
from nbcopilot.validate.report import FileWrite, Job, Limits, RunError, RunReport, read_report
from nbcopilot.validate.surroundings import Surroundings, home, look

START_SECONDS = 20.0
IDLE_SECONDS = 600.0
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from nbcopilot.validate.inside import keeper; sys.path.pop(0); keeper.main()"


class Sandbox:
    """Runs jobs at one level for notebooks of one folder. The child process stays for the next job; `close` ends it.

    level: None takes the best that works here. Thread-safe; one job at a time. A forked copy of this process starts
    its own child. Raises SandboxUnavailableError when the level asked for cannot be had.
    """

    def __init__(self, *, level: str | None = None, data_dir: Path | None = None, disk_mb: int = 256) -> None:
        if level is not None and level not in LEVELS:
            raise SandboxUnavailableError(
                f"there is no sandbox level {level!r}", hint="it is one of " + ", ".join(LEVELS)
            )
        self._wanted = level
        self._data_dir = data_dir
        self._disk_mb = disk_mb
        self._lock = threading.RLock()
        self._child: _Child | None = None

    @property
    def level(self) -> str:
        """The level that runs get; starts the child when it is not there."""
        with self._lock:
            return self._ensure().level

    def warm(self, modules: Sequence[str] = ()) -> None:
        """Start the child and load `modules` in it, so that the first job finds them there."""
        with self._lock:
            self._ensure().ask({"kind": "warm", "preload": list(modules)}, (), START_SECONDS + 60)

    def run(self, job: Job) -> tuple[RunReport, ...]:
        """A report for each of the job's cells, in order. Raises SandboxUnavailableError when nothing can run at all."""
        limits = job.limits.as_job(len(job.codes), sum(map(len, job.examples)))
        request = {
            "kind": "run",
            "codes": list(job.codes),
            "setup": list(job.setup),
            "modules": dict(job.modules),
            "reserved": sorted(job.reserved),
            "examples": [[dict(e) for e in some] for some in job.examples],
            "limits": limits,
            "preload": list(job.preload),
            "names": list(job.namespace),
        }
        reply, level = self._ask(request, list(job.namespace.values()), limits["total_seconds"])
        return _reports(reply, level, len(job.codes), job.limits)

    def call(
        self, function: str, payload: Mapping[str, Any], limits: Limits, seconds: float, preload: Sequence[str] = ()
    ) -> Any:
        """What a function of `inside` returns for `payload` (JSON both), or None when it ended without an answer."""
        request = {
            "kind": "call",
            "function": function,
            "payload": payload,
            "limits": {**limits.as_job(0, 0), "total_seconds": seconds},
            "preload": list(preload),
            "names": [],
        }
        reply, _ = self._ask(request, (), seconds)
        answer = reply.get("answer")
        return answer.get("value") if isinstance(answer, dict) else None

    def close(self) -> None:
        """End the child and all that runs in it."""
        with self._lock:
            if self._child is not None:
                self._child.kill()
            self._child = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: dict[str, Any], blobs: Sequence[bytes], seconds: float) -> tuple[dict[str, Any], str]:
        with self._lock:
            fresh = self._child is None
            child = self._ensure()
            started = time.monotonic()
            try:
                # 15 s: what the child may take beyond the job's own limits to load modules and to clean up.
                reply = child.ask(request, blobs, seconds + 15)
            except BaseException:
                self.close()  # an interrupt too: a job must not run on unseen
                raise
            if reply is None or reply.get("last"):
                self.close()
            if reply is None and not fresh and time.monotonic() - started < 0.5:
                return self._ask(request, blobs, seconds)  # it had ended by itself, idle for too long
            return reply or {"died": "ended"}, child.level

    def _ensure(self) -> _Child:
        if self._child is not None and self._child.is_alive():
            return self._child
        problems = []
        for level in [self._wanted] if self._wanted else reversed(LEVELS):
            try:
                self._child = _Child(level, look(self._data_dir), self._disk_mb)
                return self._child
            except SandboxUnavailableError as exc:
                problems.append(exc.message)
        raise SandboxUnavailableError(
            "; ".join(problems), hint="install bubblewrap (apt install bubblewrap), or use --no-check"
        )


class _Child:
    """One keeper process and the pipes to it."""

    def __init__(self, level: str, place: Surroundings, disk_mb: int) -> None:
        self.level = level
        self.owner = os.getpid()
        self._inner = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if not hasattr(os, "fork"):
            raise SandboxUnavailableError(f"{sys.platform} has no sandbox")
        if level == "bubblewrap" and not bubblewrap.program():
            raise SandboxUnavailableError("bubblewrap is not installed")
        if level == "landlock" and not landlock.version():
            raise SandboxUnavailableError("this kernel has no Landlock")
        settings = self._settings(place)
        inside = [sys.executable, "-I", "-B", "-c", _BOOT, place.package, json.dumps(settings)]
        self._start(self._outside(place, disk_mb) + inside, str(settings["scratch"]), str(settings["home_inside"]))

    def _settings(self, place: Surroundings) -> dict[str, Any]:
        if self.level == "bubblewrap":
            scratch, extra, new_home = bubblewrap.SCRATCH, ["/tmp", bubblewrap.HOME], bubblewrap.HOME
        else:
            self._folder = tempfile.TemporaryDirectory(prefix="nbcopilot-", ignore_cleanup_errors=True)
            scratch = os.path.join(os.path.realpath(self._folder.name), "scratch")
            os.mkdir(scratch, 0o700)
            extra, new_home = [], scratch
        listed = [*place.local, *([place.data] if place.data else [])]
        return {
            "level": self.level,
            "scratch": scratch,
            "write": extra,
            "wipe": [],
            "data": place.data,
            "read": [*place.python, os.path.join(place.package, "nbcopilot"), *place.open_entries()],
            "list": listed,
            "home": home(),
            "trusted": [*place.python, place.package],
            "local": list(place.local),
            "search": list(place.search),
            "idle_seconds": IDLE_SECONDS,
            "home_inside": new_home,
        }

    def _outside(self, place: Surroundings, disk_mb: int) -> list[str]:
        if self.level != "bubblewrap":
            return []
        reader, self._info = os.pipe()
        self._info_reader = reader
        return [*bubblewrap.command(place, disk_mb), "--info-fd", str(self._info), "--"]

    def _start(self, command: list[str], scratch: str, new_home: str) -> None:
        inherited = (self._info,) if self.level == "bubblewrap" else ()
        try:
            with tempfile.TemporaryFile() as complaints:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=complaints,
                    env=_environment(new_home),
                    cwd=scratch if self.level != "bubblewrap" else "/",
                    pass_fds=inherited,
                    start_new_session=True,
                )
                for fd in inherited:
                    os.close(fd)
                ready = self._receive(time.monotonic() + START_SECONDS)
                if ready is None or "ready" not in ready:
                    self.kill()
                    complaints.seek(0)
                    lines = complaints.read().decode("utf-8", "replace").strip().splitlines()
                    raise SandboxUnavailableError(f"{self.level} did not start: {lines[-1] if lines else 'no answer'}")
        except OSError as exc:
            raise SandboxUnavailableError(f"{self.level} did not start: {exc}") from exc
        if self.level == "bubblewrap":
            with suppress(OSError, ValueError), os.fdopen(self._info_reader) as info:
                self._inner = int(json.loads(info.read()).get("child-pid", 0))
        _children.add(self)

    def is_alive(self) -> bool:
        return self.owner == os.getpid() and self._process.poll() is None

    def ask(self, request: Mapping[str, Any], blobs: Sequence[bytes], seconds: float) -> dict[str, Any] | None:
        """The child's reply; None when it ended or did not answer in time."""
        deadline = time.monotonic() + seconds
        head = json.dumps(request).encode("utf-8", "surrogatepass")
        assert self._process.stdin is not None
        try:
            self._send(struct.pack(">II", len(head), len(blobs)) + head, deadline)
            for blob in blobs:
                self._send(struct.pack(">Q", len(blob)), deadline)
                self._send(blob, deadline)
        except (OSError, TimeoutError):
            return None
        return self._receive(deadline)

    def _send(self, data: bytes, deadline: float) -> None:
        assert self._process.stdin is not None
        fd = self._process.stdin.fileno()
        view = memoryview(data)
        while view:
            _, ready, _ = select.select([], [fd], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            view = view[os.write(fd, view[: 1 << 16]) :]

    def _receive(self, deadline: float) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        data = bytearray()
        size = None
        while size is None or len(data) < size + 4:
            ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
            part = os.read(fd, 1 << 20) if ready else b""
            if not part:
                return None
            data += part
            if size is None and len(data) >= 4:
                (size,) = struct.unpack(">I", data[:4])
                if size > 64 << 20:
                    return None
        try:
            reply = json.loads(data[4:])
        except ValueError:
            return None
        return reply if isinstance(reply, dict) else None

    def kill(self) -> None:
        """End the child, what it started, and its scratch folder; harmless in a forked copy of the owner."""
        _children.discard(self)
        if self.owner != os.getpid():
            return
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)  # it ends by itself when its input closes, and takes its jobs with it
        with suppress(ProcessLookupError, PermissionError):
            if self._inner and self._process.poll() is None:
                os.kill(self._inner, signal.SIGKILL)  # process 1 of the namespace: all in it end
        if self._process.poll() is None:
            self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        if self._folder is not None:
            self._folder.cleanup()


def _environment(new_home: str) -> dict[str, str]:
    """A cleared environment: one thread for numeric libraries (forks stay safe), headless plots, an empty home."""
    one = (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    )
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "TZ") if name in os.environ}
    return {
        **kept,
        **dict.fromkeys(one, "1"),
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": new_home,
        "TMPDIR": "/tmp" if new_home == bubblewrap.HOME else new_home,
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "PYTHONHASHSEED": "0",
        "PYTHONIOENCODING": "utf-8",
        "TOKENIZERS_PARALLELISM": "false",
        "KMP_DUPLICATE_LIB_OK": "TRUE",
    }


def _reports(reply: Mapping[str, Any], level: str, count: int, limits: Limits) -> tuple[RunReport, ...]:
    answer = reply.get("answer")
    if not isinstance(answer, dict):
        return (_ended(reply, level, limits),) * count
    setup = answer.get("setup")
    setup = setup if isinstance(setup, dict) else {}
    files = tuple(
        FileWrite(str(f.get("path")), int(f.get("bytes", 0)), f.get("new") is True)
        for f in reply.get("files", ())
        if isinstance(f, dict)
    )
    shared = {
        "level": level,
        "files": files if count == 1 else (),
        "setup_seconds": float(setup.get("seconds") or 0.0),
        "skipped": tuple(str(name) for name in setup.get("skipped") or ()),
    }
    if setup.get("error"):
        failed = read_report({"error": setup["error"], "needs": setup.get("needs")}, {**shared, "ran": False})
        return (replace(failed, error=None, setup_error=failed.error),) * count
    runs = [run for run in answer.get("runs") or () if isinstance(run, dict)]
    reports = [read_report(run, shared) for run in runs[:count]]
    return (*reports, *(_ended(reply, level, limits) for _ in range(count - len(reports))))


def _ended(reply: Mapping[str, Any], level: str, limits: Limits) -> RunReport:
    """The report of a job whose process ended, or was ended, without one."""
    why = str(reply.get("died", "ended"))
    number = reply.get("signal")
    if number and not isinstance(number, bool) and isinstance(number, int):
        with suppress(ValueError):
            why = f"killed by {signal.Signals(number).name}"
    message = {
        "time": f"did not finish in {limits.seconds:g} s",
        "processes": f"started more than {limits.processes} processes",
        "memory": f"used more than {limits.memory_mb} MB of memory",
        "disk": f"wrote more than {limits.disk_mb} MB",
        "ended": f"the process ended by itself (exit code {reply.get('status', 0)})",
    }.get(why, f"the process was {why}")
    late = why == "time" or "SIGXCPU" in why
    return RunReport(
        ok=False,
        level=level,
        error=RunError("TimeLimit" if late else "ProcessEnded", message),
        timed_out=late,
        memory_exceeded=why == "memory",
    )


# --------------------------------------------------------------------------- one for everybody

_children: set[_Child] = set()
_shared: dict[tuple[str | None, Path | None], Sandbox] = {}


def shared(*, level: str | None = None, data_dir: Path | None = None) -> Sandbox:
    """The Sandbox of this process for a level and a folder; kept warm, at most three of them."""
    key = (level, data_dir.resolve() if data_dir else None)
    if key not in _shared:
        while len(_shared) >= 3:
            _shared.pop(next(iter(_shared))).close()
        _shared[key] = Sandbox(level=level, data_dir=key[1])
    return _shared[key]


def describe_level() -> dict[str, str]:
    """{"level", "detail", "hint"} of the best sandbox that works here, tried for real; level "none" when none does."""
    detail = {
        "bubblewrap": "own namespaces, no network, read-only system, seccomp, limits",
        "landlock": f"Landlock {landlock.version()} for files, seccomp for network and signals, limits",
        "rlimits": "limits and an audit hook only: not for hostile code",
    }
    try:
        level = shared().level
    except SandboxUnavailableError as exc:
        return {"level": "none", "detail": exc.message, "hint": exc.hint}
    hint = "" if level == "bubblewrap" or sys.platform != "linux" else "apt install bubblewrap gives a stronger one"
    return {"level": level, "detail": detail[level], "hint": hint}


def close_all() -> None:
    """End every child that this process started."""
    for sandbox in list(_shared.values()):
        sandbox.close()
    _shared.clear()
    for child in list(_children):
        child.kill()


atexit.register(close_all)
