"""What a check can see of an answer: its result, what it displayed, printed and drew, and every new value.

The helpers raise AssertionError with what was not found. They ask for content and not for form: a number may be the
result, stand in a small table or be printed; a column may be a list; a mapping may be a frame.
"""

from __future__ import annotations

import ast
import contextlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from nbcopilot.evaluation.everyday import changes
from nbcopilot.evaluation.everyday.reading import (
    close,
    flat,
    in_sequence,
    key,
    lines_of,
    maps_of,
    numbers_in,
    plain,
    same_numbers,
)
from nbcopilot.evaluation.everyday.source import cell_source

# Values whose parts count as values too; characters of output that are searched for a number, and for several.
PARTS = 20
OUTPUT_FOR_ONE, OUTPUT_FOR_MANY = 6000, 8000
# A printed label and its number stand on one line, not further apart than this.
APART = 60
LOOPS = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.SetComp)
LOOPING_METHODS = ("apply", "iterrows", "itertuples", "vectorize", "applymap", "map")
Test = Callable[[Any], Any]


@dataclass(frozen=True)
class Sight:
    """The run of one answer. `before` are copies of the variables, `namespace` is what the answer left."""

    namespace: Mapping[str, Any]
    before: Mapping[str, Any]
    result: Any = None
    displayed: Sequence[Any] = ()
    figures: Sequence[Any] = ()
    output: str = ""
    source: str = ""

    def names(self) -> dict[str, Any]:
        """The variables that are new or have another value, other than modules."""
        return {
            name: value
            for name, value in self.namespace.items()
            if not name.startswith("__")
            and not isinstance(value, ModuleType)
            and (name not in self.before or not changes.same(self.before[name], value))
        }

    def values(self) -> list[Any]:
        """The result, displayed objects and new values (last first), with the parts of short containers."""
        found = []
        for value in (self.result, *self.displayed, *reversed(self.names().values())):
            value = plain(value)
            if value is None or isinstance(value, (type, FunctionType)):
                continue
            found.append(value)
            if isinstance(value, (tuple, list)) and len(value) <= PARTS:
                found += [plain(part) for part in value]
            elif isinstance(value, dict) and len(value) <= PARTS:
                found += [plain(part) for part in value.values()]
        return found

    def shows(self, x: float, what: str = "the number", limit: int = 40, pct: bool = False) -> None:
        """x (or with `pct` 100 x) is the result, in a value of at most `limit` elements, or printed."""
        wanted = [float(x), float(x) * 100] if pct else [float(x)]
        numbers = (number for value in self.values() for number in flat(value, limit))
        if any(close(number, one) for number in numbers for one in wanted):
            return
        if len(self.output) < OUTPUT_FOR_ONE:
            printed = numbers_in(self.output)
            if any(close(number, one) for number in printed for one in wanted):
                return
        raise AssertionError(f"{what} ({x!r:.30}) is not shown")

    def column(self, values: Any, what: str = "the values", ordered: bool = False) -> None:
        """These numbers are a column, row, list, the values of a dict, or printed."""
        import numpy as np

        wanted = [float(value) for value in np.asarray(values, dtype=float).ravel()]
        if any(same_numbers(line, wanted, ordered) for value in self.values() for line in lines_of(value)):
            return
        if self.output and len(self.output) < OUTPUT_FOR_MANY:
            printed = numbers_in(self.output)
            present = (any(close(number, one) for number in printed) for one in wanted if not math.isnan(one))
            if in_sequence(wanted, printed) if ordered else all(present):
                return
        first = [round(value, 3) for value in wanted[:4]]
        raise AssertionError(f"{what} {first} are not there" + (" in this order" if ordered else ""))

    def mapping(self, wanted: Mapping[Any, Any], what: str = "the values", ordered: bool = False) -> None:
        """These labels have these numbers in a series, frame, dict, list of pairs, or in printed lines."""
        expected = {key(label): float(number) for label, number in dict(wanted).items()}
        for value in self.values():
            for got in maps_of(value):
                equal = got.keys() == expected.keys() and all(close(got[k], expected[k]) for k in expected)
                if equal and (not ordered or list(got) == list(expected)):
                    return
        if self.output and len(self.output) < OUTPUT_FOR_MANY and self._printed(expected, ordered):
            return
        first = dict(list(expected.items())[:3])
        raise AssertionError(f"{what} {first} are not there" + (" in this order" if ordered else ""))

    def _printed(self, expected: Mapping[Any, float], ordered: bool) -> bool:
        text = self.output.lower()
        spots = []
        for label, number in expected.items():
            name = str(label[-1] if isinstance(label, tuple) else label)
            for match in re.finditer(re.escape(name), text):
                beside = text[match.end() : match.end() + APART].split("\n")[0]
                if any(close(one, number) for one in numbers_in(beside)):
                    spots.append(match.start())
                    break
            else:
                return False
        return not ordered or spots == sorted(spots)

    def frame(self, test: Test, what: str = "no frame as asked") -> Any:
        """The first data frame, or series as a frame, also with its index as columns, for which `test` is true."""
        values = self.values()
        frames = [value for value in values if type(value).__name__ == "DataFrame"]
        frames += [value.to_frame() for value in values if type(value).__name__ == "Series"]
        frames += [frame.reset_index() for frame in list(frames)]
        return _first(frames, test, what)

    def value(self, test: Test, what: str = "no value as asked") -> Any:
        """The first result or new value for which `test` is true; an exception in it counts as no."""
        return _first(self.values(), test, what)

    def function(self, test: Test | None = None, what: str = "no function as asked") -> Any:
        """The last new function or class that `test` does not refuse."""
        why = ""
        for value in reversed(list(self.names().values())):
            if not (callable(value) and (isinstance(value, (FunctionType, type)) or hasattr(value, "__wrapped__"))):
                continue
            try:
                if test is None or test(value) is not False:
                    return value
                why = "the test says no"
            except Exception as exc:
                why = f"{type(exc).__name__}: {exc}"
        raise AssertionError(f"{what}: {why or 'nothing callable is new'}"[:200])

    def axes(self) -> list[Any]:
        """All axes on which something is drawn."""
        drawn = (axes for figure in self.figures for axes in figure.axes)
        found = [axes for axes in drawn if axes.has_data() or axes.texts or axes.images or axes.tables]
        if not found:
            raise AssertionError("no plot")
        return found

    def axis(self, test: Test, what: str) -> Any:
        """The first axes for which `test` is true."""
        return _first(self.axes(), test, what)

    def says(self, *patterns: str) -> None:
        """Each regular expression is found in what was printed, in a text value, or in a comment of the code."""
        comments = " ".join(re.findall(r"#(.*)", self.source))
        texts = " ".join(value for value in self.values() if isinstance(value, str))
        said = f"{self.output} {comments} {texts}".lower()
        for pattern in patterns:
            if not re.search(pattern, said):
                raise AssertionError(f"nothing says {pattern}")

    def no_loop(self) -> None:
        """No loop, comprehension, or method that loops in Python."""
        for node in ast.walk(ast.parse(cell_source(self.source))):
            if isinstance(node, LOOPS):
                raise AssertionError("there is still a loop")
            if isinstance(node, ast.Attribute) and node.attr in LOOPING_METHODS:
                raise AssertionError(f"{node.attr} is a loop")


HELPERS = (
    "shows",
    "column",
    "mapping",
    "frame",
    "value",
    "function",
    "axes",
    "axis",
    "says",
    "no_loop",
    "values",
    "names",
)


def _first(values: Sequence[Any], test: Test, what: str) -> Any:
    for value in values:
        with contextlib.suppress(Exception):
            if bool(test(value)):
                return value
    raise AssertionError(what)
