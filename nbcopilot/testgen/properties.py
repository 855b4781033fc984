"""Property tests with Hypothesis: what holds for every input of a kind, where the kind is known.

The kind comes from annotations, or from inputs of one shape that the function accepts; ranges and alphabets are those of
the inputs seen. Only what the recorded cases do not refute is proposed; whether it holds is found out by running it.
Pure: nothing runs here.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nbcopilot.notebook import syntax
from nbcopilot.sandbox.worker.shapes import BOOL, FLOAT, INT, STR, Shape, of_hint, shape_of
from nbcopilot.testgen.split import SingleTest

EXAMPLES = 50
LEAST_CASES = 3
TRIAL_IMPORTS = (
    "from hypothesis import HealthCheck, Phase, given, settings",
    "from hypothesis import strategies as st",
)
IMPORTS = ("from hypothesis import HealthCheck, given, settings", "from hypothesis import strategies as st")
Case = Mapping[str, Any]

# Claims by the kind of the one argument `x` and of the result; `f` is the function. A claim that mentions f calls it anew.
_SEQUENCE = (
    "len(result) == len(x)", "sorted(result) == sorted(x)", "result == sorted(result)", "len(set(result)) == len(result)",
    "set(result) <= set(x)", "f(result) == result", "f(result) == x", "f(x[::-1]) == result",
)  # fmt: skip
_TEXT = ("len(result) == len(x)", "f(result) == result", "f(result) == x", "result == result.lower()", "result in x")
_NUMBER_OF_MANY = (
    "min(x) <= result <= max(x)",
    "0 <= result <= len(x)",
    "result in x",
    "result >= 0",
    "f(x[::-1]) == result",
)
_NUMBER_OF_ONE = (
    "result >= 0",
    "result <= x",
    "result >= x",
    "f(result) == result",
    "f(-x) == result",
    "f(x + 1) >= result",
)
_OF_TWO = ("f(y, x) == result", "min(x, y) <= result <= max(x, y)", "result >= 0", "f(x, x) == x")


@dataclass(frozen=True)
class Property:
    """One property test to be: the function, its arguments as (name, strategy), and the claims about `result`."""

    function: str
    arguments: tuple[tuple[str, str], ...]
    claims: tuple[str, ...]

    def test(self, name: str, *, trial: bool = False) -> SingleTest:
        """The property as a pytest function; it draws the same inputs in every run.

        trial: stop at the first input that refutes it, and do not look for a simpler one.
        """
        given = ", ".join(f"{argument}={strategy}" for argument, strategy in self.arguments)
        names = [argument for argument, _ in self.arguments]
        lines = [
            # No health checks: how fast inputs are drawn is about the machine, not about the function.
            f"@settings(derandomize=True, max_examples={EXAMPLES}, deadline=None, database=None, "
            f"suppress_health_check=list(HealthCheck){', phases=[Phase.generate]' if trial else ''})",
            f"@given({given})",
            f"def {name}({', '.join(names)}):",
            f'    """What holds for {EXAMPLES} generated inputs (characterisation)."""',
            f"    result = {self.function}({', '.join(names)})",
            *(f"    assert {self._written(claim)}" for claim in self.claims),
        ]
        return SingleTest(name, "\n".join(lines))

    def without(self, failed: str) -> Property | None:
        """The property without the claim that `failed`, a line of the test; None when no claim is left to hold."""
        left = tuple(claim for claim in self.claims if self._written(claim) not in failed)
        return replace(self, claims=left) if says_something(left) and left != self.claims else None

    def _written(self, claim: str) -> str:
        names = dict(zip("xy", (argument for argument, _ in self.arguments), strict=False))
        names["f"] = self.function
        return re.sub(r"\b([fxy])\b", lambda found: names.get(found[1], found[1]), claim)


def propose(source: str, function: str, cases: Sequence[Case]) -> Property | None:
    """The property test to try for a function at the top level, None where its types do not allow one."""
    node = next((n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == function), None)
    if node is None or node.args.vararg or node.args.kwarg or node.args.kwonlyargs or node.args.posonlyargs:
        return None
    rows = list(_rows(cases, len(node.args.args)))
    names = {argument.arg for argument in node.args.args}
    if (
        len(rows) < LEAST_CASES
        or not 1 <= len(names) <= 2
        or names & {"result", function, "st", "given", "settings", "HealthCheck"}
    ):
        return None
    strategies, shapes = [], []
    for place, argument in enumerate(node.args.args):
        values = [row[0][place] for row in rows]
        shape = _shape(argument.annotation, values)
        fitting = [value for value in values if shape is not None and _fits(value, shape)]
        strategy = _strategy(shape, fitting) if shape and len(fitting) >= LEAST_CASES else ""
        if not strategy or shape is None:
            return None
        strategies.append((argument.arg, strategy))
        shapes.append(shape)
    fit = [row for row in rows if all(_fits(v, s) for v, s in zip(row[0], shapes, strict=True))]
    claims = [
        claim for claim in _claims(shapes, [result for _, result in fit]) if all(_allows(claim, row) for row in fit)
    ]
    return Property(function, tuple(strategies), tuple(claims)) if says_something(claims) else None


def says_something(claims: Sequence[str]) -> bool:
    """Whether a claim is about more than the type."""
    return any(not claim.startswith("isinstance(") for claim in claims)


def _rows(cases: Sequence[Case], count: int) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """(arguments, result) of the recorded calls that return a value which can be written out."""
    for case in cases:
        if case["kind"] != "value" or case["wrap"] != "{}" or case["after"]:
            continue
        try:
            call = ast.parse(f"f({case['args']})", mode="eval").body
            assert isinstance(call, ast.Call)
            arguments = tuple(ast.literal_eval(a) for a in call.args)
            result = syntax.literal(str(case["expected"]))
        except (ValueError, SyntaxError, TypeError):
            continue
        if len(arguments) == count:
            yield arguments, result


def _shape(annotation: ast.expr | None, values: Sequence[Any]) -> Shape | None:
    """The shape of a parameter: what its annotation says, else the one that all accepted values have."""
    told = of_hint(annotation) if annotation is not None else []
    if told:
        return told[0] if len(told) == 1 else None
    found = {shape for value in values if (shape := shape_of(value)) is not None and value not in ([], (), {}, set())}
    return found.pop() if len(found) == 1 else None


def _fits(value: Any, shape: Shape) -> bool:
    kinds: dict[str, Any] = {"int": int, "float": (int, float), "str": str, "bool": bool, "list": list, "set": set}
    kind = kinds.get(shape[0])
    if kind is None or not isinstance(value, kind) or (isinstance(value, bool) and shape != BOOL):
        return False
    return shape[0] not in ("list", "set") or all(_fits(item, shape[1]) for item in value)


def _strategy(shape: Shape, values: Sequence[Any]) -> str:
    """The Hypothesis strategy for values like these; "" for shapes that have none here."""
    if shape == BOOL:
        return "st.booleans()"
    if shape in (INT, FLOAT):
        numbers = [value for value in values if not isinstance(value, float) or math.isfinite(value)]
        low, high = max(-100, math.floor(min(numbers, default=0))), min(100, math.ceil(max(numbers, default=9)))
        low, high = min(low, high), max(low, high)
        return f"st.integers({low}, {high})" if shape == INT else f"st.floats({low}, {high})"
    if shape == STR:
        alphabet = "".join(sorted({char for value in values for char in value if char.isprintable()}))[:40] or "ab"
        return f"st.text({alphabet!r}, {_sizes(values, 12)})"
    if shape[0] in ("list", "set"):
        inner = _strategy(shape[1], [item for value in values for item in value])
        made = {"list": "lists", "set": "sets"}[shape[0]]
        return f"st.{made}({inner}, {_sizes(values, 8)})" if inner else ""
    return ""


def _sizes(values: Sequence[Any], most: int) -> str:
    least = min((len(value) for value in values), default=0)
    return f"min_size={least}, max_size={max(most, least)}" if least else f"max_size={most}"


def _claims(shapes: Sequence[Shape], results: Sequence[Any]) -> tuple[str, ...]:
    kinds = {type(result) for result in results}
    numeric = bool(kinds & {int, float}) and not kinds - {int, float}
    name = next(iter(kinds)).__name__ if len(kinds) == 1 else ""
    typed = (f"isinstance(result, {name})",) if name in _SAFE else ()
    if len(shapes) == 2:
        return (*(_OF_TWO if shapes[0] == shapes[1] else ()), *typed)
    kind = shapes[0][0]
    if numeric:
        return (
            *(_NUMBER_OF_MANY if kind in ("list", "str") else _NUMBER_OF_ONE if kind in ("int", "float") else ()),
            *typed,
        )
    if kind == "list" and kinds == {list}:
        return (*_SEQUENCE, *typed)
    if kind == "str" and kinds == {str}:
        return (*_TEXT, *typed)
    return (*(("f(x[::-1]) == result",) if kind in ("list", "str") else ()), *typed)


_SAFE = {"len": len, "sorted": sorted, "set": set, "min": min, "max": max, "isinstance": isinstance,
         "int": int, "float": float, "str": str, "bool": bool, "list": list, "dict": dict, "tuple": tuple}  # fmt: skip


def _allows(claim: str, row: tuple[tuple[Any, ...], Any]) -> bool:
    """Whether a recorded call does not refute the claim; one that calls the function anew is left to the run."""
    if re.search(r"\bf\(", claim):
        return True
    arguments, result = row
    try:
        # Our own expressions over literals: no code of the model's.
        return bool(
            eval(claim, {"__builtins__": {}, **_SAFE}, {**dict(zip("xy", arguments, strict=False)), "result": result})
        )
    except (TypeError, ValueError, AttributeError):
        return False
