"""A run in a fork of this very process, for the kernel that holds the variables: nothing is copied, nothing is replayed.

Only where it is asked for (`check_fork`) and safe: Linux with Landlock and seccomp, no GPU in use, no threads but the
kernel's own. The fork closes every file it inherited, puts the limits of the "landlock" level on itself and runs the
cell on its copy-on-write view of the namespace; this process only reads a pipe. Libraries that keep locks in native
threads can still make the fork hang: then it is killed and the run is "not run".
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbcopilot.execution import FileWrite, Job, RunError, RunReport
from nbcopilot.sandbox.mounts import home, look
from nbcopilot.sandbox.worker import forks, guard, job, landlock, supervisor
from nbcopilot.sandbox.worker import scratch as scratch_folder
from nbcopilot.sandbox.worker.execute import Session
from nbcopilot.sandbox.worker.output import Clock, Tape
from nbcopilot.sandbox.worker_results import read_report

LEVEL = "landlock"
# Whose code a thread may run beside the main one: that of the kernel, and ours that keeps a sandbox warm. They hold
# nothing that a cell needs. A thread's name says nothing: every `threading.Thread()` of a user is called Thread-N.
_KERNEL_PACKAGES = frozenset({"IPython", "ipykernel", "tqdm", "zmq"})
_OURS = "nbcopilot.sandbox."
_GPU_MODULES = ("cupy", "pycuda", "jax", "tensorflow", "numba.cuda.cudadrv.driver")


def obstacle() -> str:
    """Why a fork of this process would not be safe, or "" when it would."""
    if sys.platform != "linux" or not landlock.version():
        return "there is no Landlock here"
    for name in _GPU_MODULES:
        if name in sys.modules:
            return f"{name.split('.')[0]} is loaded, and its handles do not survive a fork"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "a GPU is in use"
    strangers = [thread.name for thread in threading.enumerate() if not _is_known(thread)]
    return f"the thread {strangers[0]} is running" if strangers else ""


def _is_known(thread: threading.Thread) -> bool:
    """Whether a thread is the main one, or runs code of the kernel or of ours: by its class, else by its function."""
    if thread is threading.main_thread():
        return True
    module = type(thread).__module__
    if module == "threading":
        target = getattr(thread, "_target", None)  # there as long as it runs
        owner = getattr(target, "__self__", None)
        module = type(owner).__module__ if owner is not None else getattr(target, "__module__", None) or ""
    return module.split(".")[0] in _KERNEL_PACKAGES or module.startswith(_OURS)


def run(work: Job, namespace: Mapping[str, Any], data_dir: Path | None) -> tuple[RunReport, ...]:
    """A report for each cell of `work`, run in forks of this process; `namespace` is the live one, and stays as it is."""
    examples = work.examples or ((),) * len(work.codes)
    return tuple(
        _run_one(work, code, list(some), namespace, data_dir) for code, some in zip(work.codes, examples, strict=True)
    )


def _run_one(
    work: Job, code: str, examples: list[Mapping[str, Any]], namespace: Mapping[str, Any], data_dir: Path | None
) -> RunReport:
    limits = work.limits.as_job(1, len(examples))
    with tempfile.TemporaryDirectory(prefix="nbcopilot-", ignore_cleanup_errors=True) as folder:
        scratch = os.path.realpath(folder)
        place = look(data_dir)
        before = scratch_folder.fill(scratch, place.data)
        settings = {
            "level": LEVEL, "scratch": scratch, "data": place.data, "home": home(), "trusted": list(place.python),
            "read": list(place.installed), "shown": place.shown(),
        }  # fmt: skip
        request = {"limits": limits, "reserved": sorted(work.reserved), "previews": work.previews}
        clock, tape = Clock(), Tape(work.limits.output_bytes)
        reader, writer = os.pipe()
        pid = forks.fork()
        if pid == 0:
            _become_run(writer, request, code, [dict(e) for e in examples], namespace, settings, clock, tape)
        os.close(writer)
        try:
            patience = _Patience(clock, pid, limits, scratch)
            data, late = forks.read_all(reader, time.monotonic() + limits["total_seconds"], patience)
        finally:
            os.close(reader)
            status = _end(pid)
        answer = forks.parse(data)
        files = tuple(FileWrite(f["path"], f["bytes"], f["new"]) for f in scratch_folder.written(scratch, before))
    if isinstance(answer, dict):
        return read_report(answer, {"level": LEVEL, "files": files})
    if patience.excess:
        error = RunError("ProcessEnded", f"used more {patience.excess} than it may")
        return RunReport(ok=False, level=LEVEL, error=error, memory_exceeded=patience.excess == "memory", files=files)
    died = forks.ChildDied(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, status, late)
    report = read_report(job.ended(died, tape.text(), work.limits.seconds), {"level": LEVEL, "files": files})
    return replace(report, error=report.error or RunError("ProcessEnded", "the process ended"))


class _Patience:
    """A clock that is over, too, when the fork has more processes, memory or disk than it may."""

    def __init__(self, clock: Clock, pid: int, limits: dict[str, Any], scratch: str) -> None:
        self._clock = clock
        self._pid, self._scratch = pid, scratch
        self.excess = ""
        # The fork shares our memory: what it has at the start is not its own.
        self._limits = {**limits, "memory_mb": limits["memory_mb"] + _resident_mb()}

    def is_over(self) -> bool:
        self.excess = supervisor.excess(self._pid, self._limits, self._scratch)
        return bool(self.excess) or self._clock.is_over()


def _resident_mb() -> int:
    with contextlib.suppress(OSError, ValueError), open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    return 1 << 20


def _become_run(
    writer: int, request: dict[str, Any], code: str, examples: list[dict[str, Any]], namespace: Mapping[str, Any],
    settings: dict[str, Any], clock: Clock, tape: Tape,
) -> None:  # fmt: skip
    """The forked side: let go of all that belongs to the kernel, then run the cell as a sandbox does."""

    def whole() -> dict[str, Any]:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.closerange(3, writer)
        os.closerange(writer + 1, 65536)
        os.environ.clear()
        os.environ.update(HOME=str(settings["scratch"]), PATH="/usr/bin:/bin", MPLBACKEND="Agg", LANG="C.UTF-8")
        os.chdir(str(settings["scratch"]))
        _one_thread()
        watch, _ = guard.apply(settings, request["limits"])
        module = sys.modules["__main__"]
        if module.__dict__ is not namespace:
            module.__dict__.update(namespace)
        session = Session(tape, watch, may_start_programs=True, files_known=bool(settings["data"]), module=module)
        return job.run_cell(session, request, code, examples, clock)

    forks.answer_and_exit(whole, writer)


def _one_thread() -> None:
    """Let numeric libraries compute in this thread: their pools did not survive the fork."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
    with contextlib.suppress(OSError), open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        libraries = {line.split()[-1] for line in maps if re.search(r"lib(gomp|iomp5|omp)[-.\w]*\.so", line)}
        for path in libraries:
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL(path).omp_set_num_threads(1)


def _end(pid: int) -> int:
    """Kill the fork and its children, and return its exit status."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, 0)[1]
    return 0
