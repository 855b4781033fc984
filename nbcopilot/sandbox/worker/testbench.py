"""Tests run against a source: what passes twice, which lines they reach, which mutants they notice.

    payload: setup, source, names, preamble, tests ([{"name", "source"}]), test_seconds (wall time of one),
             mutants, mutant_seconds, coverage (bool), first_kill (bool: one test that notices a mutant is enough)
             record (bool: note the calls of functions under test)
    answer:  problem, tests ([{"outcome", "message", "claim", "reaches", "seconds", "calls"}]), coverage, kills (per mutant,
             the tests). claim: of an assertion that fails, [what it is about, what that gives, what was expected]

Plain functions, parametrised ones, `Test...` classes and unittest cases are run; a test that needs another fixture
is an error that says so. pytest itself is not started: its own rules are not under test.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import random
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nbcopilot.sandbox.worker import forks, observe
from nbcopilot.sandbox.worker.audit import Watch
from nbcopilot.sandbox.worker.batches import in_batches
from nbcopilot.sandbox.worker.claims import claim_of, record
from nbcopilot.sandbox.worker.collecting import NotATest
from nbcopilot.sandbox.worker.collecting import calls as calls_of
from nbcopilot.sandbox.worker.execute import Session
from nbcopilot.sandbox.worker.forks import ChildDied, in_child
from nbcopilot.sandbox.worker.observe import TARGET
from nbcopilot.sandbox.worker.source import execute


def measure(payload: Mapping[str, Any], session: Session, watch: Watch) -> dict[str, Any]:
    """See the module's docstring."""
    for number, source in enumerate(payload.get("setup", ())):
        report, _ = session.run(source, f"setup {number}", 10.0)
        if not report["ok"]:
            return {"problem": f"{report['error']['name']}: {report['error']['message']}", "tests": []}
    base = dict(session.namespace)
    try:
        first = in_child(lambda: _run_all(payload, session, base), 60)
    except ChildDied as died:
        return {"problem": f"the tests ended the process ({died})", "tests": []}
    if first["problem"]:
        return dict(first)
    if payload.get("twice", True):
        _mark_flaky(first["tests"], _second_run(payload, session, base))
    passing = [i for i, test in enumerate(first["tests"]) if test["outcome"] == "passed"]
    if payload.get("coverage") and passing:
        with contextlib.suppress(ChildDied):
            first["coverage"] = in_child(lambda: _coverage(payload, session, base, passing), 60)
    first["kills"] = _kills(payload, session, base, passing, [t["seconds"] for t in first["tests"]])
    return dict(first)


def _run_all(
    payload: Mapping[str, Any], session: Session, base: Mapping[str, Any], *, backwards: bool = False
) -> dict[str, Any]:
    random.seed(1 if backwards else 0)
    try:
        _load(str(payload["source"]), session, base)
        _execute(str(payload["preamble"]), session)
    except BaseException as exc:
        return {"problem": f"{type(exc).__name__}: {exc}", "tests": []}
    calls: list[str] = []
    if payload.get("record"):
        record(payload["names"], session.namespace, calls)
    tests = list(payload["tests"])
    order = range(len(tests) - 1, -1, -1) if backwards else range(len(tests))
    seconds = float(payload["test_seconds"])
    found = {place: _run_one(tests[place], session, seconds, calls) for place in order}
    return {"problem": "", "tests": [found[place] for place in range(len(tests))]}


def _run_one(test: Mapping[str, Any], session: Session, seconds: float, noted: list[str]) -> dict[str, Any]:
    steps = observe.Steps()
    noted.clear()
    started = time.perf_counter()
    outcome, message = "passed", ""
    claim: list[str] = []
    try:
        _execute(str(test["source"]), session)
        calls = list(calls_of(session.namespace[str(test["name"])]))
        with observe.alarm(seconds), contextlib.redirect_stdout(session.tape):
            sys.settrace(steps.enter)
            try:
                for call in calls:
                    call()
            finally:
                sys.settrace(None)
    except observe.TooLong:
        outcome, message = "late", f"did not finish in {seconds:g} s"
    except NotATest as exc:
        outcome, message = "error", str(exc)
    except BaseException as exc:
        outcome, message = _failure(exc)
        if outcome == "failed":
            with contextlib.suppress(Exception), observe.alarm(seconds), contextlib.redirect_stdout(session.tape):
                claim = claim_of(exc)
    return {
        "outcome": outcome,
        "message": message,
        "claim": claim,
        "calls": list(dict.fromkeys(noted))[:8],
        "reaches": bool(steps.lines),
        "seconds": time.perf_counter() - started,
    }


def _failure(exc: BaseException) -> tuple[str, str]:
    """("failed" when the code under test does not do what is expected, "error" when the test itself is broken; why)."""
    text = "".join(traceback.format_exception_only(exc)).strip().split("\n")[0][:300]
    if isinstance(exc, AssertionError) or type(exc).__name__ in ("Failed", "XFailed"):
        line = _line(exc)
        return "failed", line or text
    if type(exc).__name__ == "Skipped":
        return "error", "it skips itself"
    frames = traceback.extract_tb(exc.__traceback__)
    in_target = any(frame.filename == TARGET for frame in frames)
    return ("failed" if in_target else "error"), f"{_line(exc)} raised {text}" if in_target else text


def _line(exc: BaseException) -> str:
    own = [f for f in traceback.extract_tb(exc.__traceback__) if f.filename == "tests"]
    return (own[-1].line or "") if own else ""


def _load(source: str, session: Session, base: Mapping[str, Any], filename: str = TARGET) -> None:
    session.namespace.clear()
    session.namespace.update(base)
    execute(source, filename, session.namespace)


