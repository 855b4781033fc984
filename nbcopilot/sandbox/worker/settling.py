"""Of which shapes the parameters of a call are, and plausible values of them.

By annotation, by the values that were seen, by default, else by trying what the code's use of a parameter suggests.
"""

from __future__ import annotations

import ast
import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

from nbcopilot.sandbox.worker import guess, plausible
from nbcopilot.sandbox.worker.forms import OMITTED, Form, Parameter
from nbcopilot.sandbox.worker.shapes import FLOAT, INT, Shape, of_hint, of_value_object
from nbcopilot.sandbox.worker.trial import perform
from nbcopilot.sandbox.worker.values import Maker

SHAPES_TRIED = 24
GUESSES = 5


class Shapes:
    """`of` has the shapes of each parameter, likeliest first. words: texts of the code's own docstrings and tests."""

    def __init__(
        self, form: Form, namespace: Mapping[str, Any], tree: ast.Module, maker: Maker, words: Sequence[str], raising: frozenset[int]
    ) -> None:  # fmt: skip
        self.form, self.namespace, self.maker, self.raising = form, namespace, maker, raising
        self.words = list(words)
        texts = [p.default for p in form.parameters if isinstance(p.default, str) and p.default.isidentifier()]
        self.columns = list(dict.fromkeys([*_columns(tree), *texts]))
        self.of: list[list[Shape]] = [[] for _ in form.parameters]

    def allows(self, values: Sequence[Any]) -> bool:
        """Whether annotations allow the values."""
        for value, parameter in zip(values, self.form.parameters, strict=True):
            told = of_hint(parameter.annotation) if parameter.annotation is not None else []
            if told and value is not OMITTED and not plausible.fit(value, [*told, *([INT] if FLOAT in told else [])]):
                return False
        return True

    def settle(self, seeds: Sequence[Sequence[Any]], good: Sequence[Sequence[Any]], end: float) -> None:
        """Decide of which shapes each parameter is: by annotation, by what was seen, by default, else by trying guesses."""
        open_ = []
        for place, parameter in enumerate(self.form.parameters):
            told = of_hint(parameter.annotation) if parameter.annotation is not None else []
            seen = [values[place] for values in (good or seeds) if values[place] is not OMITTED]
            known = [shape for value in seen if (shape := of_value_object(value)) is not None]
            default = (
                of_value_object(parameter.default)
                if parameter.default not in (None, OMITTED) and parameter.optional and not parameter.spread
                else None
            )
            self.of[place] = list(dict.fromkeys(told or known or ([default] if default else [])))[:3]
            if not self.of[place]:
                open_.append(place)
        if open_:
            self._guess(open_, end)

    def _guess(self, open_: Sequence[int], end: float) -> None:
        weighed = _guesses(self.form)
        options = [
            weighed[place][:GUESSES] if place in open_ else [(s, 1.0) for s in self.of[place][:1]]
            for place in range(len(self.of))
        ]
        whole = sorted(itertools.islice(itertools.product(*options), 400), key=lambda some: -sum(w for _, w in some))
        best: tuple[float, tuple[Any, ...]] | None = None
        for rank, some in enumerate(whole[:SHAPES_TRIED]):
            shapes = [shape for shape, _ in some]
            taken, lines = 0.0, set[int]()
            for probe in range(4):
                values = [self._value(shapes, place, probe) for place in range(len(shapes))]
                did = perform(self.form, self.namespace, values, raising=self.raising, seconds=0.3)
                if not did.nonsense and (not did.error or did.told):
                    taken += 0.3 if did.error else 1.0
                    lines |= did.lines
            score = taken * 1.5 + len(lines) * 0.5 - rank * 0.25
            if taken and (best is None or score > best[0]):
                best = (score, tuple(shapes))
            if time.monotonic() > end:
                break
        chosen = (
            best[1] if best else tuple(options[place][0][0] if options[place] else INT for place in range(len(options)))
        )
        for place in open_:
            self.of[place] = [chosen[place]]

    def values(self, shape: Shape, parameter: Parameter, among: Sequence[Shape]) -> list[Any]:
        """Plausible values of one parameter; beside a table, a text without a default is the name of a column."""
        columns = self.columns
        if any(other[0] == "frame" for other in among):
            named = [
                p.name for p, s in zip(self.form.parameters, among, strict=True) if s[0] == "str" and not p.optional
            ]
            if shape[0] == "str" and not parameter.optional:
                return [parameter.name]
            columns = list(dict.fromkeys([*named, *columns]))
        some = plausible.values(shape, parameter.name, self.maker, self.words, columns)
        return [[value] for value in some] if parameter.spread else some

    def _value(self, shapes: Sequence[Shape], place: int, number: int) -> Any:
        some = self.values(shapes[place], self.form.parameters[place], shapes) or [0]
        return some[number % len(some)]

    @property
    def first(self) -> list[Shape]:
        return [shapes[0] if shapes else INT for shapes in self.of]

    def some(self, place: int, count: int) -> list[Any]:
        return self.values(self.first[place], self.form.parameters[place], self.first)[:count]


def _columns(tree: ast.AST) -> list[str]:
    """Texts that are looked up in something: `df["amount"]`, `by="shop"`."""
    found: list[str] = []
    for node in ast.walk(tree):
        inner = (
            node.slice
            if isinstance(node, ast.Subscript)
            else node.value
            if isinstance(node, ast.keyword) and node.arg in ("by", "on", "subset", "index", "columns", "values")
            else None
        )
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("groupby", "sort_values", "drop", "set_index")
        ):
            inner = node.args[0] if node.args else inner
        parts = inner.elts if isinstance(inner, (ast.List, ast.Tuple)) else [inner] if inner is not None else []
        found += [p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)]
    return list(dict.fromkeys(found))


def _guesses(form: Form) -> list[list[tuple[Shape, float]]]:
    found: list[list[tuple[Shape, float]]] = []
    for step in form.steps:
        guessed = guess.by_name(step.function) if step.function is not None else {}
        found += [
            guessed.get(p.name) or [(INT, 1.0), (FLOAT, 0.9), (("str",), 0.8), (("list", INT), 0.7)]
            for p in step.parameters
        ]
    return found
