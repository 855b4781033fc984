"""Calls of the code under test that tests can be made of: found, tried twice, and tried on every mutant.

payload: setup, source, function ("f", "Class" or "Class.method"), calls ([argument list, origin]), around (sources of
         the notebook, for what the calls name; one that fails is passed over), words (texts of its docstring and
         tests), mutants (sources), seconds, mutant_seconds, limit
answer:  cases, kills (for each mutant the cases that tell it; [-1]: no time), surprises ([call, what it raised]), problem, unsteady
         (whether nothing was left because no outcome was the same twice)
"""

from __future__ import annotations

import ast
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nbcopilot.sandbox.worker.audit import Watch
from nbcopilot.sandbox.worker.batches import in_batches
from nbcopilot.sandbox.worker.execute import Session
from nbcopilot.sandbox.worker.forks import ChildDied, in_child
from nbcopilot.sandbox.worker.forms import OMITTED, Form, forms_of
from nbcopilot.sandbox.worker.inputs import SEARCHED, Inputs
from nbcopilot.sandbox.worker.observe import TARGET
from nbcopilot.sandbox.worker.source import execute
from nbcopilot.sandbox.worker.trial import Check, evaluated, holds, perform

SEARCHES = 600


def explore(payload: Mapping[str, Any], session: Session, watch: Watch) -> dict[str, Any]:
    """See the module's docstring."""
    if problem := _prepared(payload, session):
        return {"cases": [], "kills": [], "surprises": [], "problem": problem}
    work = _Work(payload, session)
    try:
        plain, surprises = work.found(searched=False)
        tried = len(plain)
        plain = work.steady(plain)
        kills = work.kills(plain, payload.get("mutants", ()))
        left = [place for place, told in enumerate(kills) if not told]
        if left and time.monotonic() < work.end:
            with contextlib.suppress(ChildDied):
                more = work.steady(work.found(searched=True)[0])
                told = work.kills(more, [payload["mutants"][place] for place in left])
                for place, cases in zip(left, told, strict=True):
                    kills[place] = [case + len(plain) if case >= 0 else case for case in cases]
                plain += more
    except ChildDied as died:
        return {
            "cases": [],
            "kills": [],
            "surprises": [],
            "problem": f"it ended the process that called it ({died.told()})",
        }
    except _Broken as broken:
        return {"cases": [], "kills": [], "surprises": [], "problem": str(broken)}
    return {"cases": plain, "kills": kills, "surprises": surprises, "problem": "", "unsteady": tried and not plain}


def _prepared(payload: Mapping[str, Any], session: Session) -> str:
    """Run the cells that the code stands on; why that failed, "" when it did not."""
    for number, source in enumerate(payload.get("setup", ())):
        report, _ = session.run(source, f"setup {number}", 10.0)
        if not report["ok"]:
            return f"{report['error']['name']}: {report['error']['message']}"
    for number, source in enumerate(payload.get("around", ())):
        session.run(source, f"around {number}", 5.0)
    return ""


class _Broken(Exception):
    """The source cannot be loaded, or there is nothing to call."""


