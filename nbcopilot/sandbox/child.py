"""The process of a sandbox as its owner sees it: started at a level, asked over pipes, ended with all that runs in it.

The other side is `worker/supervisor.py`. What comes back is read as JSON and never executed or unpickled.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from nbcopilot.errors import SandboxUnavailableError
from nbcopilot.sandbox import bubblewrap
from nbcopilot.sandbox.mounts import Surroundings, home
from nbcopilot.sandbox.worker import landlock, plain, scratch

START_SECONDS = 20.0
IDLE_SECONDS = 600.0
MAX_REPLY = 64 << 20  # bytes
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from nbcopilot.sandbox.worker import supervisor; sys.path.pop(0); supervisor.main()"

alive: set[Child] = set()  # started by this process and not ended yet


class Child:
    """One supervisor process and the pipes to it. Raises SandboxUnavailableError when it cannot be started at `level`."""

    def __init__(self, level: str, place: Surroundings, disk_mb: int) -> None:
        self.level = level
        self.owner = os.getpid()
        self._place = place
        self._state = bubblewrap.state(place) if level == "bubblewrap" else []
        self._inner = 0
        self._folder = (
            ""  # of our own making; a TemporaryDirectory would be removed by every forked copy of this process
        )
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
            folder, extra, new_home = bubblewrap.SCRATCH, ["/tmp", bubblewrap.HOME], bubblewrap.HOME
        else:
            self._folder = os.path.realpath(tempfile.mkdtemp(prefix="nbcopilot-"))
            folder = os.path.join(self._folder, "scratch")
            os.mkdir(folder, 0o700)
            extra, new_home = [], folder
        return {
            "level": self.level,
            "scratch": folder,
            "write": extra,
            "wipe": [],
            "data": place.data,
            "read": list(place.installed),
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

    def _start(self, command: list[str], folder: str, new_home: str) -> None:
        inherited = (self._info,) if self.level == "bubblewrap" else ()
        try:
            with tempfile.TemporaryFile() as complaints:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=complaints,
                    env=_environment(new_home),
                    cwd=folder if self.level != "bubblewrap" else "/",
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
            self._remove_folder()
            raise SandboxUnavailableError(f"{self.level} did not start: {exc}") from exc
        if self.level == "bubblewrap":
            with suppress(OSError, ValueError), os.fdopen(self._info_reader) as info:
                self._inner = int(json.loads(info.read()).get("child-pid", 0))
        alive.add(self)

    def is_alive(self) -> bool:
        return self.owner == os.getpid() and self._process.poll() is None

    def is_current(self) -> bool:
        """Whether what is mounted is still what may be seen; where nothing is mounted it is told with each job."""
        return self.level != "bubblewrap" or self._state == bubblewrap.state(self._place)

    def ask(self, request: Mapping[str, Any], blobs: Sequence[bytes], seconds: float) -> dict[str, Any] | None:
        """The child's reply; None when it ended or did not answer in time."""
        deadline = time.monotonic() + seconds
        shown = self._place.shown() if self.level == "landlock" else {}
        head = json.dumps({**request, "shown": shown}).encode("utf-8", "surrogatepass")
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
                if size > MAX_REPLY:
                    return None
        try:
            reply = plain.loads(data[4:])
        except ValueError:
            return None
        return reply if isinstance(reply, dict) else None

    def kill(self) -> None:
        """End the child, what it started, and its scratch folder; harmless in a forked copy of the owner."""
        alive.discard(self)
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        if self.owner != os.getpid():
            self._process.returncode = 0  # nobody's child here: nothing to wait for
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)  # it ends by itself when its input closes, and takes its jobs with it
        with suppress(ProcessLookupError, PermissionError):
            if self._inner and self._process.poll() is None:
                os.kill(self._inner, signal.SIGKILL)  # process 1 of the namespace: all in it end
        if self._process.poll() is None:
            self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._remove_folder()

    def _remove_folder(self) -> None:
        if self._folder:
            scratch.wipe(self._folder)
            with suppress(OSError):
                os.rmdir(self._folder)
        self._folder = ""


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
