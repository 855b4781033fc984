"""How values of numpy, pandas and torch cross as JSON: by their data, never by their own pickles."""

from __future__ import annotations

import base64
import importlib
import sys
from collections.abc import Callable
from typing import Any

MAX_BYTES = 32 << 20  # of one array

_Every = Callable[[Any], list[Any]]


class Untold(Exception):
    """A value that has no form as JSON."""


def _library(name: str) -> Any:
    return importlib.import_module(name)


def told(value: Any, write: Callable[[Any], Any]) -> Any:
    """The JSON of what numpy, pandas and torch know; None for anything else."""
    numpy, pandas, torch = (sys.modules.get(name) for name in ("numpy", "pandas", "torch"))
    if pandas is not None:
        if value is pandas.NaT or value is pandas.NA:
            return {"t": "missing", "of": "NaT" if value is pandas.NaT else "NA"}
        if isinstance(value, (pandas.Timestamp, pandas.Timedelta)):
            return {
                "t": "when",
                "of": "Timestamp" if isinstance(value, pandas.Timestamp) else "Timedelta",
                "v": str(value),
            }
        if isinstance(value, pandas.DataFrame):
            columns = [write(value.iloc[:, place]) for place in range(value.shape[1])]
            return {"t": "frame", "v": [write(value.columns), write(value.index), *columns]}
        if isinstance(value, (pandas.Series, pandas.Index)):
            return _column(value, write, pandas)
    if numpy is not None:
        if isinstance(value, numpy.generic):
            return {"t": "scalar", "dtype": str(value.dtype), "v": [write(_item(value))]}
        if isinstance(value, numpy.ndarray):
            return _array(numpy.asarray(value), write)
    if torch is not None and isinstance(value, torch.Tensor):
        return {"t": "tensor", "v": [write(value.detach().cpu().numpy())]}
    return None


def _item(value: Any) -> Any:
    return str(value) if value.dtype.kind in "mM" else value.item()


def _array(value: Any, write: Callable[[Any], Any]) -> dict[str, Any]:
    if value.nbytes > MAX_BYTES:
        raise Untold
    form = {"t": "array", "dtype": str(value.dtype), "shape": list(value.shape)}
    if value.dtype.kind in "biufcmMSU":
        return {**form, "data": base64.b64encode(value.tobytes()).decode()}
    if value.dtype.kind == "O":
        return {**form, "v": [write(item) for item in value.reshape(-1).tolist()]}
    raise Untold


def _read_array(raw: dict[str, Any], every: _Every) -> Any:
    numpy = _library("numpy")
    shape = tuple(int(size) for size in raw["shape"])
    if "data" in raw:
        return (
            numpy.frombuffer(base64.b64decode(raw["data"]), dtype=numpy.dtype(str(raw["dtype"]))).reshape(shape).copy()
        )
    items = every(raw["v"])
    made = numpy.empty(len(items), dtype=object)
    for place, item in enumerate(items):
        made[place] = item
    return made.reshape(shape)


def _column(value: Any, write: Callable[[Any], Any], pandas: Any) -> dict[str, Any]:
    is_series = isinstance(value, pandas.Series)
    form: dict[str, Any] = {"t": "column", "of": "Series" if is_series else "Index", "dtype": str(value.dtype)}
    form["name"] = write(value.name if not isinstance(value, pandas.MultiIndex) else list(value.names))
    form["index"] = write(value.index) if is_series else None
    if isinstance(value, pandas.MultiIndex):
        return {**form, "of": "MultiIndex", "v": [write(item) for item in value.tolist()]}
    if isinstance(value, pandas.RangeIndex):
        return {**form, "of": "RangeIndex", "v": [write(item) for item in (value.start, value.stop, value.step)]}
    if isinstance(value.dtype, pandas.CategoricalDtype):
        categories = [write(value.dtype.categories), value.dtype.ordered]
        return {**form, "v": [write(item) for item in value.tolist()], "categories": categories}
    if (
        value.dtype.kind in "biufc"
        and hasattr(value.dtype, "itemsize")
        and type(value.dtype).__module__.startswith("numpy")
    ):
        return {**form, "array": write(value.to_numpy())}
    return {**form, "v": [write(item) for item in value.tolist()]}


def _read_column(raw: dict[str, Any], every: _Every) -> Any:
    pandas = _library("pandas")
    name = every([raw.get("name")])[0]
    kind = _name(raw, "Series", "Index", "MultiIndex", "RangeIndex")
    items = every([raw["array"]])[0] if "array" in raw else every(raw["v"])
    if kind == "MultiIndex":
        return pandas.MultiIndex.from_tuples(items, names=name)
    if kind == "RangeIndex":
        return pandas.RangeIndex(*items, name=name)
    dtype: Any = str(raw["dtype"])
    if "categories" in raw:
        categories, ordered = raw["categories"]
        dtype = pandas.CategoricalDtype(every([categories])[0], ordered is True)
    if kind == "Index":
        return pandas.Index(items, dtype=dtype, name=name)
    return pandas.Series(items, index=every([raw["index"]])[0], dtype=dtype, name=name)


def _read_frame(raw: dict[str, Any], every: _Every) -> Any:
    pandas = _library("pandas")
    columns, index, *series = every(raw["v"])
    made = (
        pandas.concat([column.reset_index(drop=True) for column in series], axis=1)
        if series
        else pandas.DataFrame(index=range(len(index)))
    )
    made.index = index
    made.columns = columns
    return made


def _read_scalar(raw: dict[str, Any], every: _Every) -> Any:
    (item,) = every(raw["v"])
    return _library("numpy").array(item, dtype=str(raw["dtype"]))[()]


def _name(raw: dict[str, Any], *allowed: str) -> str:
    if raw.get("of") not in allowed:
        raise ValueError("not one of these")
    return str(raw["of"])


READERS: dict[str, Callable[[dict[str, Any], _Every], Any]] = {
    "scalar": _read_scalar,
    "when": lambda raw, every: getattr(_library("pandas"), _name(raw, "Timestamp", "Timedelta"))(str(raw["v"])),
    "missing": lambda raw, every: getattr(_library("pandas"), _name(raw, "NaT", "NA")),
    "array": _read_array,
    "column": _read_column,
    "frame": _read_frame,
    "tensor": lambda raw, every: _library("torch").from_numpy(every(raw["v"])[0]),
}
