"""Frames, arrays, tensors and estimators as a kind and a few short lines: schema and shape, no data unless asked for.

Nothing is imported: a library is looked at only when the user has loaded it. Lazy frames are not collected.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from types import FunctionType
from typing import Any

from nbcopilot.notebook.describe import Detail, short_value
from nbcopilot.notebook.inspecting import attributes, bases, class_name, is_a, library, members, root_of

# Columns that are listed one by one, and the text they may take; the rest is counted by dtype.
MAX_COLUMNS = 60
_COLUMN_CHARACTERS = 1000
# Cells of a frame up to which nulls are counted: some 10 ms for numbers, 40 ms for texts on one core.
NULL_COUNT_CELLS = 1_000_000
_ROW_COLUMNS = 20


def describe_library(value: Any, detail: Detail) -> tuple[str, str] | None:
    """(kind, summary) of an object of a known library, or None. May raise for broken or foreign subclasses."""
    if is_a(value, "pandas", "DataFrame"):
        return "frame", _pandas_frame(value, detail)
    if is_a(value, "pandas", "Series"):
        return "series", _pandas_series(value)
    if is_a(value, "pandas", "Index"):
        return "series", _pandas_index(value)
    if is_a(value, "pandas", "Timestamp", "Timedelta", "Period"):
        return "scalar", f"{class_name(type(value))} {value}"
    if is_a(value, "polars", "DataFrame"):
        return "frame", _polars_frame(value, detail)
    if is_a(value, "polars", "LazyFrame"):
        return "frame", "polars LazyFrame (lazy, not collected)"
    if is_a(value, "polars", "Series"):
        return "series", f"polars Series {value.name!r}, {value.dtype}, length {value.len():,}"
    if is_a(value, "numpy", "ndarray"):
        return "array", _array(value)
    if is_a(value, "numpy", "generic"):
        number = short_value(value.item()) if value.dtype.kind in "biufcUSmM" else ""
        return "scalar", f"numpy {class_name(type(value))} {number}".rstrip()
    if is_a(value, "torch", "Tensor"):
        return "array", _tensor(value)
    if is_a(value, "torch.nn", "Module"):
        return "object", _module(value)
    if is_a(value, "sklearn.base", "BaseEstimator"):
        return "object", _estimator(value)
    return None


# --------------------------------------------------------------------------- frames


def _pandas_frame(frame: Any, detail: Detail) -> str:
    rows, width = frame.shape
    labels = list(frame.columns)
    dtypes = [str(dtype) for dtype in frame.dtypes]
    nulls: Sequence[int] = ()
    if rows * width <= NULL_COUNT_CELLS and width <= MAX_COLUMNS:
        nulls = [int(count) for count in frame.isna().sum()]
    root = root_of(type(frame))
    name = class_name(type(frame)) if root in ("pandas", "__main__") else f"{root} {class_name(type(frame))}"
    lines = [f"{name}, {rows:,} rows × {width:,} columns", *_columns(labels, dtypes, nulls, detail.focus)]
    index = _pandas_index(frame.index)
    if not index.startswith("RangeIndex"):
        lines.append(f"index: {index}")
    if detail.rows and rows:
        lines += _rows(labels, frame.iloc[: detail.rows, :_ROW_COLUMNS].itertuples(index=False, name=None))
    return "\n".join(lines)


def _columns(labels: Sequence[Any], dtypes: Sequence[str], nulls: Sequence[int], focus: str) -> list[str]:
    """`columns: a int64, b str (3 null)`; when they are too many, those named in `focus` and the first ones."""
    order = range(len(labels))
    if len(labels) > MAX_COLUMNS:
        words = set(re.findall(r"\w+", focus.lower()))
        order = sorted(order, key=lambda i: (not _mentioned(labels[i], words, focus), i))[:MAX_COLUMNS]  # type: ignore[assignment]
    alike = len(labels) > 3 and len(set(dtypes)) == 1
    shown: list[str] = []
    used = 0
    for i in order:
        null = f" ({nulls[i]:,} null)" if nulls and nulls[i] else ""
        text = f"{_label(labels[i])}{'' if alike else f' {dtypes[i]}'}{null}"
        used += len(text) + 2
        if shown and used > _COLUMN_CHARACTERS:
            break
        shown.append(text)
    lines = [f"columns{f', all {dtypes[0]}' if alike else ''}: {', '.join(shown)}"] if shown else []
    if len(shown) < len(labels):
        left = [dtypes[i] for i in set(range(len(labels))) - set(list(order)[: len(shown)])]
        kinds = ", ".join(f"{count:,} {dtype}" for dtype, count in Counter(left).most_common(4))
        lines.append(f"and {len(left):,} more columns: {kinds}")
    return lines


def _mentioned(label: Any, words: set[str], focus: str) -> bool:
    if type(label) is not str or not label:
        return False
    return label.lower() in words or (not label.isidentifier() and label in focus)


def _label(label: Any) -> str:
    """A column's name as code would write it; quotes only where they are needed to see where it ends."""
    if type(label) is str:
        return label[:80] if label.isidentifier() else repr(label[:80])
    if type(label) is tuple:
        return f"({', '.join(short_value(one, 30) for one in label[:6])})"
    return short_value(label, 40)


