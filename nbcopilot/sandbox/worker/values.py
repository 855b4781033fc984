"""Values of a shape: simple and edge values first, then random ones, then small changes of values that proved useful.

All randomness comes from one seeded generator, so that the same function always gets the same inputs. Values are
plain Python; what they look like in a test is `repr`.
"""

from __future__ import annotations

import ast
import copy
import importlib
import random
from collections.abc import Callable, Sequence
from typing import Any

from nbcopilot.sandbox.worker.shapes import Shape, shape_of

_INTS = (0, 1, 2, 3, -1, 4, 5, 7, 10, 6, 8, 9, 12, -5, 15, 16, 20, 25, 27, 30, 36, 49, 64, 97, 100, 101, 121, 123, -7, -10, 1000, 255, 343)  # fmt: skip
_FLOATS = (0.0, 1.0, 0.5, 2.0, -1.0, 1.5, 3.0, 2.5, -0.5, 0.1, 4.0, 10.0, 3.14, 100.0, -2.5, 1e-3)
_STRS = ("", "a", "abc", "aba", "hello", "Hello World", "aab", "abcba", "A", "abcabc", "xyz", "aabbcc", "1", "12", "zyx", "Python", "a b c",
         "racecar", "ab cd", "aA", "Z", "b2", "1a2b", "hello world hello", "  two  spaces ", "AbCdEf", "x", "The quick brown fox", "aeiou", "bcd")  # fmt: skip
_LISTS: tuple[list[int], ...] = (
    [], [1], [1, 2, 3], [3, 1, 2], [1, 1], [0], [-1, 2, -3], [5, 5, 5], [1, 2, 3, 4, 5], [4, 3, 2, 1], [2, 4, 6], [1, 3, 5], [1, 2, 2, 3, 3, 3],
    [10, -2, 7, 0, 3], [-5, -1, -3], [1, 2, 1], [0, 0, 1, 0], [9, 9, 9], [1, 2, 3, 5, 8, 13], [3, 1, 4, 1, 5, 9, 2, 6],
)  # fmt: skip
_BRACKETS = ("()", "(())", "()()", "(", ")", "())", "(()", "((()))()", ")(")


