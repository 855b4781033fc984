"""A carrier's client program as a watched child process: pip, or our own client of the hub.

A child can be stopped at any moment, prints nothing on the user's terminal, and cannot upset this process (a
kernel, perhaps). Its progress is the growth of the folder that it writes into. Knows nothing of models.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from nbcopilot.errors import DownloadError
from nbcopilot.models.files import tree_bytes

TICK_SECONDS = 0.2
# pip is silent for its own timeout (15 s, times retries) when an index hangs; longer than that, nothing will come.
STALL_SECONDS = 120.0


class Child:
    """A running child process whose working folder (and temporary folder) is `folder`.

    Used as a context manager: leaving it ends the child, whatever happened.
    Raises DownloadError when the program cannot be started.
    """

    def __init__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.code: int | None = None
        # TMPDIR: pip unpacks there first, and /tmp is often too small for weights.
        places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed on exit
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        try:
            self._process = subprocess.Popen(
                command,
                cwd=folder,  # not the user's: a `random.py` beside a notebook must not be imported by pip
                env={**os.environ, **places, "PYTHONUNBUFFERED": "1", **(environ or {})},
                stdin=subprocess.PIPE,  # closes when we die: the child may watch it
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=os.name == "posix",
            )
        except OSError as exc:
            self._errors.close()
            raise DownloadError(f"{command[0]} cannot be started: {exc}", hint="check the Python installation") from exc
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.decode("utf-8", "replace").rstrip("\r\n"))
        self._lines.put(None)

    def lines(self, stall_seconds: float = STALL_SECONDS) -> Iterator[str | None]:
        """Each line of its output, and None at least every tick, until it ends; then `code` is set.

        Raises DownloadError when neither a line nor a byte in the folder came for `stall_seconds`.
        """
        size, moved = -1, time.monotonic()
        while True:
            try:
                line = self._lines.get(timeout=TICK_SECONDS)
                if line is None:
                    self.code = self._process.wait()
                    return
                moved = time.monotonic()
                yield line
            except queue.Empty:
                now = tree_bytes(self.folder)
                if now != size:
                    size, moved = now, time.monotonic()
                elif time.monotonic() - moved > stall_seconds:
                    raise DownloadError(f"nothing came for {stall_seconds:.0f} seconds") from None
                yield None

    def errors(self) -> str:
        """What it wrote to its error stream so far."""
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(timeout=5)
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
