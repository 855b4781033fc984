"""How values are compared leniently: rounded numbers, labels without case, every list and mapping within a value.

Pure functions over values of any library; pandas and numpy are imported where they are used.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

NUMBER = re.compile(r"(?<![\w.])[-+−]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\w.])[-+−]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
# Fields of the results of statistical tests, in the order in which people quote them.
STATISTICS = ("statistic", "pvalue", "correlation", "slope", "intercept", "rvalue")
# Rows, columns and cells up to which a table is read in every direction.
ROWS, WIDE, PAIRED = 60, 200, 6


def close(value: Any, wanted: float) -> bool:
    """Whether `value` is `wanted`, also rounded as people round: two decimals below 1, one below 1000, none above."""
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    if math.isnan(wanted) or math.isnan(value):
        return math.isnan(wanted) and math.isnan(value)
    size = max(1.0, abs(wanted))
    if abs(value - wanted) <= 1e-6 * size:
        return True
    fewest = 2 if abs(wanted) < 1 else 1 if abs(wanted) < 1000 else 0
    rounded = (round(wanted, digits) for digits in range(fewest, 7))
    return value != 0 and any(abs(value - number) <= 1e-9 * size for number in rounded)


def numbers_in(text: str) -> list[float]:
    """The numbers that stand in a text; thousands may be separated by commas."""
    return [float(found.replace(",", "").replace("−", "-")) for found in NUMBER.findall(text)]


def key(value: Any) -> Any:
    """A label as it compares: midnight is its day, 3.0 is "3", text is lower case without surrounding blanks."""
    if isinstance(value, tuple):
        return tuple(key(part) for part in value)
    if hasattr(value, "strftime") and hasattr(value, "hour"):
        midnight = (value.hour, value.minute, value.second) == (0, 0, 0)
        return value.strftime("%Y-%m-%d" if midnight else "%Y-%m-%d %H:%M")
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return str(bool(value)).lower()
    try:
        number = float(value)
        return str(int(value)) if number == int(value) else str(number)
    except (TypeError, ValueError, OverflowError):
        return str(value).strip().lower()


def plain(value: Any) -> Any:
    """Values of polars, DuckDB and pandas' Styler as pandas objects, others as they are; None where that fails."""
    name, module = type(value).__name__, type(value).__module__ or ""
    try:
        if module.startswith("polars"):
            return (value.collect() if name == "LazyFrame" else value).to_pandas()
        if name == "DuckDBPyRelation":
            return value.df()
        if name == "Styler":
            return value.data
    except Exception:
        return None
    return value


def flat(value: Any, limit: int) -> list[Any]:
    """The numbers in a small value: [] for one with more than `limit` elements."""
    import numpy as np
    import pandas as pd

    if value is None or isinstance(value, bool):
        return []
    if isinstance(value, str):
        return list(numbers_in(value))
    if isinstance(value, (int, float, np.number)):
        return [value]
    if isinstance(value, (pd.DataFrame, pd.Series, pd.Index, np.ndarray)):
        return _flat_array(value, limit)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list, set)):
        return [number for part in list(value)[:limit] for number in flat(part, limit)]
    if hasattr(value, "_fields") or hasattr(value, "statistic"):
        return [getattr(value, name) for name in STATISTICS if hasattr(value, name)]
    if hasattr(value, "total_seconds"):
        seconds = value.total_seconds()
        return [seconds, seconds / 60, seconds / 3600, seconds / 86400]
    return [value] if hasattr(value, "__float__") else []


def _flat_array(value: Any, limit: int) -> list[Any]:
    import numpy as np
    import pandas as pd

    if value.size > limit:
        return []
    if isinstance(value, (pd.DataFrame, pd.Series)) and value.index.name is not None:
        value = value.reset_index()
    items = np.asarray(value, dtype=object).ravel()
    nested = (flat(item, limit) if isinstance(item, (tuple, list)) else [item] for item in items)
    return list(itertools.chain.from_iterable(nested))