class _Work:
    """One exploration: everything that runs the code does so in a fork."""

    def __init__(self, payload: Mapping[str, Any], session: Session) -> None:
        self.payload, self.session = payload, session
        self.base = dict(session.namespace)
        self.end = time.monotonic() + float(payload["seconds"])

    def load(self, source: str) -> list[Form]:
        """The forms of the function after `source` has run on a copy of the base namespace."""
        self.session.namespace.clear()
        self.session.namespace.update(self.base)
        execute(source, TARGET, self.session.namespace)
        return forms_of(ast.parse(source), str(self.payload["function"]), self.session.namespace)

    def found(self, *, searched: bool) -> tuple[list[dict[str, Any]], list[Any]]:
        """(cases, surprises) of all forms. Raises ChildDied and _Broken."""
        answer = in_child(lambda: self._found(searched), max(1.0, self.end - time.monotonic()) + 10)
        if answer["problem"]:
            raise _Broken(answer["problem"])
        return answer["cases"], answer["surprises"]

    def _found(self, searched: bool) -> dict[str, Any]:
        tree = ast.parse(str(self.payload["source"]))
        try:
            forms = self.load(str(self.payload["source"]))
        except BaseException as exc:
            return {"cases": [], "surprises": [], "problem": f"{type(exc).__name__}: {exc}"}
        cases: list[dict[str, Any]] = []
        surprises: list[Any] = []
        left = self.end - time.monotonic()
        share = left * (1.0 if searched else 0.5) / max(1, len(forms))
        for place, form in enumerate(forms):
            end = time.monotonic() + max(0.3, share)
            inputs = Inputs(form, place, self.session.namespace, tree, self.payload.get("words", ()), end)
            seeds = []
            for number, (text, origin) in enumerate(self.payload.get("calls", ())):
                if (values := form.bind(text, self.session.namespace)) is not None:
                    seeds.append((values, int(origin), number))
            inputs.plain(seeds, self.base)
            if searched:
                inputs.search(SEARCHES)
            some = [f for f in inputs.found.values() if (f.origin == SEARCHED) is searched]
            cases += [f.as_dict() for f in _various(some, int(self.payload["limit"]) // len(forms) + 1)]
            surprises += inputs.surprises[:4]
        return {"cases": cases, "surprises": surprises, "problem": "" if forms else "it cannot be called"}

    def steady(self, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The cases that give the same again, in another process and another order."""

        def again() -> list[int]:
            forms = self.load(str(self.payload["source"]))
            same = []
            for place in reversed(range(len(cases))):
                if not _differs(cases[place], forms, self.session.namespace):
                    same.append(place)
            return same

        kept = set(in_child(again, 30)) if cases else set()
        return [case for place, case in enumerate(cases) if place in kept]

    def kills(self, cases: Sequence[dict[str, Any]], mutants: Sequence[str]) -> list[list[int]]:
        """For each mutant the cases that tell it from the original; [-1] when there was no time for it."""

        def told(source: str, mark: Callable[[int], None]) -> list[int]:
            try:
                forms = self.load(source)
            except BaseException:
                return list(range(len(cases)))
            found, late = [], 0
            for place, case in enumerate(cases):
                mark(place)
                started = time.process_time()
                if _differs(case, forms, self.session.namespace):
                    found.append(place)
                    late += time.process_time() - started > 0.14
                    if late >= 3:
                        break
            return found

        return in_batches(mutants, told, float(self.payload["mutant_seconds"])) if cases else [[] for _ in mutants]


def _various(found: Sequence[Any], limit: int) -> list[Any]:
    """At most `limit` cases: likely origins first, and as many different paths and outcomes as there are."""
    groups: dict[Any, list[Any]] = {}
    for one in sorted(found, key=lambda f: (f.origin, sum(len(s or "") for s in f.sources))):
        groups.setdefault((one.did.arcs, one.outcome), []).append(one)
    chosen: list[Any] = []
    depth = 0
    while len(chosen) < limit and any(len(group) > depth for group in groups.values()):
        chosen += [group[depth] for group in groups.values() if len(group) > depth]
        depth += 1
    return sorted(chosen[:limit], key=lambda f: f.origin)


def _differs(case: Mapping[str, Any], forms: Sequence[Form], namespace: Mapping[str, Any]) -> bool:
    """Whether a test of this case would fail on the code in the namespace."""
    form = forms[int(case["place"])] if int(case["place"]) < len(forms) else None
    if form is None or len(form.parameters) != len(case["sources"]):
        return True
    names = {int(place): name for place, name in case["names"].items()}
    try:
        values = [OMITTED if text is None else evaluated(text, namespace) for text in case["sources"]]
        checks = [Check(*check) for check in case["checks"]]
        expected = [c.expected if c.template == "raise" else evaluated(c.expected, namespace) for c in checks]
    except Exception:
        return True
    did = perform(form, namespace, values, seconds=0.15, trace=False)
    return not all(holds(c, did, form, names, value) for c, value in zip(checks, expected, strict=True))
