"""Tables as facts: every column's kind, range, values, missing count and key, within a deadline and from a sample.

Only classes of pandas and polars themselves are asked; a polars frame is read through its own small samples.
"""

from __future__ import annotations

import datetime
import time
from collections import Counter
from typing import Any

from nbcopilot.live_state import Column, Disguise, Table
from nbcopilot.notebook.inspecting import is_a, library
from nbcopilot.notebook.profile.disguise import SAMPLE, disguise
from nbcopilot.notebook.profile.nested import outline

# Columns that are measured one by one; of wider tables the others get name and dtype only.
MAX_COLUMNS = 120
# Names of a wide table that are kept: what a request can be linked to.
MAX_NAMES = 5000
# Rows that are looked at: all of a table of this length, else as many at equal distances.
MAX_ROWS = 100_000
# Distinct values up to which they are listed, and the longest of them in characters.
MAX_VALUES, MAX_VALUE = 20, 40
_STEPS = (
    ("s", 1),
    ("min", 60),
    ("h", 3600),
    ("D", 86400),
    ("W", 604800),
    ("MS", 2629800),
    ("QS", 7889400),
    ("YS", 31557600),
)


def table_facts(name: str, frame: Any, deadline: float, made: int = 0) -> Table | None:
    """The facts of one frame; None for what is no frame of a known library. May raise for broken objects."""
    if is_a(frame, "polars", "DataFrame"):
        return _polars(name, frame, deadline, made)
    pandas: Any = library("pandas")
    if pandas is None or type(frame) is not pandas.DataFrame:
        return None
    rows, width = frame.shape
    sample = frame if rows <= MAX_ROWS else frame.iloc[:: -(-rows // MAX_ROWS)]
    labels = list(frame.columns[:MAX_NAMES])
    times = Counter(map(_hashable, labels))
    found: list[Column] = []
    for i, label in enumerate(labels):
        twice = times[_hashable(label)] > 1
        series = sample.iloc[:, i]
        if i < MAX_COLUMNS and time.thread_time() < deadline:
            found.append(column_facts(label, series, whole=rows == len(sample), duplicated=twice))
        else:
            found.append(Column(source_of(label), _words(label), str(series.dtype), _kind(series), duplicated=twice))
    index = sample.index
    for level in range(index.nlevels):
        if index.names[level] is not None or str(index.get_level_values(level).dtype).startswith("datetime"):
            values = index.get_level_values(level).to_series()
            facts = column_facts(index.names[level], values, whole=rows == len(sample), duplicated=False)
            found.append(Column(**{**facts.__dict__, "is_index": True}))
    return Table(name, rows, tuple(found), "pandas", width, made=made)


def column_facts(label: Any, series: Any, *, whole: bool, duplicated: bool) -> Column:
    """The facts of one pandas column; a sample (`whole` False) proves no key."""
    kind = _kind(series)
    base = Column(source_of(label), _words(label), str(series.dtype), kind, duplicated=duplicated)
    try:
        present = series.dropna()
        missing = int(len(series) - len(present))
        if kind == "nested" or not len(present):
            example = outline(present.iloc[0]) if len(present) else ""
            return Column(**{**base.__dict__, "missing": missing, "example": example})
        distinct = present.unique()
        facts: dict[str, Any] = {"missing": missing if whole else None, "unique": len(distinct) if whole else None}
        facts["key"] = whole and not missing and len(distinct) == len(series) > 1 and kind in ("number", "text", "date")
        if 1 <= len(distinct) <= MAX_VALUES and kind in ("text", "number", "flag"):
            facts["values"] = _values(present)
        if kind in ("number", "date"):
            facts["low"], facts["high"] = _text(present.min()), _text(present.max())
            facts["ordered"] = bool(present.is_monotonic_increasing)
        if kind == "date":
            facts |= _clock(present, distinct)
        if kind == "text":
            facts["disguise"] = _disguised(distinct)
            if "values" not in facts:
                facts["example"] = source_of(distinct[0][:MAX_VALUE]) if type(distinct[0]) is str else ""
        return Column(**{**base.__dict__, **facts})
    except Exception:  # a column that cannot be measured still has its name and dtype
        return base


def source_of(label: Any) -> str:
    """The label as source; "" for labels that have no literal."""
    if type(label) in (str, int, float, bool) or label is None:
        return repr(label)
    if type(label) is tuple:
        parts = [source_of(part) for part in label]
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})" if all(parts) else ""
    if is_a(label, "numpy", "generic"):
        return source_of(label.item())
    if is_a(label, "pandas", "Timestamp", "Period"):
        return f"pd.{type(label).__name__}({str(label)!r})"
    return repr(str(label)) if type(label) in (datetime.date, datetime.datetime) else ""


