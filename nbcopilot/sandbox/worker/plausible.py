"""Values of a shape as people would write them: by the parameter's name, from texts that stand in the code's own words, then by type.

Also small changes that keep a value what it is: a gap in a table, rows in another order, the number just below a bound.
"""

from __future__ import annotations

import copy
import datetime as dt
import importlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from nbcopilot.sandbox.worker.shapes import NONE, Shape, of_value_object
from nbcopilot.sandbox.worker.values import Maker

# By a part of the parameter's name: texts that such a parameter takes.
_BY_NAME: dict[str, tuple[str, ...]] = {
    "date": ("2024-03-15", "2024-02-29", "15.03.2024"), "day": ("2024-03-15", "2023-12-31"), "time": ("08:30", "17:05:09"),
    "phone": ("+49 30 123456", "030 123456"), "mail": ("ada@example.org", "no address"), "url": ("https://example.org/a?b=1", "example.org"),
    "path": ("data/sales.csv", "notes.txt"), "file": ("sales.csv", "notes.txt"), "price": ("12.50", "1,299.00"), "amount": ("12.50", "1,299.00"),
    "id": ("A-1042", "B-7"), "code": ("A-1042", "B-7"), "name": ("Ada Lovelace", "grace hopper"), "word": ("level", "window"), "sep": (";", "-"),
}  # fmt: skip
_TEXTS = ("Hello World", "level", "two  spaces", "Data, science!", "a1 b2", "Banana")
_INTS = (3, 7, 2, 12, 1, 5, 0, -4, 10, 100)
_FLOATS = (2.5, 0.5, 10.0, -1.5, 3.75, 0.0)
_LISTS: dict[str, tuple[list[Any], ...]] = {
    "int": ([3, 1, 2], [5, 2, 8, 5], [4, -2, 7, 0], [1, 2, 3, 4, 5], [9, 7, 4, 1], [2, 2, 3, 3, 3]),
    "float": ([1.5, 4.0, 2.5], [3.0, 3.0, 7.5, 1.0], [-2.0, 0.5, 9.0]),
    "str": (["pear", "apple", "fig"], ["b", "a", "b", "c"], ["Red", "red", "blue"]),
}
_DATES = (dt.date(2024, 3, 15), dt.date(2024, 2, 29), dt.date(2023, 12, 31), dt.date(2024, 3, 18))


def values(shape: Shape, name: str, maker: Maker, texts: Sequence[str], columns: Sequence[str] = ()) -> list[Any]:
    """Plausible values of the shape, likeliest first; edge values are not among them."""
    kind = shape[0]
    if kind == "str":
        named = [text for part, some in _BY_NAME.items() if part in name.lower() for text in some]
        return list(dict.fromkeys([*texts, *named, *maker.words, *([] if texts or named else _TEXTS)]))
    if kind == "int":
        near = [n for n in maker.ints if abs(n) < 10_000]
        return list(dict.fromkeys([*_INTS[:4], *near, *_INTS[4:]]))
    if kind == "float":
        close = [x + d for x in maker.floats for d in (0.0, -0.1, 0.1)]
        return list(dict.fromkeys([*_FLOATS[:3], *close, *(float(n) for n in maker.ints), *_FLOATS[3:]]))
    if kind == "bool":
        return [True, False]
    if kind == "none":
        return [None]
    if kind == "date":
        return [shape[1](d.year, d.month, d.day) for d in _DATES]
    if kind in ("list", "set") and shape[1][0] in _LISTS:
        made = [list(some) for some in _LISTS[shape[1][0]]]
        if shape[1][0] == "str" and texts:
            made = [list(texts[:3]), [texts[0], *texts[:2]], *made[:1]]
        return made if kind == "list" else [set(some) for some in made]
    if kind == "frame":
        return [_frame(columns or maker.words or ["a", "b"], rotate) for rotate in range(2)]
    if kind == "series":
        pandas = importlib.import_module("pandas")
        return [
            pandas.Series(v)
            for v in (
                [0.0, 4.0, 4.0, 5.0, 6.0, 7.0, 8.0, 8.0, 14.0],
                [1.0, None, 2.0, 3.0, 90.0],
                [1.0, 2.0, 2.0, 40.0, 3.0],
            )
        ]
    if kind == "array":
        numpy = importlib.import_module("numpy")
        return [numpy.array(v) for v in ([4.0, 1.0, 3.0, 8.0], [[1.0, 2.0], [3.0, 5.0]])]
    return [maker.random_value(shape, size) for size in (3, 2, 4)]


