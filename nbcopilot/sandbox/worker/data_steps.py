"""What tables go through while a cell runs: joins, conversions and filters with the rows and values before and after.

The functions of pandas are wrapped for the time of one run, in the process that is thrown away afterwards. What is
recorded is counts; the wrapped function's value and errors pass through untouched.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

MAX_STEPS = 40
# Rows up to which keys are looked at: some 20 ms.
MAX_ROWS = 200_000


@contextmanager
def recorded(filename: str, steps: list[dict[str, Any]]) -> Iterator[None]:
    """Fill `steps` while the block runs; only what the cell's own lines ask for counts."""
    pandas = sys.modules.get("pandas")
    merging = sys.modules.get("pandas.core.reshape.merge")
    if pandas is None or merging is None:
        yield
        return
    undo: list[tuple[Any, str, Any]] = []

    def wrap(owner: Any, name: str, note: Callable[..., dict[str, Any] | None]) -> None:
        real = getattr(owner, name)
        undo.append((owner, name, real))
        setattr(owner, name, _noting(real, note, filename, steps))

    wrap(pandas.DataFrame, "merge", _merge)
    wrap(pandas, "merge", _merge)
    wrap(pandas, "to_numeric", _conversion)
    wrap(pandas, "to_datetime", _conversion)
    wrap(pandas.DataFrame, "__getitem__", _filter)
    wrap(pandas.Series, "__getitem__", _filter)
    try:
        yield
    finally:
        for owner, name, real in undo:
            setattr(owner, name, real)


def _noting(
    real: Callable[..., Any], note: Callable[..., dict[str, Any] | None], filename: str, steps: list[dict[str, Any]]
) -> Callable[..., Any]:
    @functools.wraps(real)
    def noting(*args: Any, **kwargs: Any) -> Any:
        value = real(*args, **kwargs)
        frame = sys._getframe(1)
        if frame.f_code.co_filename == filename and len(steps) < MAX_STEPS:
            with suppress(Exception):
                found = note(value, *args, **kwargs)
                if found is not None:
                    steps.append({**found, "line": frame.f_lineno})
        return value

    return noting


def _merge(
    value: Any, left: Any, right: Any, how: str = "inner", on: Any = None, **kwargs: Any
) -> dict[str, Any] | None:
    left_on, right_on = kwargs.get("left_on", on), kwargs.get("right_on", on)
    if on is None and left_on is None and not (kwargs.get("left_index") or kwargs.get("right_index")):
        left_on = right_on = [label for label in left.columns if label in set(right.columns)]
    if max(len(left), len(right)) > MAX_ROWS:
        return None
    a = _keys(left, left_on, kwargs.get("left_index"))
    b = _keys(right, right_on, kwargs.get("right_index"))
    matched = a.isin(b)
    return {
        "kind": "join", "how": str(how), "rows": len(value), "left": len(left), "right": len(right),
        "matched": int(matched.sum()), "left_repeats": bool(a[matched].duplicated().any()),
        "right_repeats": bool(b[b.isin(a)].duplicated().any()),
    }  # fmt: skip


def _keys(frame: Any, on: Any, index: Any) -> Any:
    """The key of each row as one hashable value."""
    if index or on is None:
        return frame.index.to_series(index=range(len(frame)))
    labels = on if isinstance(on, list) else [on]
    columns = [
        frame[label] if label in frame.columns else frame.index.get_level_values(label).to_series() for label in labels
    ]
    if len(columns) == 1:
        return columns[0].reset_index(drop=True)
    return sys.modules["pandas"].Series(list(zip(*(column.tolist() for column in columns), strict=True)))


def _conversion(value: Any, arg: Any, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
    if not hasattr(arg, "isna") or not hasattr(value, "isna") or len(arg) != len(value):
        return None
    blank = arg.isna()
    if arg.dtype.kind in "OUTS" or str(arg.dtype) in ("str", "string", "object"):
        blank = blank | (arg.astype(str).str.strip() == "")
    lost = value.isna() & ~blank
    examples = [str(text)[:30] for text in arg[lost].unique()[:2]] if lost.any() else []
    return {"kind": "conversion", "of": int((~blank).sum()), "lost": int(lost.sum()), "examples": examples}


def _filter(value: Any, table: Any, key: Any, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
    if str(getattr(key, "dtype", "")) not in ("bool", "boolean") or not hasattr(value, "index"):
        return None
    return {"kind": "filter", "before": len(table), "after": len(value)}
