"""The resident process of a sandbox: takes jobs from a pipe, forks one process for each, watches it, cleans up after it.

Started by `sandbox/start.py` as `python -c "...; supervisor.main()" SETTINGS`, inside bubblewrap where there is one.
It never runs code that is checked; as process 1 of its namespace nothing in there can signal it. It ends when its
pipe closes, and everything below it ends with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import stat
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

from nbcopilot.sandbox.worker import forks, job
from nbcopilot.sandbox.worker import scratch as scratch_folder
from nbcopilot.sandbox.worker.output import Clock

_HEAD = struct.Struct(">II")  # bytes of JSON, number of blobs
_SIZE = struct.Struct(">Q")
POLL_SECONDS = 0.02


class Keeper:
    """Serves jobs until its input closes. `place` is where jobs run: level, scratch, data folder, readable folders."""

    def __init__(self, place: dict[str, Any], reader: int, writer: int) -> None:
        self.place = place
        self.reader = reader
        self.writer = writer
        self.alone = os.getpid() == 1

    def serve(self) -> None:
        """Answer until end of file or until idle for `idle_seconds`."""
        self.send({"ready": os.getpid()})
        while True:
            ready, _, _ = select.select([self.reader], [], [], float(self.place["idle_seconds"]))
            if not ready:
                return
            request, blobs = self.receive()
            if request is None:
                return
            if not self.answer(request, blobs):
                return

    def answer(self, request: dict[str, Any], blobs: list[tuple[str, bytes]]) -> bool:
        """Handle one request; False when the supervisor must not go on (its input closed, or it could not clean up)."""
        for module in request.get("preload", ()):
            _preload(str(module))
        if request["kind"] == "warm":
            self.send({"warm": True})
            return True
        scratch = str(self.place["scratch"])
        before = scratch_folder.fill(scratch, self.place.get("data"))
        reader, writer = os.pipe()
        clock = Clock()
        pid = forks.fork()
        if pid == 0:
            os.close(reader)
            self._become_job(request, blobs, writer, clock)
        os.close(writer)
        reply, alive = self._watch(pid, reader, request["limits"], clock)
        os.close(reader)
        reply["files"] = list(scratch_folder.written(scratch, before))
        self._kill_all(pid)
        clean = scratch_folder.wipe(scratch) and all(
            scratch_folder.wipe(str(folder)) for folder in self.place.get("wipe", ())
        )
        if alive:
            self.send({**reply, "last": not clean})
        return alive and clean

    def _become_job(self, request: dict[str, Any], blobs: list[tuple[str, bytes]], writer: int, clock: Clock) -> None:
        if not self.alone:
            os.setsid()
        os.close(self.reader)
        os.close(self.writer)
        forks.answer_and_exit(
            lambda: job.work(request, blobs, {**self.place, "shown": request["shown"]}, clock), writer
        )

    def _watch(self, pid: int, reader: int, limits: dict[str, Any], clock: Clock) -> tuple[dict[str, Any], bool]:
        """(the job's answer or why there is none, whether our own input is still open)."""
        deadline = time.monotonic() + float(limits["total_seconds"])
        parts: list[bytes] = []
        why = ""
        while not why:
            ready, _, _ = select.select([reader, self.reader], [], [], POLL_SECONDS)
            if self.reader in ready:
                return {"died": "cancelled"}, False  # a closed pipe: there is nothing to read before we have answered
            if reader in ready:
                data = os.read(reader, 1 << 16)
                parts.append(data)
                if not data or data.endswith(b"\n") or sum(map(len, parts)) > forks.MAX_ANSWER + 1:
                    break
            elif clock.is_over() or time.monotonic() > deadline:
                why = "time"
            else:
                why = excess(pid, limits, str(self.place["scratch"]), alone=self.alone)
        answer = forks.parse(b"".join(parts))
        if isinstance(answer, dict):
            return {"answer": answer}, True
        forks.kill(pid)
        _, status = os.waitpid(pid, 0)
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        return {
            "died": why or "ended",
            "signal": number if not why else 0,
            "status": 0 if number else status >> 8,
        }, True

    def _kill_all(self, pid: int) -> None:
        """End all that the job left: twice, since the first time something may be in the middle of a fork."""
        for _ in range(50):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if self.alone:
                    os.kill(-1, signal.SIGKILL)
                else:
                    os.killpg(pid, signal.SIGKILL)
                    for member in members(pid, self.alone):
                        os.kill(member, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if not any(True for _ in members(pid, self.alone)):
                return
            time.sleep(0.002)

    def receive(self) -> tuple[dict[str, Any] | None, list[tuple[str, bytes]]]:
        """The next request and the pickled values that came with it; None at the end of the input."""
        head = self._read(_HEAD.size)
        if head is None:
            return None, []
        size, count = _HEAD.unpack(head)
        request = json.loads(self._read(size) or b"{}")
        blobs = []
        for name in request.get("names", [])[:count]:
            (length,) = _SIZE.unpack(self._read(_SIZE.size) or bytes(8))
            blobs.append((str(name), self._read(length) or b""))
        return request, blobs

    def _read(self, size: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < size:
            data = os.read(self.reader, min(1 << 20, size - len(parts)))
            if not data:
                return None
            parts += data
        return bytes(parts)

    def send(self, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        view = memoryview(struct.pack(">I", len(data)) + data)
        while view:
            view = view[os.write(self.writer, view) :]


def excess(pid: int, limits: dict[str, Any], scratch: str, *, alone: bool = False) -> str:
    """ "processes", "memory" or "disk" when the job `pid` has more of it than it may, else "".

    alone: all processes that can be seen belong to it (a process namespace of its own).
    """
    count = pages = 0
    for entry in members(pid, alone):
        count += 1
        with (
            contextlib.suppress(OSError, ValueError, IndexError),
            open(f"/proc/{entry}/statm", encoding="ascii") as file,
        ):
            fields = file.read().split()
            pages += int(fields[1]) - int(fields[2]) * (count > 1)  # pages shared by a fork are counted once
    if count > int(limits["processes"]):
        return "processes"
    if pages * os.sysconf("SC_PAGE_SIZE") > int(limits["memory_mb"]) << 20:
        return "memory"
    if not alone and scratch_folder.disk_use(scratch) + _unlinked(pid) > int(limits["disk_mb"]) << 20:
        return "disk"
    return ""


def _unlinked(pid: int) -> int:
    """Bytes of files that the job's processes hold open and have removed, as far as we may look."""
    found: dict[tuple[int, int], int] = {}
    for entry in members(pid, False):
        with contextlib.suppress(OSError):
            for number in os.listdir(f"/proc/{entry}/fd"):
                with contextlib.suppress(OSError):
                    info = os.stat(f"/proc/{entry}/fd/{number}")
                    if stat.S_ISREG(info.st_mode) and not info.st_nlink:
                        found[info.st_dev, info.st_ino] = info.st_blocks * 512
    return sum(found.values())


def members(pid: int, alone: bool) -> Iterator[int]:
    """Process ids of the job: all but ours in our own namespace, else those of its session."""
    if sys.platform != "linux":
        return
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        if alone:
            yield int(entry)
            continue
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{entry}/stat", "rb") as file:
            if int(file.read().rsplit(b")", 1)[1].split()[3]) == pid:
                yield int(entry)


def _preload(module: str) -> None:
    """Import a well-known module here, so that every later job has it at once; failing is the job's business."""
    if module in sys.modules:
        return
    import warnings

    with contextlib.suppress(BaseException), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module(module)


def main() -> None:
    """Run the supervisor on the pipes that are our standard input and output; SETTINGS is the last argument."""
    place = json.loads(sys.argv[-1])
    reader, writer = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(null, 2)
    # Packages in the order of the process that asks, so that the same versions are found; no folder of the user's
    # comes before the standard library, which we rest on ourselves.
    installed = [path for path in sys.path if "site-packages" in path or "dist-packages" in path]
    own = [path for path in sys.path if path not in installed]
    sys.path[:] = dict.fromkeys([*own, *place["search"], *installed])
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: nobody reads our memory or our pipes through /proc
        libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans of a job come to us
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Keeper(place, reader, writer).serve()
    os._exit(0)
