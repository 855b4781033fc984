"""Step 6, the run: code in a child process that cannot harm, and a report of what happened.

Levels, best first. The verdict carries the level; `policy.run_at` says which is good enough.

    bubblewrap  own namespaces (no network, no other processes, an empty file system but for the read-only system,
                interpreter and notebook folder), seccomp, rlimits
    landlock    Linux without bubblewrap: Landlock for files, seccomp for network and signals, rlimits
    rlimits     elsewhere (macOS): rlimits and an audit hook in the interpreter

Examples are judged in a process that the code never ran in (`worker/apart.py`); what else the report says of a run,
and that a cell of the notebook ran once more to its end, is the word of the process that ran it.

Not covered at any level: faults of the kernel, side channels (timing, load), and
reading what it is shown, which are the files of the notebook's folder that are on the list of visible ones
(`worker/visible.py`: no hidden files, keys or tokens, no links that lead out). Not covered by `landlock`: seeing the
names and sizes of files (stat) and the list of processes. Not covered by `rlimits`: native code, tampering with the
interpreter, reading ordinary files, several processes together exceeding the memory limit; use it for code by a
model that errs, not for code by an enemy. Windows has no level: runs are "not-run" there.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nbcopilot.errors import SandboxUnavailableError
from nbcopilot.execution import Job, Limits, RunReport
from nbcopilot.policy import LEVELS
from nbcopilot.sandbox import child as processes
from nbcopilot.sandbox.child import START_SECONDS, Child
from nbcopilot.sandbox.mounts import look
from nbcopilot.sandbox.worker import landlock
from nbcopilot.sandbox.worker_results import reports


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
        self._child: Child | None = None

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
            "previews": job.previews,
            "names": list(job.namespace),
        }
        reply, level = self._ask(request, list(job.namespace.values()), limits["total_seconds"])
        return reports(reply, level, len(job.codes), job.limits)

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
        asked = time.monotonic()
        with self._lock:
            _waits.seconds = waited() + time.monotonic() - asked
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

    def _ensure(self) -> Child:
        if self._child is not None and self._child.is_alive():
            if self._child.is_current():
                return self._child
            self._child.kill()
        problems = []
        for level in [self._wanted] if self._wanted else reversed(LEVELS):
            try:
                self._child = Child(level, look(self._data_dir), self._disk_mb)
                return self._child
            except SandboxUnavailableError as exc:
                problems.append(exc.message)
        raise SandboxUnavailableError(
            "; ".join(problems), hint="install bubblewrap (apt install bubblewrap), or use --no-check"
        )


# --------------------------------------------------------------------------- one for everybody

_shared: dict[tuple[str | None, Path | None], Sandbox] = {}
_shared_lock = threading.Lock()
_most = 3
_waits = threading.local()


def waited() -> float:
    """Seconds that this thread has waited so far for the jobs of others to end."""
    return float(getattr(_waits, "seconds", 0.0))


def keep(count: int) -> None:
    """Let `count` sandboxes of this process stay warm: as many as there are notebooks that are worked on at a time."""
    global _most
    _most = max(_most, count)


def shared(*, level: str | None = None, data_dir: Path | None = None) -> Sandbox:
    """The Sandbox of this process for a level and a folder; kept warm, at most three of them (see `keep`)."""
    key = (level, data_dir.resolve() if data_dir else None)
    with _shared_lock:
        if key not in _shared:
            while len(_shared) >= _most:
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
    for child in list(processes.alive):
        child.kill()


atexit.register(close_all)