def _execute(source: str, session: Session) -> None:
    from nbcopilot.sandbox.worker.describe_value import remember

    remember("tests", source)
    execute(source, "tests", session.namespace)


# --------------------------------------------------------------------------- a second run, elsewhere


def _second_run(payload: Mapping[str, Any], session: Session, base: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The outcomes of a run in the opposite order; in an interpreter with another hash seed where one may be started."""
    again = {k: v for k, v in payload.items() if k not in ("mutants", "coverage")}
    boot = (
        "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
        "from nbcopilot.sandbox.worker.testbench import second; second(sys.argv[2])"
    )
    if session.shell._may_start_programs and not payload.get("setup"):
        name = os.path.abspath("second.json")
        Path(name).write_text(json.dumps(again), encoding="utf-8")
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            done = subprocess.run(
                [sys.executable, "-I", "-B", "-c", boot, json.dumps(sys.path), name],
                env={**os.environ, "PYTHONHASHSEED": "4711"}, capture_output=True, timeout=60,
            )  # fmt: skip
            answer = forks.parse(done.stdout)
            if isinstance(answer, dict):
                return list(answer["tests"])
    try:
        return list(in_child(lambda: _run_all(payload, session, base, backwards=True), 60)["tests"])
    except ChildDied:
        return []


def second(name: str) -> None:
    """Entry of the other interpreter: run the tests of a payload file and print the outcomes as JSON."""
    from nbcopilot.sandbox.worker.output import Tape

    payload = json.loads(Path(name).read_text(encoding="utf-8"))
    out = os.dup(1)
    session = Session(Tape(10_000), Watch(), may_start_programs=False, files_known=False)
    answer = _run_all(payload, session, dict(session.namespace), backwards=True)
    forks.answer_and_exit(lambda: answer, out)


def _mark_flaky(tests: list[dict[str, Any]], again: list[dict[str, Any]]) -> None:
    for test, other in zip(tests, again, strict=False):
        if test["outcome"] != other["outcome"]:
            test["message"] = f"{test['outcome']} once and {other['outcome']} once"
            test["outcome"] = "flaky"
    if not again:
        for test in tests:
            if test["outcome"] == "passed":
                test.update(outcome="flaky", message="ended the process in its second run")


# --------------------------------------------------------------------------- coverage and mutants


def _coverage(
    payload: Mapping[str, Any], session: Session, base: Mapping[str, Any], passing: list[int]
) -> dict[str, Any]:
    """{"lines", "lines_covered", "branches", "branches_covered", "missing"} of the functions under test, by coverage.py."""
    import coverage

    path = os.path.abspath("target_under_test.py")
    source = str(payload["source"])
    Path(path).write_text(source, encoding="utf-8")
    meter = coverage.Coverage(data_file=None, branch=True, include=[path], config_file=False)
    meter.start()
    try:
        _load(source, session, base, path)
        _execute(str(payload["preamble"]), session)
        for place in passing:
            test = payload["tests"][place]
            with contextlib.suppress(BaseException), contextlib.redirect_stdout(session.tape):
                _execute(str(test["source"]), session)
                for call in calls_of(session.namespace[str(test["name"])]):
                    call()
    finally:
        meter.stop()
    report = os.path.abspath("coverage.json")
    with contextlib.redirect_stdout(session.tape):
        meter.json_report(outfile=report)
    found = json.loads(Path(report).read_text(encoding="utf-8"))["files"]
    return _counted(next(iter(found.values())), _body_lines(source, set(payload["names"])))


def _counted(found: Mapping[str, Any], wanted: set[int]) -> dict[str, Any]:
    covered, missing = wanted & set(found["executed_lines"]), wanted & set(found["missing_lines"])
    taken = [arc for arc in found.get("executed_branches", ()) if arc[0] in wanted]
    left = [arc for arc in found.get("missing_branches", ()) if arc[0] in wanted]
    return {
        "lines": len(covered) + len(missing), "lines_covered": len(covered), "branches": len(taken) + len(left),
        "branches_covered": len(taken), "missing": sorted(missing)[:50],
    }  # fmt: skip


def _body_lines(source: str, names: set[str]) -> set[int]:
    """Lines inside the functions and classes under test, without their `def` lines, which importing executes."""
    lines: set[int] = set()
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and (
            not names or node.name in names
        ):
            for part in ast.walk(node):
                if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)) and part.body:
                    lines |= set(range(part.body[0].lineno, (part.end_lineno or part.lineno) + 1))
    return lines


def _kills(
    payload: Mapping[str, Any], session: Session, base: Mapping[str, Any], passing: list[int], seconds: list[float]
) -> list[list[int]]:
    def told(source: str, mark: Callable[[int], None]) -> list[int]:
        try:
            _load(source, session, base)
            _execute(str(payload["preamble"]), session)
        except BaseException:
            return list(passing)
        found, slow = [], 0
        for place in passing:
            mark(place)
            verdict = _fails(payload["tests"][place], session, max(0.3, 5 * seconds[place]))
            if verdict:
                found.append(place)
                if payload.get("first_kill"):
                    break
                slow += verdict == "late"
                if slow >= 2:
                    break
        return found

    return in_batches(payload.get("mutants", ()), told, float(payload.get("mutant_seconds", 10.0)))


def _fails(test: Mapping[str, Any], session: Session, seconds: float) -> str:
    """ "" when the test passes, "late" when it takes too long, "failed" otherwise."""
    try:
        _execute(str(test["source"]), session)
        with observe.alarm(seconds), contextlib.redirect_stdout(session.tape):
            for call in calls_of(session.namespace[str(test["name"])]):
                call()
    except observe.TooLong:
        return "late"
    except BaseException:
        return "failed"
    return ""
