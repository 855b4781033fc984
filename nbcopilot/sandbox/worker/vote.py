"""Several versions of one function called with the same inputs: what each gives, as text that tells equal from different.

payload: setup, sources, function, seeds, seconds (for finding inputs, all versions together), limit
answer:  inputs (argument lists), outcomes (for each source one text per input; [] when it cannot be loaded)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from nbcopilot.sandbox.worker import observe
from nbcopilot.sandbox.worker.audit import Watch
from nbcopilot.sandbox.worker.calling import evaluate, load
from nbcopilot.sandbox.worker.execute import Session
from nbcopilot.sandbox.worker.forks import ChildDied, in_child
from nbcopilot.sandbox.worker.search import collect


def outcomes(payload: Mapping[str, Any], session: Session, watch: Watch) -> dict[str, Any]:
    """See the module's docstring."""
    for number, source in enumerate(payload.get("setup", ())):
        report, _ = session.run(source, f"setup {number}", 10.0)
        if not report["ok"]:
            return {"inputs": [], "outcomes": []}
    base = dict(session.namespace)
    sources = list(payload["sources"])
    inputs = _inputs(payload, sources, session, base)
    return {"inputs": inputs, "outcomes": [_outcomes(source, payload, inputs, session, base) for source in sources]}


def _inputs(payload: Mapping[str, Any], sources: list[str], session: Session, base: dict[str, Any]) -> list[str]:
    """Inputs that most versions accept, found by exploring each."""
    each = float(payload["seconds"]) / max(1, len(sources))
    found: Counter[str] = Counter()
    for source in sources:
        part = {**payload, "source": source, "seconds": each, "limit": payload["limit"]}
        try:
            cases, _ = in_child(lambda part=part: collect(part, session, base), each + 8)  # type: ignore[misc]
        except ChildDied:
            continue
        found.update(case["args"] for case in cases if case["kind"] != "raise")
    return [text for text, _ in found.most_common(int(payload["limit"]))]


def _outcomes(
    source: str, payload: Mapping[str, Any], inputs: list[str], session: Session, base: dict[str, Any]
) -> list[str]:
    def judge() -> list[str]:
        target = load(source, str(payload["function"]), session, base)
        seen = []
        for text in inputs:
            arguments = evaluate(text, session.namespace)
            seen.append(_key(observe.call(target, arguments or [], seconds=0.3, trace=False)))
        return seen

    try:
        return list(in_child(judge, 20))
    except ChildDied:
        return []


def _key(seen: observe.Seen) -> str:
    if seen.kind == "raise":
        return f"raise {seen.error}"
    value = seen.expected
    if observe.has_float(seen.value):
        value = observe.rounded(seen.value)
    return f"{seen.kind} {value} {sorted(seen.after.items())}"
