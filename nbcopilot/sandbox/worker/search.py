"""Inputs for a function found by calling it, guided by what they reach: which shapes it accepts, which values say most.

Deterministic for the same source and seeds, but for the wall time that bounds it. Runs in a fork; judges nothing.
"""

from __future__ import annotations

import ast
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbcopilot.sandbox.worker import observe
from nbcopilot.sandbox.worker.calling import evaluate, guesses, load
from nbcopilot.sandbox.worker.execute import Session
from nbcopilot.sandbox.worker.forms import definition
from nbcopilot.sandbox.worker.observe import NONSENSE, Seen
from nbcopilot.sandbox.worker.values import Maker, literals
from nbcopilot.sandbox.worker.written import NoSource, source_of

PROBES = 6  # calls that decide whether a combination of shapes is accepted
COMBINATIONS = 70


@dataclass
class Case:
    """Arguments that were tried and what came out. `seed`: they stand in the notebook or the docstring."""

    arguments: list[Any]
    source: str
    seen: Seen
    seed: bool = False
    shapes: tuple[Any, ...] = ()
    fresh: int = 0  # lines and steps that it was the first to reach

    def as_dict(self) -> dict[str, Any]:
        seen = self.seen
        return {
            "args": self.source, "kind": seen.kind, "expected": seen.expected, "wrap": seen.wrap, "error": seen.error,
            "after": {str(place): text for place, text in seen.after.items()}, "float": observe.has_float(seen.value),
            "seed": self.seed, "fresh": self.fresh,
        }  # fmt: skip


@dataclass
class Pool:
    """Cases found so far, each behaviour once or a few times."""

    cases: dict[str, Case] = field(default_factory=dict)
    reached: set[Any] = field(default_factory=set)
    useful: list[Case] = field(default_factory=list)
    executed: int = 0

    def add(self, case: Case) -> bool:
        """Keep a case; True when it reached something new."""
        self.executed += 1
        marks = (
            set(case.seen.arcs) | {("line", n) for n in case.seen.lines} | {("out", case.seen.kind, case.seen.error)}
        )
        new = marks - self.reached
        case.fresh = len(new)
        if case.seen.kind == "odd" or case.seen.error in NONSENSE:
            return False
        self.cases.setdefault(case.source, case)
        if new:
            self.reached |= new
            self.useful.append(case)
        return bool(new)


def collect(payload: Mapping[str, Any], session: Session, base: dict[str, Any]) -> tuple[list[dict[str, Any]], Any]:
    source, name = str(payload["source"]), str(payload["function"])
    try:
        tree = ast.parse(source)
        target = load(source, name, session, base)
        parameters = guesses(tree, name)
    except Exception as exc:
        return [], f"{type(exc).__name__}: {exc}"
    maker = Maker(literals(definition(tree, name.split(".")[0]) or tree))
    pool = Pool()
    deadline = time.monotonic() + float(payload["seconds"])
    for text in payload.get("seeds", ()):
        arguments = evaluate(text, session.namespace)
        if arguments is not None:
            _try(pool, target, arguments, seed=True)
    if not parameters:
        _try(pool, target, [])
    else:
        chosen = _accepted(pool, target, parameters, maker, deadline)
        _search(pool, target, chosen, maker, deadline)
    limit = int(payload["limit"])
    return [case.as_dict() for case in _spread(list(pool.cases.values()), limit)], pool.executed


def _try(
    pool: Pool, target: Callable[..., Any], arguments: list[Any], shapes: tuple[Any, ...] = (), *, seed: bool = False
) -> tuple[Seen | None, bool]:
    """(what was seen, whether it is new); (None, False) for arguments that cannot be written down."""
    try:
        text = ", ".join(source_of(value) for value in arguments)
    except (NoSource, RecursionError):
        return None, False
    if len(text) > 300 or text in pool.cases:
        return None, False
    seen = observe.call(target, arguments)
    return seen, pool.add(Case(arguments, text, seen, seed, shapes))