def _words(label: Any) -> str:
    return " ".join(_words(part) for part in label) if type(label) is tuple else str(label)[:200]


def _hashable(label: Any) -> str:
    return f"{type(label).__name__} {label!s:.200}"


def _kind(series: Any) -> str:
    dtype = str(series.dtype)
    if dtype.startswith(("datetime", "period")):
        return "date"
    if dtype.startswith("timedelta"):
        return "duration"
    if dtype in ("bool", "boolean"):
        return "flag"
    if dtype.lower().startswith(("int", "uint", "float")):
        return "number"
    if dtype in ("str", "string", "category", "large_string") or dtype.startswith("string"):
        return "text"
    if dtype != "object":
        return "other"
    kinds = {type(value) for value in series.iloc[:200] if value is not None and value == value}
    if kinds & {list, dict, set, tuple}:
        return "nested"
    if kinds and kinds <= {datetime.date, datetime.datetime}:
        return "date"
    return "text" if kinds and kinds <= {str} else "flag" if kinds == {bool} else "other"


def _values(present: Any) -> tuple[str, ...]:
    counted = present.value_counts(sort=True)
    texts = [source_of(value) for value in counted.index]
    return tuple(text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…" for text in texts if text)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)[:25].removesuffix(" 00:00:00")


def _clock(present: Any, distinct: Any) -> dict[str, Any]:
    """The usual distance between dates, and their time zone."""
    facts: dict[str, Any] = {"zone": str(getattr(present.dt, "tz", None) or "") if hasattr(present, "dt") else ""}
    pandas: Any = library("pandas")
    days = pandas.Series(distinct[:SAMPLE])
    if str(days.dtype).startswith("datetime") and len(days) > 2:
        gaps = days.sort_values().diff().dropna().dt.total_seconds()
        usual = float(gaps.median())
        facts["step"] = max(
            (step for step in _STEPS if step[1] <= usual * 1.1), key=lambda step: step[1], default=("s", 1)
        )[0]
    elif str(days.dtype).startswith("period"):
        facts["step"] = str(days.dtype)[7:-1]
    return facts


def _disguised(distinct: Any) -> Disguise | None:
    texts = [value for value in list(distinct[:SAMPLE]) if type(value) is str]
    return disguise(texts) if texts else None


def _polars(name: str, frame: Any, deadline: float, made: int) -> Table:
    rows, width = frame.shape
    found = []
    for i, label in enumerate(frame.columns[:MAX_NAMES]):
        series = frame.to_series(i)
        dtype = str(series.dtype)
        kind = _polars_kind(dtype)
        facts: dict[str, Any] = {}
        if i < MAX_COLUMNS and time.thread_time() < deadline and rows <= MAX_ROWS and kind != "nested":
            distinct = series.drop_nulls().unique()
            facts = {"missing": series.null_count(), "unique": len(distinct), "key": len(distinct) == rows > 1}
            if 1 <= len(distinct) <= MAX_VALUES and kind in ("text", "number", "flag"):
                facts["values"] = tuple(source_of(value) for value in distinct.sort().to_list())
            if kind in ("number", "date") and len(distinct):
                facts["low"], facts["high"] = _text(distinct.min()), _text(distinct.max())
        found.append(Column(repr(label), label, dtype, kind, **facts))
    return Table(name, rows, tuple(found), "polars", width, made=made)


def _polars_kind(dtype: str) -> str:
    head = dtype.partition("(")[0]
    if head in ("Date", "Datetime"):
        return "date"
    if head in ("String", "Utf8", "Categorical", "Enum"):
        return "text"
    if head in ("List", "Struct", "Array", "Object"):
        return "nested"
    return "flag" if head == "Boolean" else "number" if head[:3] in ("Int", "UIn", "Flo", "Dec") else "other"
