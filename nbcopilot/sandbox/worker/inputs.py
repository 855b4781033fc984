"""Inputs for one form of call, in the order in which a person would think of them.

    0 calls in the notebook   1 examples in docstrings   2 calls in the model's tests   3 these with one thing changed
    4 values by name and type                            5 searched for: random values and changes of useful ones

What annotations, defaults and the calls of 0 to 2 rule out is never tried. Deterministic, but for the time that bounds it.
"""

from __future__ import annotations

import ast
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbcopilot.sandbox.worker import plausible, traits
from nbcopilot.sandbox.worker.forms import OMITTED, Form, variable
from nbcopilot.sandbox.worker.settling import Shapes
from nbcopilot.sandbox.worker.shapes import INT, NONE
from nbcopilot.sandbox.worker.trial import Check, Did, checks_of, left_alone, perform
from nbcopilot.sandbox.worker.values import Maker, literals
from nbcopilot.sandbox.worker.written import source_or_none

SEEDED, CHANGED, TYPED, SEARCHED = 2, 3, 4, 5
STALE = 250  # calls in a row that reach nothing new, after which a search ends
MAX_TEXT = 420  # characters of the arguments of one call
MOST = {SEEDED: 40, CHANGED: 60, TYPED: 60}


@dataclass
class Found:
    """One call that a test can be made of."""

    form: Form
    place: int  # of the form among those of the name
    sources: list[str | None]
    names: dict[int, str]
    did: Did
    checks: list[Check]
    origin: int
    traits: list[str] = field(default_factory=list)
    outcome: str = ""
    seed: int = -1

    def as_dict(self) -> dict[str, Any]:
        """As JSON: the lines and the call as they stand in a test, and what is told of both."""
        stem = f"{variable(self.form.owner)}." if self.form.owner else ""
        named = bool(stem) and any(check.template.startswith(stem) for check in self.checks)
        lines, call = self.form.written(self.sources, self.names, named=named)
        given = [f"{name} = {self.sources[place]}" for place, name in self.names.items()]
        return {
            "place": self.place, "parameters": [p.name for p in self.form.parameters], "sources": self.sources, "names": {str(k): v for k, v in self.names.items()}, "lines": [*given, *lines],
            "call": call, "checks": [[c.template, c.expected, c.how] for c in self.checks], "origin": self.origin, "traits": self.traits,
            "outcome": self.outcome, "seed": self.seed, "path": sorted(f"{a}>{b}" for a, b in self.did.arcs), "message": self.did.message,
        }  # fmt: skip


