"""What comes out of a sandbox, read as values: JSON in, RunReports out.

The child's word is taken for what it says, never for what type it has: whatever is not of the right shape is left out.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, get_args

from nbcopilot.execution import DataStep, Elsewhere, FileWrite, Limits, Outcome, RunError, RunReport, Shown, Suggestion
from nbcopilot.sandbox.preview_results import read_preview
from nbcopilot.sandbox.worker import plain
from nbcopilot.verdict import NotRun, NotRunReason


def reports(reply: Mapping[str, Any], level: str, count: int, limits: Limits) -> tuple[RunReport, ...]:
    """A report for each of the `count` cells of a job; also when the child ended without an answer."""
    answer = reply.get("answer")
    if not isinstance(answer, dict):
        return (_ended(reply, level, limits),) * count
    setup = answer.get("setup")
    setup = setup if isinstance(setup, dict) else {}
    files = tuple(
        FileWrite(_text(f.get("path"), 300), _whole(f.get("bytes")), f.get("new") is True)
        for f in _items(reply.get("files"))
        if isinstance(f, dict)
    )
    shared = {
        "level": level,
        "files": files if count == 1 else (),
        "setup_seconds": _number(setup.get("seconds")),
        "skipped": _texts(setup.get("skipped")),
    }
    if setup.get("error"):
        failed = read_report({"error": setup["error"], "needs": setup.get("needs")}, {**shared, "ran": False})
        return (replace(failed, error=None, setup_error=failed.error),) * count
    runs = [run for run in _items(answer.get("runs")) if isinstance(run, dict)]
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


def read_report(raw: Mapping[str, Any], shared: Mapping[str, Any]) -> RunReport:
    """A RunReport of the JSON that came out of the child; whatever is not of the right shape is left out.

    shared: fields that all runs of the job have (level, setup, files). The child's word is taken for what it says,
    never for what type it has.
    """
    error = _error(raw.get("error"))
    return RunReport(
        ok=raw.get("ok") is True,
        error=error,
        needs=_need(raw.get("needs")),
        stdout=_text(raw.get("stdout"), 200_000),
        result=_shown(raw.get("result")),
        created=_shown_map(raw.get("created")),
        changed=_shown_map(raw.get("changed")),
        deleted=_texts(raw.get("deleted")),
        imported=_texts(raw.get("imported")),
        plots=_whole(raw.get("plots")),
        seconds=_number(raw.get("seconds")),
        warnings=_texts(raw.get("warnings")),
        timed_out=raw.get("timed_out") is True,
        memory_exceeded=raw.get("memory_exceeded") is True,
        steps=tuple(step for item in _items(raw.get("steps")) if isinstance(item, dict) and (step := _step(item))),
        elsewhere=tuple(_elsewhere(item) for item in _items(raw.get("elsewhere"))[:3] if isinstance(item, dict)),
        outcomes=tuple(_outcome(item) for item in _items(raw.get("examples")) if isinstance(item, dict)),
        preview=read_preview(raw.get("preview")),
        **shared,
    )


def _error(raw: Any) -> RunError | None:
    if not isinstance(raw, dict):
        return None
    line = raw.get("line")
    return RunError(
        _text(raw.get("name"), 100) or "Error",
        _text(raw.get("message"), 2000),
        _whole(line) if _is_whole(line) else None,
        _text(raw.get("traceback"), 8000),
        tuple(_suggestion(item) for item in _items(raw.get("suggestions"))[:4] if isinstance(item, dict)),
    )


def _shown(raw: Any) -> Shown | None:
    if not isinstance(raw, dict):
        return None
    shape = raw.get("shape")
    return Shown(
        _text(raw.get("type"), 100),
        _text(raw.get("repr"), 4000),
        tuple(n for n in shape[:8] if _is_whole(n)) if isinstance(shape, list) else None,
        _text(raw.get("digest"), 64),
        raw.get("all_nan") is True,
        _texts(raw.get("header_is_data"))[:2],
        _pair(raw.get("epoch_nanoseconds")),
    )


def _pair(raw: Any) -> tuple[int, int] | None:
    numbers = [item for item in _items(raw) if _is_whole(item)]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def _suggestion(raw: dict[str, Any]) -> Suggestion:
    kind = raw.get("kind")
    names = tuple(name[:100] for name in _texts(raw.get("names"))[:20])
    return Suggestion(kind if kind in ("columns", "files") else "name", names, _text(raw.get("owner"), 100))


def _step(raw: dict[str, Any]) -> DataStep | None:
    kind, line = _text(raw.get("kind"), 20), _whole(raw.get("line"))

    def count(name: str) -> int:
        return _whole(raw.get(name))

    if kind == "join":
        repeats = raw.get("left_repeats") is True and raw.get("right_repeats") is True
        how = _text(raw.get("how"), 10)
        return DataStep(kind, line, count("left"), count("rows"), count("matched"), how, repeats)
    if kind == "conversion":
        examples = tuple(_text(text, 40) for text in _items(raw.get("examples"))[:2])
        return DataStep(kind, line, count("of"), count("of") - count("lost"), examples=examples)
    return DataStep(kind, line, count("before"), count("after")) if kind == "filter" else None


def _elsewhere(raw: dict[str, Any]) -> Elsewhere:
    column = raw.get("column")
    return Elsewhere(
        _text(raw.get("frame"), 100), _text(raw.get("text"), 120), None if column is None else _text(column, 120)
    )


def _need(raw: Any) -> NotRun | None:
    """Why a run says nothing, in terms that are known here; an unknown reason is "not-run"."""
    if not isinstance(raw, dict):
        return None
    known: NotRunReason = next((reason for reason in get_args(NotRunReason) if reason == raw.get("reason")), "not-run")
    return NotRun(known, _text(raw.get("detail"), 300), _text(raw.get("more"), 300))


def _shown_map(raw: Any) -> dict[str, Shown]:
    if not isinstance(raw, dict):
        return {}
    pairs = ((_text(name, 100), _shown(value)) for name, value in list(raw.items())[:200])
    return {name: shown for name, shown in pairs if shown is not None}


def _outcome(raw: dict[str, Any]) -> Outcome:
    return Outcome(
        raw.get("ok") is True,
        got=_text(raw.get("got"), 2000),
        error=_text(raw.get("error"), 500),
        digest=_text(raw.get("digest"), 64),
        at=_text(raw.get("at"), 300),
        end=_text(raw.get("end"), 10),
    )


def _text(raw: Any, limit: int) -> str:
    return plain.text(raw[:limit]) if isinstance(raw, str) else ""


def _texts(raw: Any) -> tuple[str, ...]:
    return tuple(_text(item, 500) for item in _items(raw)[:200] if isinstance(item, str))


def _items(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else []


def _number(raw: Any) -> float:
    """A number that is finite in a float, else 0: an integer may have more digits than a float can hold."""
    if isinstance(raw, float) and math.isfinite(raw):
        return raw
    return float(raw) if _is_whole(raw) else 0.0


def _whole(raw: Any) -> int:
    return int(raw) if _is_whole(raw) or (isinstance(raw, float) and abs(raw) < 1 << 53) else 0


def _is_whole(raw: Any) -> bool:
    return isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 1 << 63