def _frame(columns: Sequence[str], rotate: int) -> Any:
    """A table with these columns: keys that meet again first, then numbers."""
    pandas = importlib.import_module("pandas")
    made: dict[str, list[Any]] = {}
    for place, column in enumerate(columns[:6]):
        numbers = [10.0, 4.0, 7.5, 2.0, 6.0, 12.0, 3.0]
        made[column] = numbers[place % 3 :] + numbers[: place % 3]
        if any(part in column.lower() for part in ("date", "day", "time", "month")):
            made[column] = ["2024-03-04", "2024-03-10", "2024-03-04", "2024-03-25", None, "2024-03-11", "2024-03-05"]
        elif place == rotate:
            made[column] = ["north", "south", "north", "east", "north", "south", "north"]
    return pandas.DataFrame(made)


def edges(shape: Shape) -> list[Any]:
    """The least values of the shape."""
    kind = shape[0]
    made: dict[str, list[Any]] = {
        "str": ["", " "],
        "int": [0, 1, -1],
        "float": [0.0, 1.0],
        "list": [[]],
        "set": [set()],
        "dict": [{}],
        "none": [None],
    }
    return made.get(kind, [])


def neighbours(value: Any) -> Iterator[Any]:
    """Values that are like it but for one thing."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1, -value)
    elif isinstance(value, float):
        yield from (value + 0.5, value / 2, -value)
    elif isinstance(value, str):
        yield from _other_texts(value)
    elif isinstance(value, dt.date):
        yield from (value + dt.timedelta(days=1), value - dt.timedelta(days=1), value + dt.timedelta(days=7))
    elif isinstance(value, (list, tuple)) and value:
        kind = type(value)
        some = list(value)
        yield from (kind(some[::-1]), kind(some[:-1]), kind([*some, some[0]]), kind(some[1:]))
        for place in range(min(2, len(some))):
            for other in list(neighbours(some[place]))[:2]:
                yield kind([*some[:place], other, *some[place + 1 :]])
    elif isinstance(value, dict) and value:
        yield {k: value[k] for k in list(value)[:-1]}
        for key in list(value)[:2]:
            for other in list(neighbours(value[key]))[:2]:
                yield {**value, key: other}
    elif isinstance(value, (set, frozenset)) and value:
        yield type(value)(sorted(value, key=repr)[:-1])
    elif type(value).__module__.startswith("pandas") and hasattr(value, "iloc") and len(value):
        yield from _other_tables(value)
    elif type(value).__module__.startswith("numpy") and getattr(value, "shape", None) and len(value) > 1:
        yield from (value[::-1].copy(), value[:-1].copy(), -value)


def _other_texts(value: str) -> Iterator[str]:
    if value:
        if not value.isidentifier():  # a name that lacks a letter is a slip, not another case
            yield from (value[:-1], value[1:], f"-{value}")
        accented = value.replace("a", "á", 1).replace("e", "é", 1)
        yield from (
            f"{value} (2)",
            *([accented] if accented != value else []),
            value.upper(),
            f"  {value} ",
            f"{value} - {value}",
            value.lower(),
        )


def _other_tables(value: Any) -> Iterator[Any]:
    yield value.iloc[::-1].reset_index(drop=True)
    yield value.iloc[:-1]
    gaps = copy.deepcopy(value)
    if hasattr(value, "columns"):
        numbers = [c for c in value.columns if value[c].dtype.kind in "if"]
        for column in numbers[:2]:
            changed = value.copy()
            changed[column] = changed[column].astype(float)
            changed.loc[changed.index[1 % len(changed)], column] = float("nan")
            yield changed
        for column in [c for c in value.columns if c not in numbers][:1]:
            changed = value.copy()
            changed.loc[changed.index[-1], column] = None
            yield changed
        for column in numbers[:1]:
            changed = value.copy()
            changed[column] = changed[column].to_numpy()[::-1] * 2 + 1
            yield changed
    elif value.dtype.kind in "if":
        gaps = gaps.astype(float)
        gaps.iloc[1 % len(gaps)] = float("nan")
        yield gaps
        far = value.astype(float)
        far.iloc[-1] = far.max() * 10 + 50
        yield far


def fit(value: Any, shapes: Sequence[Shape]) -> bool:
    """Whether the value is of one of the shapes, as far as they tell."""
    if value is None:
        return NONE in shapes
    own = of_value_object(value)
    return own is None or not shapes or any(own[0] == shape[0] for shape in shapes)


def cut(value: Any, rows: int = 5) -> Any:
    """A table cut to a few rows in which keys meet again; a long list to its beginning; anything else as it is."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.DataFrame) and len(value) > rows:
        keys = [c for c in value.columns if value[c].dtype.kind not in "fM" and 1 < value[c].nunique() < len(value)]
        if keys:
            key = min(keys, key=lambda c: (value[c].dtype.kind in "iu", value[c].nunique()))
            often = value[key].value_counts().index[:3]
            value = value[value[key].isin(often)].groupby(key, sort=False).head(2)
        return value.head(rows).reset_index(drop=True)
    if pandas is not None and isinstance(value, pandas.Series) and len(value) > rows + 2:
        return value.head(rows + 2).reset_index(drop=True)
    if isinstance(value, list) and len(value) > 2 * rows:
        return value[: 2 * rows]
    return value
