"""One job inside its own process: guard, replica of the notebook's state, then each cell in a fork, then its examples.

{"kind": "run",  "setup": [...], "definitions": [...], "codes": [...], "examples": [...], "reserved": [...], ...}
{"kind": "call", "function": "testbench.measure", "payload": {...}}
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import resource
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

from nbcopilot.sandbox.worker import guard, preview_figure
from nbcopilot.sandbox.worker.apart import judged_apart
from nbcopilot.sandbox.worker.describe_value import describe
from nbcopilot.sandbox.worker.execute import Effects, Session, new_session
from nbcopilot.sandbox.worker.forks import ChildDied, in_child
from nbcopilot.sandbox.worker.output import Clock, Tape

GRACE = 1.0  # seconds between asking a run to stop and killing it
AROUND = 5.0  # seconds for looking at the namespace before and after a run
DRAWING = preview_figure.MOST * (preview_figure.SECONDS + GRACE)  # seconds for its figures


def work(
    job: Mapping[str, Any], blobs: Sequence[tuple[str, bytes]], place: Mapping[str, Any], clock: Clock
) -> dict[str, Any]:
    """The answer to a job; called in a process of its own that ends afterwards. `clock` is watched by the supervisor."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limits = job["limits"]
    tape = Tape(int(limits["output_bytes"]))
    watch, level = guard.apply(place, limits)
    session = new_session(place, watch, tape)
    if job["kind"] == "call":
        module, name = str(job["function"]).rsplit(".", 1)
        function = getattr(importlib.import_module(f"nbcopilot.sandbox.worker.{module}"), name)
        return {"level": level, "value": function(job["payload"], session, watch)}
    ready = _prepare(session, job, blobs, clock)
    if ready["error"]:
        return {"level": level, "setup": ready, "runs": []}
    clock.allow(1e9)  # each cell has a clock of its own; the job's limit stands behind
    tape.clear()
    examples = job.get("examples") or [[] for _ in job["codes"]]
    alone = len(job["codes"]) == 1
    runs = [
        run_cell(session, job, code, list(wanted), clock if alone else None)
        for code, wanted in zip(job["codes"], examples, strict=True)
    ]
    return {"level": level, "setup": ready, "runs": runs}


def _prepare(
    session: Session, job: Mapping[str, Any], blobs: Sequence[tuple[str, bytes]], clock: Clock
) -> dict[str, Any]:
    """Rebuild the notebook's state from values, and from cells or definitions that run again."""
    failed: dict[str, Any] = {"error": None, "needs": None, "skipped": []}
    started = time.monotonic()
    left = float(job["limits"]["setup_seconds"])
    clock.allow(left)
    modules = [name for name, module in job.get("modules", {}).items() if not _import(session, name, module)]
    # Values first, for decorators and defaults of the definitions; those of the notebook's own classes afterwards.
    waiting = [(name, data) for name, data in blobs if b"__main__" in data or not _restore(session, name, data)]
    for number, source in enumerate(job.get("setup", ()), 1):
        seconds = max(0.1, left - (time.monotonic() - started))
        clock.allow(seconds + GRACE)
        report, _ = session.run(source, f"upstream cell {number}", seconds)
        if not report["ok"]:
            return {**failed, "error": report["error"], "needs": report["needs"], "seconds": time.monotonic() - started}
    clock.allow(left)
    skipped = [name for name, data in waiting if not _restore(session, name, data)]
    return {**failed, "skipped": [*modules, *skipped], "seconds": time.monotonic() - started}


def _import(session: Session, name: str, module: str) -> bool:
    try:
        session.namespace[name] = importlib.import_module(module)
    except Exception:
        return False
    return True


def _restore(session: Session, name: str, data: bytes) -> bool:
    try:
        session.namespace[name] = pickle.loads(data)
    except Exception:
        return False
    return True


def run_cell(
    session: Session, job: Mapping[str, Any], code: str, examples: list[dict[str, Any]], alone: Clock | None
) -> dict[str, Any]:
    """The report of one cell, run in a fork; or here, when it is the only one and nothing is judged afterwards.

    alone: the supervisor's clock, where the cell is the only one.
    """
    seconds = float(job["limits"]["seconds"])
    each = float(job["limits"]["example_seconds"])
    reserved = frozenset(job.get("reserved", ()))
    here = alone is not None and not examples
    clock = alone if alone is not None and here else Clock()

    def whole() -> dict[str, Any]:
        guard.limit_cpu((seconds + each * len(examples)) * 2)
        clock.allow(AROUND)
        effects = Effects(session, reserved)
        clock.allow(seconds + GRACE)
        report, value = session.run(code, "cell", seconds)
        clock.allow(AROUND)
        report["stdout"] = session.tape.text()
        report["result"] = describe(value) if value is not None else None
        found = effects.collect()
        report.update(found)
        if job.get("previews") and report["ok"]:
            clock.allow(AROUND + DRAWING)
            with contextlib.suppress(Exception):  # a value that cannot be shown takes nothing from the report
                report["preview"] = effects.preview(code, value, found, _has_room(job["limits"]))
        report["watch"] = {
            "network": session.watch.network,
            "processes": session.watch.processes,
            "refused": session.watch.refused,
        }
        return report

    if here:
        return whole()
    session.tape.clear()
    try:
        whole_seconds = seconds + GRACE + 2 * AROUND + DRAWING
        if examples:
            report = judged_apart(whole, session, code, examples, (whole_seconds, each), clock)
        else:
            report = in_child(whole, whole_seconds, clock)
    except ChildDied as died:
        return ended(died, session.tape.text(), seconds)
    if alone is None:
        _empty(".")
    return dict(report)


def _has_room(limits: Mapping[str, Any]) -> bool:
    """Whether a fork that draws may come beside this process: its memory counts once more."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 3 < int(limits["memory_mb"]) << 10


def ended(died: ChildDied, stdout: str, seconds: float) -> dict[str, Any]:
    """The report of a run whose process ended without one."""
    killed_for_time = died.late or died.signal == signal.SIGXCPU
    message = f"did not finish in {seconds:g} s" if killed_for_time else f"the process ended: {died.told()}"
    return {
        "ok": False,
        "error": {
            "name": "TimeLimit" if killed_for_time else "ProcessEnded",
            "message": message,
            "line": None,
            "traceback": "",
        },
        "timed_out": killed_for_time,
        "stdout": stdout,
    }


def _empty(folder: str) -> None:
    """Remove files that a run left, so that the next one starts from the same; links to the notebook's data stay."""
    for entry in os.scandir(folder):
        try:
            if entry.is_file(follow_symlinks=False) and entry.stat().st_mtime > _started:
                os.unlink(entry.path)
        except OSError:
            continue


_started = time.time()
