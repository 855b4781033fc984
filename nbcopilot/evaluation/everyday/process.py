"""The client of the judging process: starts it on first use, one verdict at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Any

from nbcopilot.errors import EngineUnavailableError

ENVIRONMENT = {
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}


class JudgeProcess:
    """Gives verdicts; `close` ends the process. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None

    def call(self, verb: str, **arguments: Any) -> Any:
        """The value of the verb (see `server.VERBS`). Raises EngineUnavailableError when the process is gone."""
        with self._lock:
            child = self._started()
            assert child.stdin is not None and child.stdout is not None
            try:
                child.stdin.write(json.dumps({"verb": verb, **arguments}) + "\n")
                child.stdin.flush()
                line = child.stdout.readline()
            except OSError:
                line = ""
        if not line:
            raise EngineUnavailableError("the process that judges answers is gone", hint="run it again with --resume")
        return json.loads(line)

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "nbcopilot.evaluation.everyday.server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                env={**os.environ, **ENVIRONMENT},
                start_new_session=True,
            )
        return self._child

    def close(self) -> None:
        """End the process at once; a call that waits for it raises."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