def _rows(labels: Sequence[Any], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    head = ", ".join(_label(label) for label in labels[:_ROW_COLUMNS])
    return [f"first rows ({head}):", *(", ".join(_value(one) for one in row) for row in rows)]


def _value(value: Any) -> str:
    if root_of(type(value)) in ("numpy", "pandas") and hasattr(value, "item"):
        value = value.item()
    elif is_a(value, "pandas", "Timestamp", "Timedelta", "Period"):
        return str(value)
    return short_value(value, 40)


def _pandas_series(series: Any) -> str:
    nulls = int(series.isna().sum()) if len(series) <= NULL_COUNT_CELLS else 0
    name = f" {_label(series.name)}" if series.name is not None else ""
    null = f" ({nulls:,} null)" if nulls else ""
    index = _pandas_index(series.index)
    indexed = "" if index.startswith("RangeIndex") else f", index {index.rpartition(', length')[0]}"
    return f"{class_name(type(series))}{name}, {series.dtype}{null}, length {len(series):,}{indexed}"


def _pandas_index(index: Any) -> str:
    names = [name for name in index.names if name is not None]
    called = f" {', '.join(_label(name) for name in names)}" if names else ""
    return f"{class_name(type(index))}{called}, {index.dtype}, length {len(index):,}"


def _polars_frame(frame: Any, detail: Detail) -> str:
    rows, width = frame.shape
    labels, dtypes = list(frame.columns), [str(dtype) for dtype in frame.dtypes]
    nulls: Sequence[int] = ()
    if rows * width <= NULL_COUNT_CELLS and width <= MAX_COLUMNS:
        nulls = list(frame.null_count().row(0)) if width else ()
    lines = [f"polars DataFrame, {rows:,} rows × {width:,} columns", *_columns(labels, dtypes, nulls, detail.focus)]
    if detail.rows and rows:
        lines += _rows(labels, (row[:_ROW_COLUMNS] for row in frame.head(detail.rows).rows()))
    return "\n".join(lines)


# --------------------------------------------------------------------------- arrays and models


def _array(array: Any) -> str:
    numpy = library("numpy")
    name = class_name(type(array)) if numpy is None or type(array) is not numpy.ndarray else "numpy array"
    shape, dtype = numpy.ndarray.shape.__get__(array), numpy.ndarray.dtype.__get__(array)  # type: ignore[union-attr]
    return f"{name}, shape {shape}, {str(dtype)[:200]}"


def _tensor(tensor: Any) -> str:
    extra = ", requires grad" if tensor.requires_grad else ""
    dtype = str(tensor.dtype).removeprefix("torch.")
    return f"torch {class_name(type(tensor))}, shape {tuple(tensor.shape)}, {dtype}, on {tensor.device}{extra}"


def _module(module: Any) -> str:
    """A torch model: its children and the count of its parameters, from the dictionaries that hold them."""
    children = attributes(module).get("_modules") or {}
    shown = ", ".join(f"{name} {class_name(type(child))}" for name, child in list(children.items())[:15])
    more = ", …" if len(children) > 15 else ""
    return f"torch module {class_name(type(module))}, {_parameters(module):,} parameters{': ' if shown else ''}{shown}{more}"


def _parameters(module: Any, limit: int = 20_000) -> int:
    total, todo = 0, [module]
    seen: set[int] = set()
    while todo and len(seen) < limit:
        own = attributes(todo.pop())
        for one in (own.get("_parameters") or {}).values():
            if one is not None and id(one) not in seen:
                seen.add(id(one))
                total += int(one.numel()) if root_of(type(one)) == "torch" else 0
        todo += [child for child in (own.get("_modules") or {}).values() if child is not None and id(child) not in seen]
        seen.update(id(child) for child in todo)
    return total


def _estimator(estimator: Any) -> str:
    own = attributes(estimator)
    steps = own.get("steps")
    if type(steps) is list:
        inside = ", ".join(f"{name} {class_name(type(one))}" for name, one in (step[:2] for step in steps[:12]))
        settings = f"({inside})"
    else:
        changed = [f"{name}={short_value(value, 30)}" for name, value in _settings(estimator, own)]
        settings = f"({', '.join(changed[:12])})"
    fitted = any(name.endswith("_") and not name.startswith("_") for name in own)
    features = own.get("n_features_in_")
    state = f", fitted on {features} features" if type(features) is int else ", fitted" if fitted else ", not fitted"
    return f"{root_of(type(estimator))} {class_name(type(estimator))}{settings}{state}".removeprefix("__main__ ")


def _settings(estimator: Any, own: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """The constructor's arguments that are not at their default."""
    init = next((members(base).get("__init__") for base in bases(type(estimator)) if "__init__" in members(base)), None)
    if type(init) is not FunctionType:
        return
    code, plain = init.__code__, init.__defaults__ or ()
    taken = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    defaults = dict(init.__kwdefaults__ or {})
    defaults.update(zip(code.co_varnames[: code.co_argcount][len(plain) * -1 :] if plain else (), plain, strict=True))
    for name in taken:
        if name not in own:
            continue
        value, default = own[name], defaults.get(name)
        if name not in defaults or type(value) is not type(default) or short_value(value) != short_value(default):
            yield name, value
