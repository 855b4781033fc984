"""Values written as Python: an expression that makes an equal value, in a stable order, as a person would write it.

Dates, paths, tables and instances of dataclasses are written too; what an expression cannot make raises NoSource. The
usual short names of libraries are used (`np`, `pd`, `dt`); `imports` says which lines they need.
"""

from __future__ import annotations

import ast
import dataclasses
import datetime as dt
import decimal
import enum
import math
import pathlib
import re
import sys
from collections.abc import Mapping
from typing import Any

IMPORTS = {
    "np": "import numpy as np", "pd": "import pandas as pd", "dt": "import datetime as dt", "Path": "from pathlib import Path",
    "Decimal": "from decimal import Decimal", "math": "import math",
}  # fmt: skip


class NoSource(Exception):
    """The value cannot be written as an expression."""


def source_of(value: Any, depth: int = 0) -> str:
    """An expression that makes an equal value. Raises NoSource."""
    if depth > 20:
        raise NoSource
    kind = type(value)
    if kind is float:
        return _number(value)
    if kind in (int, str, bytes, bool, type(None), complex):
        return repr(value)
    if kind in (list, tuple):
        inner = ", ".join(source_of(v, depth + 1) for v in value)
        return f"[{inner}]" if kind is list else f"({inner}{',' if len(value) == 1 else ''})"
    if kind in (set, frozenset):
        inner = ", ".join(sorted((source_of(v, depth + 1) for v in value), key=_natural))
        body = f"{{{inner}}}" if inner else "set()"
        return body if kind is set else (f"frozenset({body})" if inner else "frozenset()")
    if kind is dict:
        return "{" + ", ".join(f"{source_of(k, depth + 1)}: {source_of(v, depth + 1)}" for k, v in value.items()) + "}"
    return _of_library(value, depth)


def _number(value: float) -> str:
    if math.isnan(value):
        return "math.nan"
    return repr(value) if math.isfinite(value) else ("math.inf" if value > 0 else "-math.inf")


def _of_library(value: Any, depth: int) -> str:
    kind, module = type(value), type(value).__module__.split(".")[0]
    if isinstance(value, enum.Enum):
        return f"{kind.__name__}.{value.name}"
    if kind in (dt.date, dt.datetime, dt.time, dt.timedelta) and getattr(value, "tzinfo", None) is None:
        return repr(value).replace("datetime.", "dt.", 1)
    if isinstance(value, pathlib.PurePath):
        return f"Path({str(value)!r})"
    if kind is decimal.Decimal:
        return repr(value)
    if module == "numpy":
        return _of_numpy(value, depth)
    if module == "pandas":
        return _of_pandas(value, depth)
    if dataclasses.is_dataclass(value) and kind.__module__ == "__main__":
        given = [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value) if f.init]
        return f"{kind.__name__}({', '.join(f'{name}={source_of(v, depth + 1)}' for name, v in given)})"
    if isinstance(value, tuple) and hasattr(value, "_fields") and kind.__module__ == "__main__":
        return f"{kind.__name__}({', '.join(source_of(v, depth + 1) for v in value)})"
    raise NoSource


def _of_numpy(value: Any, depth: int) -> str:
    if not getattr(value, "shape", ()):
        return source_of(value.item(), depth + 1) if hasattr(value, "item") else _refuse()
    return f"np.array({source_of(value.tolist(), depth + 1)})"


def _of_pandas(value: Any, depth: int) -> str:
    pandas = sys.modules["pandas"]
    if isinstance(value, pandas.DataFrame):
        columns = {name: value[name].tolist() for name in value.columns}
        if len(columns) != value.shape[1]:
            raise NoSource
        text = f"pd.DataFrame({_cells(columns, depth)}{_index(value.index, depth)})"
    elif isinstance(value, pandas.Series):
        name = f", name={source_of(value.name)}" if value.name is not None else ""
        text = f"pd.Series({_cells(value.tolist(), depth)}{_index(value.index, depth)}{name})"
    elif isinstance(value, pandas.Timestamp) and value.tz is None:
        return f"pd.Timestamp('{_short(value)}')"
    elif isinstance(value, pandas.Timedelta):
        return f"pd.Timedelta('{value}')"
    elif isinstance(value, pandas.Index) and not isinstance(value, pandas.MultiIndex):
        return f"pd.Index({_cells(value.tolist(), depth)})"
    elif value is pandas.NaT:
        return "pd.NaT"
    elif value is pandas.NA:
        return "pd.NA"
    else:
        raise NoSource
    return text if _makes(text, value) else _refuse()


def _refuse() -> str:
    raise NoSource


def _cells(values: Any, depth: int) -> str:
    """The cells of a table; a gap among numbers or texts is None, which pandas reads as the gap it is."""
    if isinstance(values, dict):
        return "{" + ", ".join(f"{source_of(k)}: {_cells(v, depth)}" for k, v in values.items()) + "}"
    return source_of([None if isinstance(v, float) and math.isnan(v) else v for v in values], depth + 1)


def _index(index: Any, depth: int) -> str:
    pandas = sys.modules["pandas"]
    if isinstance(index, pandas.RangeIndex) and index.start == 0 and index.step == 1 and index.name is None:
        return ""
    if isinstance(index, pandas.MultiIndex):
        raise NoSource
    named = f", name={source_of(index.name)}" if index.name is not None else ""
    if isinstance(index, pandas.DatetimeIndex):
        freq = f", freq={index.freqstr!r}" if index.freq is not None else ""
        return f", index=pd.DatetimeIndex({[_short(day) for day in index]}{freq}{named})"
    text = source_of(index.tolist(), depth + 1)
    return f", index=pd.Index({text}{named})" if named else f", index={text}"


def _short(moment: Any) -> str:
    return str(moment).removesuffix(" 00:00:00")


def _makes(text: str, value: Any) -> bool:
    """Whether the expression makes a table that pandas finds equal, types and labels included."""
    try:
        made = eval(text, dict(modules()))
        _assert_equal(made, value)
    except Exception:
        return False
    return True


def _assert_equal(made: Any, value: Any) -> None:
    testing = sys.modules["pandas"].testing
    (testing.assert_frame_equal if hasattr(value, "columns") else testing.assert_series_equal)(made, value)


def same_table(made: Any, value: Any) -> bool:
    """Whether pandas' own assertion holds for two tables."""
    try:
        _assert_equal(made, value)
    except Exception:
        return False
    return True


def modules() -> Mapping[str, Any]:
    """What the short names in an expression stand for, where it is loaded."""
    found: dict[str, Any] = {"dt": dt, "Path": pathlib.Path, "Decimal": decimal.Decimal, "math": math}
    for short, long in (("np", "numpy"), ("pd", "pandas"), ("numpy", "numpy"), ("pandas", "pandas")):
        if long in sys.modules:
            found[short] = sys.modules[long]
    return found


def _natural(text: str) -> tuple[int, Any]:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return (1, text)
    return (0, value) if isinstance(value, (int, float)) else (1, text)


def source_or_none(value: Any) -> str | None:
    """The expression, None where there is none."""
    try:
        return source_of(value)
    except (NoSource, RecursionError, ValueError, TypeError, AttributeError):
        return None


def imports(text: str) -> list[str]:
    """The import lines that names in a piece of source need."""
    return [line for short, line in IMPORTS.items() if re.search(rf"(?<![\w.]){short}\b(?=[.(])", text)]