def lines_of(value: Any) -> list[list[float]]:
    """Every one-dimensional run of numbers in a value: its columns, rows, elements."""
    import numpy as np
    import pandas as pd

    found: list[list[float] | None] = []
    if isinstance(value, pd.DataFrame):
        for name in value.columns:
            column = value[name]  # a frame, where the name stands twice
            found.append(_floats(column.iloc[:, 0] if isinstance(column, pd.DataFrame) else column))
        if len(value) <= ROWS:
            cells = value.to_numpy(dtype=object)
            found += [_floats(row) for row in cells] if value.shape[1] <= WIDE else []
            found.append(_floats(cells.ravel()))
    elif isinstance(value, (pd.Series, pd.Index, list, tuple, set)):
        found = [_floats(value)]
    elif isinstance(value, dict):
        found = [_floats(value.values())]
    elif isinstance(value, np.ndarray):
        found = [_floats(value.ravel()), *([_floats(c) for c in value.T] if value.ndim == 2 else [])]
    return [line for line in found if line is not None]


def _floats(items: Iterable[Any]) -> list[float] | None:
    try:
        return [float(item) for item in items]
    except (TypeError, ValueError):
        return None


def maps_of(value: Any) -> list[dict[Any, float]]:
    """Every mapping from labels to numbers as which a value can be read."""
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return _maps_of_frame(value)
    pairs: Iterable[Any] = ()
    if isinstance(value, (dict, pd.Series)):
        pairs = value.items()
    elif isinstance(value, list) and value and all(isinstance(item, tuple) and len(item) == 2 for item in value):
        pairs = value
    else:
        return []
    found = _mapping(pairs)
    return [] if found is None else [found]


def _maps_of_frame(frame: Any) -> list[dict[Any, float]]:
    """Index to column, column to column, pairs of columns to a third, and the cells of a table both ways."""
    numeric = list(frame.select_dtypes("number").columns)
    found: list[dict[Any, float] | None] = []
    for name in numeric:
        with contextlib.suppress(Exception):
            found.append(_mapping(frame[name].items()))
        for label in frame.columns:
            if label != name:
                with contextlib.suppress(Exception):
                    found.append(_mapping(zip(frame[label], frame[name], strict=True)))
    names = list(frame.columns) if frame.shape[1] <= PAIRED else []
    for first, second, name in itertools.product(names, names, numeric):
        if first != second and name not in (first, second):
            with contextlib.suppress(Exception):
                labels = zip(frame[first], frame[second], strict=True)
                found.append(_mapping(zip(labels, frame[name], strict=True)))
    with contextlib.suppress(Exception):
        table = {(key(row), key(name)): float(cell) for name in numeric for row, cell in frame[name].items()}
        found += [table, {(name, row): cell for (row, name), cell in table.items()}]
    return [mapping for mapping in found if mapping is not None]


def _mapping(pairs: Iterable[Any]) -> dict[Any, float] | None:
    try:
        return {key(label): float(number) for label, number in pairs}
    except Exception:
        return None


def same_numbers(got: Iterable[Any], wanted: Iterable[Any], ordered: bool = False) -> bool:
    """Whether these are the wanted numbers, in this order or in any."""
    ours, theirs = [float(number) for number in got], [float(number) for number in wanted]
    if not ordered:
        ours, theirs = sorted(ours, key=missing_last), sorted(theirs, key=missing_last)
    return len(ours) == len(theirs) and all(close(a, b) for a, b in zip(ours, theirs, strict=True))


def missing_last(number: float) -> float:
    """A sort key under which missing values come last."""
    return math.inf if math.isnan(number) else number


def in_sequence(wanted: Sequence[float], got: Sequence[float]) -> bool:
    """Whether the wanted numbers stand in `got` in this order, with others between them or not."""
    left = iter(got)
    return all(any(close(number, one) for number in left) for one in wanted)