class Inputs:
    """The calls of one form that were found so far; `surprises` raised what nobody wrote `raise` for."""

    def __init__(
        self, form: Form, place: int, namespace: dict[str, Any], tree: ast.Module, words: Sequence[str], end: float
    ) -> None:
        self.form, self.place, self.namespace, self.end = form, place, namespace, end
        self.raising = frozenset(n.lineno for n in ast.walk(tree) if isinstance(n, ast.Raise))
        self.maker = Maker(literals(tree))
        self.found: dict[str, Found] = {}
        self.tried: set[str] = set()
        self.reached: set[Any] = set()
        self.useful: list[list[Any]] = []
        self.values: dict[str, list[Any]] = {}
        self.surprises: list[tuple[str, str]] = []
        self.shapes = Shapes(form, namespace, tree, self.maker, words, self.raising)
        self.alone = False

    def attempt(self, values: Sequence[Any], origin: int, seed: int = -1) -> Did | None:
        """Make the call, and keep it when a test can be made of it; None when it cannot be written or was tried."""
        values = [
            float(v) if type(v) is int and type(p.default) is float else v
            for v, p in zip(values, self.form.parameters, strict=True)
        ]
        sources = [None if v is OMITTED else source_or_none(v) for v in values]
        if any(s is None and v is not OMITTED for s, v in zip(sources, values, strict=True)):
            return None
        key = "|".join(map(str, sources))
        if key in self.tried or len(key) > MAX_TEXT:
            return None
        self.tried.add(key)
        did = perform(self.form, self.namespace, values, raising=self.raising)
        new = {*did.arcs, ("raised", did.error)} - self.reached
        if did.nonsense:
            return did
        if did.error and not did.told:
            if origin <= SEEDED:
                self.surprises.append((self.form.written(sources, {})[1], f"{did.error}: {did.message}"))
            return did
        self.reached |= new
        if new:
            self.useful.append(values)
        names = {place: _name(self.form, place) for place in did.changed}
        checks = checks_of(did, self.form, names)
        if checks:
            outcome = traits.of_outcome(did.value, values, did.error)
            self.found[key] = Found(
                self.form,
                self.place,
                sources,
                names,
                did,
                checks,
                origin,
                traits.of_inputs(self.form, values),
                outcome,
                seed,
            )
            self.values[key] = values
            self._alone(key, did, values, origin)
        return did

    def _alone(self, key: str, did: Did, values: Sequence[Any], origin: int) -> None:
        """One more case for the first call with an argument that might be changed, and is not, by what gives its like."""
        places = [p for p, v in enumerate(values) if v is not OMITTED and type(v) is type(did.value) and _is_mutable(v)]
        if did.changed or did.error or self.alone or not places:
            return
        self.alone = True
        names = {place: _name(self.form, place) for place in places[:1]}
        checks = left_alone(did, values, names)
        sources = [None if v is OMITTED else source_or_none(v) for v in values]
        told = [f"{self.form.parameters[place].name}_before_and_after" for place in names]
        if checks:
            self.found[f"{key}|alone"] = Found(
                self.form, self.place, sources, names, did, checks, max(origin, CHANGED), told, "leaves_alone"
            )

    # ------------------------------------------------------------------ in the order of likelihood

    def plain(self, seeds: Sequence[tuple[list[Any], int, int]], around: Mapping[str, Any]) -> None:
        """Everything but what is searched for."""
        for values, origin, seed in seeds:
            if self.shapes.allows(values):
                self.attempt([plausible.cut(v) for v in values], origin, seed)
        good = [values for key, values in self.values.items() if self.found[key].origin <= SEEDED]
        self.shapes.settle([values for values, _, _ in seeds], good, self.end)
        self._around(around)
        for values in itertools.islice(self._changed(good), MOST[CHANGED]):
            if self.is_over:
                return
            self.attempt(values, CHANGED)
        for values in itertools.islice(self._typed(), MOST[TYPED]):
            if self.is_over:
                return
            self.attempt(values, TYPED)

    @property
    def is_over(self) -> bool:
        """Whether the time for finding inputs is used up."""
        return time.monotonic() > self.end

    def _around(self, around: Mapping[str, Any]) -> None:
        """Variables of the notebook that have the parameters' names."""
        needed = [p for p in self.form.parameters if not p.optional]
        if needed and all(p.name in around for p in needed):
            self.attempt(
                [plausible.cut(around[p.name]) if not p.optional else OMITTED for p in self.form.parameters], 0
            )

    def _changed(self, good: Sequence[Sequence[Any]]) -> Iterator[list[Any]]:
        """Calls that are known to make sense, with one argument left out, given, swapped or slightly changed; in turn."""
        streams = [self._changes(list(values), good) for values in good[:12]]
        while streams:
            for stream in list(streams):
                values = next(stream, None)
                if values is None:
                    streams.remove(stream)
                else:
                    yield values

    def _changes(self, values: list[Any], good: Sequence[Sequence[Any]]) -> Iterator[list[Any]]:
        def put(place: int, value: Any) -> list[Any]:
            return [*values[:place], value, *values[place + 1 :]]

        parameters = list(enumerate(self.form.parameters))
        for place, parameter in parameters:
            if parameter.optional and values[place] is not OMITTED:
                yield put(place, OMITTED)
            elif parameter.optional:
                others = [v[place] for v in good if v[place] is not OMITTED]
                if isinstance(parameter.default, (int, float)) and not isinstance(parameter.default, bool):
                    others += [type(parameter.default)(bound) for bound in [*self.maker.ints, *self.maker.floats][:2]]
                others += [] if parameter.spread else list(plausible.neighbours(parameter.default))[:2]
                others += self.shapes.some(place, 2) if not others else []
                yield from (put(place, other) for other in others[:4])
        for place, _ in parameters:
            if NONE in self.shapes.of[place] and values[place] is not None:
                yield put(place, None)
            if isinstance(values[place], (int, float)) and not isinstance(values[place], bool):
                bounds = [*self.maker.ints, *self.maker.floats][:5]
                yield from (put(place, type(values[place])(bound)) for bound in bounds)
            for other in good:
                if other[place] is not OMITTED and other is not values:
                    yield put(place, other[place])
            if values[place] is not OMITTED and not _is_column(values[place], values):
                yield from (put(place, other) for other in plausible.neighbours(values[place]))

    def _typed(self) -> Iterator[list[Any]]:
        """Plausible values, each parameter at its own pace, then the least values one at a time."""
        pools = []
        for place, parameter in enumerate(self.form.parameters):
            some = [
                v
                for shape in self.shapes.of[place] or [INT]
                for v in self.shapes.values(shape, parameter, self.shapes.first)
            ]
            pools.append(some or [None])
        if not pools:
            yield []
            return
        typical = [pool[0] for pool in pools]
        for number in range(12):
            yield [pool[(number * (1 + at)) % len(pool)] for at, pool in enumerate(pools)]
        for place, parameter in enumerate(self.form.parameters):
            if parameter.optional:
                yield [*typical[:place], OMITTED, *typical[place + 1 :]]
            least = [v for shape in self.shapes.of[place] for v in plausible.edges(shape)]
            yield from ([*typical[:place], [v] if parameter.spread else v, *typical[place + 1 :]] for v in least)
        for number in range(len(max(pools, key=len))):
            yield [pool[(number * (1 + at) + at) % len(pool)] for at, pool in enumerate(pools)]
            yield self.maker.related([pool[(number + at) % len(pool)] for at, pool in enumerate(pools)])

    def search(self, most: int) -> None:
        """Random values of the shapes, and changes of those that reached new code, until `most` or time is over."""
        pick = self.maker.random
        stale = 0
        for _ in range(most):
            if self.is_over or stale > STALE:
                return
            before = len(self.useful)
            if self.useful and pick.random() < 0.5:
                values = list(pick.choice(self.useful))
                places = [p for p, v in enumerate(values) if v is not OMITTED and self._plain(v)]
                if places:
                    at = pick.choice(places)
                    values[at] = self.maker.changed(values[at])
            else:
                values = [
                    [self.maker.random_value(pick.choice(shapes or [INT]))] if p.spread else self.maker.random_value(pick.choice(shapes or [INT]))
                    if all(s[0] not in ("date", "path") for s in shapes) else pick.choice(self.shapes.some(place, 4) or [0])
                    for place, (p, shapes) in enumerate(zip(self.form.parameters, self.shapes.of, strict=True))
                ]  # fmt: skip
            if pick.random() < 0.3 and all(v is not OMITTED and self._plain(v) for v in values):
                values = self.maker.related(values)
            if self._allowed(values):
                self.attempt(values, SEARCHED)
            stale = stale + 1 if len(self.useful) == before else 0

    def _plain(self, value: Any) -> bool:
        return isinstance(value, (int, float, str, list, tuple, dict, set, frozenset))

    def _allowed(self, values: Sequence[Any]) -> bool:
        return all(
            v is OMITTED or p.spread or plausible.fit(v, s)
            for v, p, s in zip(values, self.form.parameters, self.shapes.of, strict=True)
        )


def _is_column(value: Any, values: Sequence[Any]) -> bool:
    """Whether it is the name of a column of a table beside it."""
    return isinstance(value, str) and any(value in getattr(other, "columns", ()) for other in values)


def _is_mutable(value: Any) -> bool:
    return isinstance(value, (list, dict, set)) or type(value).__module__.split(".")[0] in ("pandas", "numpy")


def _name(form: Form, place: int) -> str:
    """A variable for the argument: the parameter's name, unless it is that of the function."""
    name = form.parameters[place].name
    return f"{name}_" if name in {step.name for step in form.steps} else name
