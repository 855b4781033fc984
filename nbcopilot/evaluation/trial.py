"""The trial: runs an answer with its tests in a guarded child process and says whether it passed.

Deliberately apart from `validate.sandbox`: a fault of the sandbox must not colour the score. Guarded against
accidents (time, memory, file size, own folder, own process group, no standard input), not against a hostile author.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# The limit is CPU time, so that a busy machine does not fail slow but right answers; wall time only ends sleepers.
SECONDS = 10.0
WALL_FACTOR = 4.0
MEMORY_MB = 4096
FILE_BYTES = 64 << 20
TAIL = 2000

# The child reads the token before the answer runs; it says it only when everything has run to the end.
CHILD = """
import os, resource, sys
token = sys.stdin.readline().strip()
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
seconds, memory, size = int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
for limit, value in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, size), (resource.RLIMIT_CORE, 0)):
    resource.setrlimit(limit, (value, value))
with open(sys.argv[1], encoding="utf-8") as file:
    source = file.read()
sys.argv = [sys.argv[1]]
sys.path.insert(0, os.getcwd())
exec(compile(source, "answer.py", "exec"), {"__name__": "__main__", "__file__": sys.argv[0]})
with open("verdict", "w") as file:
    file.write(token)
"""


@dataclass(frozen=True)
class Trial:
    """How a script ended: `ok`, else `reason` is "timeout" or the last line of the error; `output` is the tail of what it printed.

    `kept` is the text of the file that was asked for (None: the script did not leave it).
    """

    ok: bool
    reason: str = ""
    output: str = ""
    seconds: float = 0.0
    kept: str | None = None


def run_script(
    source: str,
    *,
    seconds: float = SECONDS,
    memory_mb: int = MEMORY_MB,
    files: Mapping[str, str] | None = None,
    keep: str = "",
) -> Trial:
    """Run `source` as a script in a fresh interpreter and empty folder (with `files` in it) and report.

    seconds: CPU time; four times that in wall time. A script that leaves early (`exit()`) has not passed.
    """
    token = secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="nbcopilot-trial-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for file, content in (files or {}).items():
            (folder / file).write_text(content, encoding="utf-8")
        (folder / "answer.py").write_text(source, encoding="utf-8", errors="replace")
        limits = [str(max(1, round(seconds))), str(memory_mb << 20), str(FILE_BYTES)]
        started = time.monotonic()
        status, output, errors = _spawn([str(folder / "answer.py"), *limits], token, folder, seconds * WALL_FACTOR)
        took = time.monotonic() - started
        verdict = folder / "verdict"
        kept = folder / keep
        text = kept.read_text(encoding="utf-8", errors="replace") if keep and kept.is_file() else None
        ok = status == 0 and verdict.is_file() and verdict.read_text(encoding="utf-8", errors="replace") == token
    return Trial(ok, "" if ok else _reason(status, errors), output, took, text)


def _spawn(arguments: list[str], token: str, folder: Path, wall: float) -> tuple[int | None, str, str]:
    """Exit status (None: out of wall time), output and errors of the child; its whole group is gone afterwards."""
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, *arguments],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            cwd=folder,
            env=env,
            start_new_session=True,
        )
        try:
            child.communicate(token.encode(), timeout=wall)
            status: int | None = child.returncode
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _end(child)
        return status, _tail(out), _tail(err)


def _tail(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
    return file.read().decode("utf-8", "replace")


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _reason(status: int | None, errors: str) -> str:
    if status is None or status in (-signal.SIGXCPU, -signal.SIGKILL):
        return "timeout"
    if status == 0:
        return "left before its tests had run"
    lines = [line for line in errors.strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else f"exit status {status}"
