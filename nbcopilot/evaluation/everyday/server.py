"""The process in which everyday answers are judged: loads the heavy packages once, then forks a child for each verdict.

Started as `python -m nbcopilot.evaluation.everyday.server`; reads one JSON object a line, {"verb", ...arguments}, and
answers with one. Every child has a folder, a process group and limits of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nbcopilot.evaluation.everyday import running
from nbcopilot.evaluation.everyday.keeping import keepability

SECONDS, PYTEST_SECONDS = 30, 20
MEMORY = 8 << 30
# What requests use; anything else an answer imports itself.
PACKAGES = (
    "numpy",
    "pandas",
    "matplotlib.pyplot",
    "scipy.stats",
    "sklearn.linear_model",
    "sklearn.ensemble",
    "sklearn.model_selection",
    "sklearn.metrics",
    "sklearn.cluster",
    "pytest",
)
PYTEST_OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "--rootdir=.", "-c", os.devnull)
RECORD = "from nbcopilot.evaluation.everyday.recording import record_calls as _record\nimport pathlib as _pathlib\n"


def forked(work: Callable[[], Any], seconds: int = SECONDS) -> Any:
    """The JSON value of `work()` in a forked child with limits; None when it did not end in time or died."""
    base = Path(tempfile.mkdtemp(prefix="nbcopilot-judge-"))
    try:
        pid = os.fork()
        if pid == 0:
            _child(work, base, seconds)
        # CPU seconds are the limit, so that a busy machine fails no right answer; wall time only ends sleepers.
        deadline = time.monotonic() + 4 * seconds + 10
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                break
            time.sleep(0.004)
        with contextlib.suppress(OSError, ValueError):
            return json.loads((base / "done").read_text(encoding="utf-8"))
        return None
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _child(work: Callable[[], Any], base: Path, seconds: int) -> None:
    """In the forked child: never returns."""
    try:
        os.setsid()
        used = int(sum(os.times()[:2]))
        resource.setrlimit(resource.RLIMIT_CPU, (used + seconds + 1, used + seconds + 2))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        (base / "work").mkdir()
        os.chdir(base / "work")
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        part = base / "part"
        part.write_text(json.dumps(work()), encoding="utf-8")
        part.rename(base / "done")
    finally:
        os._exit(0)


def request(session: Mapping[str, Any], number: int, answer: str) -> Any:
    """The verdict on an answer to a request."""
    return forked(lambda: running.judge_request(session, number, answer)) or _timeout()


def fix(item: Mapping[str, Any], answer: str, at: int) -> Any:
    """The verdict on a notebook with a mended cell."""
    return forked(lambda: running.judge_fix(item, answer, at)) or _timeout()


def _timeout() -> running.Outcome:
    return running.outcome("timeout", "no end in time, or the process died")


def outputs(cells: Sequence[str], data: str) -> Any:
    """[[text, error], ...] of the cells, to the first that fails."""

    def work() -> list[list[str]]:
        warnings.simplefilter("ignore")
        if data:
            running.execute(data, running.fresh(), "<data>")
        namespace, texts = running.fresh(), []
        for cell in cells:
            ran = running.watch(cell, namespace)
            texts.append([ran.text, ran.error])
            if ran.error:
                break
        return texts

    return forked(work)


def tests(item: Mapping[str, Any], answer: str) -> dict[str, Any]:
    """{"valid", "caught", "of", "missed", "keepable", "score", "why", ...} of generated tests."""
    calls = _recorded(item, answer)
    kept = keepability(answer, item["entry_points"], calls)
    if _pytest(f"{item['good']}\n\n\n{answer}\n") != 0:
        return {"valid": False, "caught": 0, "of": len(item["buggy"]), "missed": [], **kept}
    caught = [_pytest(f"{version}\n\n\n{answer}\n") != 0 for version in item["buggy"]]
    missed = [number for number, one in enumerate(caught) if not one]
    return {"valid": True, "caught": sum(caught), "of": len(caught), "missed": missed, **kept}


def _pytest(source: str, calls: str = "") -> Any:
    """pytest's exit status for a test file; None when it did not end in time. Plugins of this machine are off."""

    def work() -> list[Any]:
        import pytest

        Path("test_all.py").write_text(source, encoding="utf-8")
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        status = int(pytest.main([*PYTEST_OPTIONS, "test_all.py"]))
        found = Path(calls).read_text(encoding="utf-8").splitlines() if calls and Path(calls).exists() else []
        return [status, [json.loads(line) for line in found]]

    done = forked(work, PYTEST_SECONDS)
    if calls:
        return done and done[1]
    return done and done[0]


def _recorded(item: Mapping[str, Any], answer: str) -> list[dict[str, Any]] | str:
    """The arguments with which the tests call the functions, or why they are not known."""
    spec = f"_record(globals(), {dict(item['params'])!r}, _pathlib.Path('calls.jsonl').absolute())\n"
    calls = _pytest(f"{item['good']}\n\n{RECORD}{spec}\n{answer}\n", "calls.jsonl")
    return "no end in time" if calls is None else list(calls)


VERBS: dict[str, Callable[..., Any]] = {"request": request, "fix": fix, "outputs": outputs, "tests": tests}


def main() -> None:
    """Serve until stdin ends. Cells cannot disturb the pipe: they get the null device."""
    requests, answers = os.fdopen(os.dup(0), "r", encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(null, stream)
    warnings.simplefilter("ignore")
    for name in PACKAGES:
        with contextlib.suppress(ImportError):
            __import__(name)
    for line in requests:
        arguments = json.loads(line)
        answers.write(json.dumps(VERBS[arguments.pop("verb")](**arguments)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
    sys.exit(0)