def _accepted(
    pool: Pool, target: Callable[..., Any], guesses: list[list[tuple[Any, float]]], maker: Maker, deadline: float
) -> list[tuple[tuple[Any, ...], float]]:
    """The combinations of shapes that the function takes, with weights: likely ones that reach much code first."""
    scored = []
    stop = time.monotonic() + (deadline - time.monotonic()) * 0.4
    best_prior = None
    for combination, prior in itertools.islice(_combinations(guesses), COMBINATIONS):
        best_prior = prior if best_prior is None else best_prior
        if time.monotonic() > stop or prior < best_prior - 12:
            break
        taken = tried = 0
        lines: set[int] = set()
        simple = [maker.simple(shape) for shape in combination]
        for probe in range(PROBES):
            arguments = [values[(probe * (1 + place)) % len(values)] for place, values in enumerate(simple)]
            if probe >= PROBES // 2:
                arguments = maker.related([maker.random_value(shape, 3) for shape in combination])
            seen, _ = _try(pool, target, arguments, combination)
            if seen is None:
                continue
            tried += 1
            if seen.error not in NONSENSE and seen.kind != "odd":
                taken += 1
                lines |= seen.lines
        if taken and taken * 3 >= tried:
            scored.append((combination, prior + 0.7 * len(lines) + 2.0 * taken / max(1, tried)))
    scored.sort(key=lambda pair: -pair[1])
    top = [pair for pair in scored[:4] if pair[1] > scored[0][1] - 2.5]
    taken_shapes = {combination for combination, _ in top}
    pool.cases = {k: c for k, c in pool.cases.items() if c.seed or c.shapes in taken_shapes}
    pool.useful = [c for c in pool.useful if c.seed or c.shapes in taken_shapes]
    return [(combination, math.exp(min(0.0, score - top[0][1]))) for combination, score in top]


def _combinations(guesses: list[list[tuple[Any, float]]]) -> Iterator[tuple[tuple[Any, ...], float]]:
    """(shapes, log weight) for all parameters together, likeliest first."""
    keep = {1: 20, 2: 9, 3: 5}.get(len(guesses), 3)
    lists = [[(shape, math.log(weight)) for shape, weight in guess[:keep]] for guess in guesses]
    whole = [(tuple(s for s, _ in some), sum(w for _, w in some)) for some in itertools.product(*lists[:6])]
    yield from sorted(whole, key=lambda pair: -pair[1])


def _search(
    pool: Pool, target: Callable[..., Any], chosen: list[tuple[tuple[Any, ...], float]], maker: Maker, deadline: float
) -> None:
    """Simple values, random values, and changes of useful ones, until the time is up or nothing new comes."""
    if not chosen:
        return
    first = [maker.simple(shape) for shape in chosen[0][0]]
    for place in range(max(map(len, first))):
        if time.monotonic() > deadline:
            return
        # Each parameter at its own pace, so that not all have the same value.
        _try(pool, target, [values[place * (1 + at) % len(values)] for at, values in enumerate(first)], chosen[0][0])
    pick = maker.random
    weights = [weight for _, weight in chosen]
    stale = 0
    while time.monotonic() < deadline and stale < 5000 and pool.executed < 5000:
        kind = pick.random()
        if kind < 0.4 and pool.useful:
            case = pick.choice(pool.useful)
            arguments = list(case.arguments)
            if arguments:
                at = pick.randrange(len(arguments))
                arguments[at] = maker.changed(arguments[at])
        else:
            (combination,) = pick.choices([c for c, _ in chosen], weights)
            if kind < 0.55:
                arguments = [pick.choice(maker.simple(shape)) for shape in combination]
            else:
                arguments = [maker.random_value(shape) for shape in combination]
        if pick.random() < 0.35:
            arguments = maker.related(arguments)
        _, new = _try(pool, target, arguments)
        stale = 0 if new else stale + 1


def _spread(cases: list[Case], limit: int) -> list[Case]:
    """At most `limit` cases: seeds and those that reached new code, then as many different outcomes as possible."""
    chosen = {id(c): c for c in cases if c.seed or c.fresh}
    by_outcome: dict[Any, list[Case]] = {}
    for case in sorted(cases, key=lambda c: len(c.source)):
        by_outcome.setdefault((case.seen.key, case.seen.arcs), []).append(case)
    groups = list(by_outcome.values())
    depth = 0
    while len(chosen) < limit and any(len(group) > depth for group in groups):
        for group in groups:
            if len(group) > depth and len(chosen) < limit:
                chosen.setdefault(id(group[depth]), group[depth])
        depth += 1
    return sorted(chosen.values(), key=lambda c: (not c.seed, len(c.source)))[:limit]
