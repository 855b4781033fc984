"""Inputs for a function, found by calling it: which shapes it accepts, which values reach which lines, what comes out.

    payload: setup (sources), source, function ("f" or "Class.method"), seeds (argument lists as written in the
             notebook), mutants (sources), seconds, mutant_seconds, limit
    answer:  cases (argument source, what was seen), kills (for each mutant the cases that tell it), executed

Finding is in `search`; here the cases are run again, and on every mutant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbcopilot.sandbox.worker import observe
from nbcopilot.sandbox.worker.audit import Watch
from nbcopilot.sandbox.worker.batches import in_batches
from nbcopilot.sandbox.worker.calling import evaluate, expectation, load
from nbcopilot.sandbox.worker.execute import Session
from nbcopilot.sandbox.worker.forks import ChildDied, in_child
from nbcopilot.sandbox.worker.observe import Seen
from nbcopilot.sandbox.worker.search import collect


def explore(payload: Mapping[str, Any], session: Session, watch: Watch) -> dict[str, Any]:
    """See the module's docstring."""
    for number, source in enumerate(payload.get("setup", ())):
        report, _ = session.run(source, f"setup {number}", 10.0)
        if not report["ok"]:
            return {
                "cases": [],
                "kills": [],
                "executed": 0,
                "problem": f"{report['error']['name']}: {report['error']['message']}",
            }
    base = dict(session.namespace)
    try:
        cases, executed = in_child(lambda: collect(payload, session, base), float(payload["seconds"]) + 8)
    except ChildDied:
        return {"cases": [], "kills": [], "executed": 0, "problem": "the function ended the process that called it"}
    if isinstance(executed, str):
        return {"cases": [], "kills": [], "executed": 0, "problem": executed}
    steady = _steady(cases, payload, session, base)
    kills = _kills(steady, payload, session, base)
    return {"cases": steady, "kills": kills, "executed": executed, "problem": "", "dropped": len(cases) - len(steady)}


def _steady(
    cases: list[dict[str, Any]], payload: Mapping[str, Any], session: Session, base: dict[str, Any]
) -> list[dict[str, Any]]:
    """The cases that give the same again, in another process and another order."""

    def again() -> list[int]:
        target = load(str(payload["source"]), str(payload["function"]), session, base)
        same = []
        for place, case in reversed(list(enumerate(cases))):
            expected = expectation(case)
            arguments = evaluate(case["args"], session.namespace)
            if arguments is not None and observe.same(expected, observe.call(target, arguments, trace=False)):
                same.append(place)
        return same

    try:
        kept = set(in_child(again, 30))
    except ChildDied:
        return []
    return [case for place, case in enumerate(cases) if place in kept]


def _kills(
    cases: list[dict[str, Any]], payload: Mapping[str, Any], session: Session, base: dict[str, Any]
) -> list[list[int]]:
    """For each mutant the cases that tell it from the original; [-1] when there was no time for it."""
    expected = [expectation(case) for case in cases]

    def told(source: str, mark: Callable[[int], None]) -> list[int]:
        return _told(source, cases, expected, str(payload["function"]), session, base, mark)

    return in_batches(payload.get("mutants", ()), told, float(payload["mutant_seconds"]))


def _told(
    source: str, cases: list[dict[str, Any]], expected: list[Seen], name: str, session: Session, base: dict[str, Any],
    mark: Callable[[int], None],
) -> list[int]:  # fmt: skip
    try:
        target = load(source, name, session, base)
    except BaseException:
        return list(range(len(cases)))
    found, slow = [], 0
    for index, case in enumerate(cases):
        mark(index)
        arguments = evaluate(case["args"], session.namespace)
        if arguments is None:
            continue
        seen = observe.call(target, arguments, seconds=0.15, trace=False)
        if not observe.same(expected[index], seen):
            found.append(index)
            slow += seen.error == "TooLong"
            if slow >= 3:
                break
    return found