class Maker:
    """Makes values; `literals` are constants of the function's source, which reach branches that chance does not."""

    def __init__(self, literals: Sequence[Any], seed: int = 0) -> None:
        self.random = random.Random(seed)
        numbers = [v for v in literals if isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) < 100_000]
        self.ints = [int(v) + d for v in numbers for d in (0, -1, 1) if v == int(v)]
        self.floats = [float(v) for v in numbers if isinstance(v, float)]
        self.texts = [v for v in literals if isinstance(v, str) and len(v) <= 200 and "\n" not in v]
        self.words = [v for v in self.texts if len(v) > 2 and v.isalpha()]  # names that the function knows
        self.marks = [v for v in self.texts if 0 < len(v) <= 2]
        self.brackets = [m for m in self.marks if m in "()[]{}<>"]

    def simple(self, shape: Shape) -> list[Any]:
        """Simple and edge values of the shape, simplest first."""
        kind = shape[0]
        if kind == "int":
            return [*_INTS[:6], *dict.fromkeys(self.ints), *_INTS[6:]]
        if kind == "float":
            return [*_FLOATS, *self.floats]
        if kind == "str":
            return [*_STRS[:4], *self.texts, *self._bracketed(), *_STRS[4:]]
        if kind == "bool":
            return [True, False]
        if kind == "none":
            return [None]
        if kind == "list" and shape[1] == ("int",):
            return [list(v) for v in _LISTS]
        if kind == "list" and shape[1] == ("float",):
            return [[], [1.0], [1.0, 2.0, 3.0], [1.0, 2.2, 3.1, 4.0], [0.5, 0.5], [-1.5, 0.0, 2.5], [5.0, 1.0, 3.0]]
        if kind == "list" and shape[1] == ("str",):
            return [
                [], ["a"], ["a", "b"], ["b", "a", "c"], ["abc", "ab", "a"], ["x", "x"], list(self.texts[:4]),
                ["aa", "b", "ccc", "dd"], ["ab", "ba", "cab"], ["Ab", "ab", "B"], [""],
            ]  # fmt: skip
        if kind == "array":
            return [self.random_value(shape) for _ in range(3)]
        return [self.random_value(shape, size) for size in (0, 1, 2, 3)]

    def random_value(self, shape: Shape, size: int | None = None, depth: int = 0) -> Any:
        """A random value of the shape; containers have `size` items (default: up to 7, small ones likelier)."""
        pick = self.random
        kind = shape[0]
        if kind in _MAKERS:
            return _MAKERS[kind](self)
        count = size if size is not None else min(pick.randrange(8), pick.randrange(9))
        if depth > 2:
            count = min(count, 2)
        if kind == "list":
            return self._list(shape[1], count, depth)
        if kind == "tuple":
            return tuple(self.random_value(part, None, depth + 1) for part in shape[1:])
        if kind == "set":
            return {v for v in (self.random_value(shape[1], None, depth + 1) for _ in range(count)) if _hashable(v)}
        if kind == "dict":
            keys = [self._small(shape[1]) for _ in range(count)]
            return {k: self.random_value(shape[2], None, depth + 1) for k in keys if _hashable(k)}
        if kind == "mixed":
            return self.random_value(pick.choice(shape[1:]), None, depth + 1)
        return self._nested(depth)

    def _small(self, shape: Shape) -> Any:
        """Keys and nodes: from a small set, so that they meet again."""
        if shape == ("int",):
            return self.random.randrange(5)
        if shape == ("str",):
            return self.random.choice("abcdAB")
        if shape[0] == "tuple":
            return tuple(self._small(part) for part in shape[1:])
        return self.random_value(shape)

    def _list(self, item: Shape, count: int, depth: int) -> list[Any]:
        pick = self.random
        if item == ("int",):
            spread = pick.choice((3, 6, 10, 30, 100))
            low = 0 if pick.random() < 0.6 else -spread
            values: list[Any] = [pick.randint(low, spread) for _ in range(count)]
            style = pick.random()
            return sorted(values) if style < 0.3 else sorted(values, reverse=True) if style < 0.36 else values
        if item[0] == "list" and pick.random() < 0.6:  # a matrix: rows of one length
            width = pick.randrange(1, 5)
            return [self._list(item[1], width, depth + 1) for _ in range(count)]
        if item[0] == "tuple" and pick.random() < 0.5:
            return [self._small(item) for _ in range(count)]
        return [self.random_value(item, None, depth + 1) for _ in range(count)]

    def _nested(self, depth: int) -> Any:
        if depth > 3 or self.random.random() < 0.35:
            return self.random.randrange(10)
        return [self._nested(depth + 1) for _ in range(self.random.randrange(4))]

    def _int(self) -> int:
        pick = self.random
        chance = pick.random()
        if self.ints and chance < 0.3:
            return pick.choice(self.ints)
        if chance < 0.75:
            return pick.randint(-4, 20) if pick.random() < 0.7 else pick.choice(_INTS)
        return pick.randint(0, 150) if chance < 0.93 else pick.randint(-50, 5000)

    def _float(self) -> float:
        return (
            self.random.choice((*_FLOATS, *self.floats))
            if self.random.random() < 0.4
            else round(self.random.uniform(-10, 30), self.random.randrange(3))
        )

    def _str(self) -> str:
        pick = self.random
        chance = pick.random()
        if self.texts and chance < (0.4 if len(self.words) > 2 else 0.15):
            return pick.choice(self.words if len(self.words) > 2 else self.texts)
        if self.marks and chance < 0.4:
            return self._around_marks()
        if self.brackets and chance < 0.6:
            return "".join(pick.choice(self.brackets) for _ in range(pick.randrange(9)))
        alphabet = pick.choice(
            ("ab", "abc", "abcdef", "aAbB", "0123456789", "01", "abc 12", "abcxyz ABC", "aeioubcd", "AEIOUxyz")
        )
        length = pick.randrange(9) if pick.random() < 0.8 else pick.randrange(18)
        return "".join(pick.choice(alphabet) for _ in range(length))

    def _around_marks(self) -> str:
        """Numbers and words with marks of the source between them: "12-31-2000", "a, b"."""
        pick = self.random
        mark = pick.choice(self.marks)
        style = pick.random()
        parts = []
        for place in range(pick.randrange(1, 5)):
            if style < 0.3 and self.ints:
                parts.append(str(pick.choice(self.ints)))
            elif style < 0.5:
                parts.append(str(pick.choice((pick.randint(0, 13), pick.randint(0, 32), pick.randint(0, 2030)))))
            elif style < 0.65:
                day = (
                    pick.choice([v for v in self.ints if 0 <= v < 100] or [1])
                    if pick.random() < 0.5
                    else pick.randint(1, 31)
                )
                parts.append(f"{day:02d}" if place < 2 else str(pick.randint(1900, 2030)))
            else:
                parts.append("".join(pick.choice("abcXY" + "".join(self.marks)) for _ in range(pick.randrange(5))))
        return mark.join(parts)

    def _bracketed(self) -> list[str]:
        if not self.brackets:
            return []
        opened, closed = (self.brackets + self.brackets)[:2] if len(self.brackets) > 1 else ("(", ")")
        return [text.replace("(", "\0").replace(")", closed).replace("\0", opened) for text in _BRACKETS]

    def _array(self) -> Any:
        numpy = importlib.import_module("numpy")
        if self.random.random() < 0.4:
            return numpy.array(self._list(("list", ("int",)), 3, 0) or [[1, 2], [3, 4]])
        return numpy.array([self._float() for _ in range(self.random.randrange(1, 6))])

    def _series(self) -> Any:
        pandas = importlib.import_module("pandas")
        return pandas.Series([self._float() for _ in range(self.random.randrange(1, 6))])

    def _frame(self) -> Any:
        """A small table with the columns that the source names."""
        pandas = importlib.import_module("pandas")
        rows = self.random.randrange(1, 6)
        names = [text for text in self.texts if text.isidentifier() or " " in text][:8] or ["a", "b"]
        columns = {}
        for place, name in enumerate(names):
            texts = self.random.random() < 0.3
            columns[name] = [self.random.choice("xyz") if texts else self.random.randint(0, 9) for _ in range(rows)]
            if place == 0 and len(names) > 1:
                columns[name] = [self.random.choice("xy") for _ in range(rows)] if texts else columns[name]
        return pandas.DataFrame(columns)

    # ------------------------------------------------------------------ changes of values

    def changed(self, value: Any, depth: int = 0) -> Any:
        """A value near to `value`, of the same kind."""
        pick = self.random
        if isinstance(value, bool):
            return not value
        if isinstance(value, int):
            return pick.choice((value + 1, value - 1, -value, value * 2, value + 10, value // 2, self._int()))
        if isinstance(value, float):
            return pick.choice((value + 1, value - 0.5, -value, value * 2, float(int(value)), self._float()))
        if isinstance(value, str):
            return "".join(
                map(
                    str,
                    self._changed_items(list(value), lambda: pick.choice(value + "aZ 1" + "".join(self.marks)), depth),
                )
            )
        if isinstance(value, tuple):
            if value and pick.random() < 0.7:
                at = pick.randrange(len(value))
                return (*value[:at], self.changed(value[at], depth + 1), *value[at + 1 :])
            return value
        if isinstance(value, list):
            return self._changed_items(copy.copy(value), lambda: self._like(value), depth)
        if isinstance(value, set):
            return {*value, self._like(list(value))} if pick.random() < 0.5 else set(list(value)[1:])
        if isinstance(value, dict) and value:
            key = pick.choice(list(value))
            if pick.random() < 0.3:
                return {k: v for k, v in value.items() if k != key}
            return {**value, key: self.changed(value[key], depth + 1)}
        return value

    def _like(self, items: Sequence[Any]) -> Any:
        """A further item for a list."""
        if not items:
            return self.random.randrange(10)
        return self.changed(self.random.choice(items), 1)

    def _changed_items(self, items: list[Any], new: Callable[[], Any], depth: int) -> list[Any]:
        pick = self.random
        action = pick.randrange(9)
        at = pick.randrange(len(items) + 1)
        if action == 0 or not items:
            return [*items[:at], new(), *items[at:]]
        at = min(at, len(items) - 1)
        if action == 1:
            return items[:at] + items[at + 1 :]
        if action == 2:
            return [*items[:at], items[at], *items[at:]]
        if action == 3:
            return items[::-1]
        if action == 4:
            other = pick.randrange(len(items))
            items[at], items[other] = items[other], items[at]
            return items
        if action == 5 and len(items) < 12:
            return items + items
        if action == 6:
            return sorted(items, key=repr) if not all(isinstance(i, (int, float)) for i in items) else sorted(items)
        if action == 7 and isinstance(items[at], str) and len(items[at]) == 1:
            items[at] = items[at].swapcase()
            return items
        items[at] = self.changed(items[at], depth + 1) if not isinstance(items[at], str) or depth else new()
        return items

    def related(self, values: list[Any]) -> list[Any]:
        """The arguments with one of them made to fit another: a length, an item, a part, a copy."""
        pick = self.random
        if len(values) < 2:
            return values
        to, source = pick.sample(range(len(values)), 2)
        one, other = values[to], values[source]
        made = list(values)
        sized = isinstance(other, (list, tuple, str))
        if isinstance(one, int) and not isinstance(one, bool) and sized:
            items = [v for v in other if isinstance(v, int)]
            made[to] = pick.choice((len(other), max(0, len(other) - 1), *(items[:3] or [len(other)])))
        elif isinstance(one, str) and isinstance(other, str) and other:
            start = pick.randrange(len(other))
            made[to] = pick.choice(
                (other[start : start + 2], other[:start], "".join(pick.sample(other, len(other))), other, other[start])
            )
        elif isinstance(one, str) and isinstance(other, list) and other and isinstance(other[0], str):
            made[to] = pick.choice(other)
        elif isinstance(one, list) and isinstance(other, list) and other and shape_of(one) == shape_of(other):
            start = pick.randrange(len(other))
            made[to] = pick.choice((list(other), other[start:], other[:start], pick.sample(other, len(other))))
        elif type(one) is type(other) and isinstance(one, (int, float)):
            made[to] = pick.choice((other, other + 1, other - 1, other * 2))
        elif isinstance(one, (int, str)) and isinstance(other, dict) and other:
            made[to] = pick.choice(list(other))
        return made


_MAKERS: dict[str, Callable[[Maker], Any]] = {
    "int": Maker._int,
    "float": Maker._float,
    "str": Maker._str,
    "bool": lambda maker: maker.random.random() < 0.5,
    "none": lambda maker: None,
    "bytes": lambda maker: maker._str().encode(),
    "array": lambda maker: maker._array(),
    "series": lambda maker: maker._series(),
    "frame": lambda maker: maker._frame(),
}


def literals(tree: ast.AST) -> list[Any]:
    """Constants in the source, docstrings left out, each once; of strings used as alphabets also the characters."""
    docs = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}
    found = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in docs]
    unique: dict[str, Any] = {repr(value): value for value in found if isinstance(value, (int, float, str))}
    characters = {c for v in unique.values() if isinstance(v, str) and 1 < len(v) <= 12 and not v.isalnum() for c in v}
    return [*unique.values(), *sorted(characters)]


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
