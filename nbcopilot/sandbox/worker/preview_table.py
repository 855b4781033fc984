"""The head of a table (pandas, polars, a Styler's data) as texts: labels, cells, and which columns are numbers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

ROWS = 10  # of a table that has no more; of a longer one HEAD are shown
HEAD = 5
COLUMNS = 8
CELL = 40  # characters
LABELS = 2000
DECIMALS = 6


def labels(value: Any) -> list[str] | None:
    """Labels of the columns of a frame, or the keys of a dict of texts; None for everything else."""
    columns = getattr(value, "columns", None)
    if columns is not None and getattr(value, "shape", None) is not None:
        return [_label(label) for label in list(columns)[:LABELS]]
    if isinstance(value, dict) and len(value) <= LABELS and all(isinstance(key, str) for key in value):
        return [key[:CELL] for key in value]
    return None


def table(value: Any) -> dict[str, Any] | None:
    """{"columns", "index", "cells", "rows", "width", "numeric"} of a frame or series; None for everything else."""
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None:
        value = getattr(value, "data", value) if type(value).__name__ == "Styler" else value
        if isinstance(value, pandas.Series):
            return _of_pandas(value.to_frame(name=value.name if value.name is not None else ""), 1)
        if isinstance(value, pandas.DataFrame):
            return _of_pandas(value, value.shape[1])
    if polars is not None and isinstance(value, (polars.DataFrame, polars.Series)):
        return _of_polars(value.to_frame() if isinstance(value, polars.Series) else value)
    return None


def _of_pandas(frame: Any, width: int) -> dict[str, Any]:
    shown = frame.iloc[: _count(len(frame)), :COLUMNS]
    columns = [shown.iloc[:, i].tolist() for i in range(shown.shape[1])]
    kinds = [getattr(dtype, "kind", "O") for dtype in shown.dtypes]
    return {
        "columns": [_label(label) for label in shown.columns],
        "index": [_label(label) for label in shown.index],
        **_cells(columns, [kind in "iufc" for kind in kinds]),
        "rows": len(frame),
        "width": width,
    }


def _of_polars(frame: Any) -> dict[str, Any]:
    shown = frame.head(_count(frame.height))
    names = list(shown.columns)[:COLUMNS]
    columns = [shown[name].to_list() for name in names]
    numeric = [bool(shown[name].dtype.is_numeric()) for name in names]
    return {
        "columns": [_label(name) for name in names],
        "index": [],
        **_cells(columns, numeric),
        "rows": frame.height,
        "width": frame.width,
    }


def _count(rows: int) -> int:
    return rows if rows <= ROWS else HEAD


def _cells(columns: Sequence[Sequence[Any]], numeric: Sequence[bool]) -> dict[str, Any]:
    texts = [_column(values) for values in columns]
    return {"cells": [list(row) for row in zip(*texts, strict=True)], "numeric": list(numeric)}


def _column(values: Sequence[Any]) -> list[str]:
    """The texts of a column: floats with as many decimals as the one that needs most of them, six at most."""
    decimals = max((_decimals(v) for v in values if isinstance(v, float)), default=0)
    return [_cell(value, decimals) for value in values]


def _decimals(value: float) -> int:
    if value != value or value in (float("inf"), float("-inf")):
        return 0
    return max(1, len(f"{value:.{DECIMALS}f}".rstrip("0").partition(".")[2]))


def _cell(value: Any, decimals: int) -> str:
    if isinstance(value, float):
        if value != value:
            return "NaN"
        large = abs(value) >= 1e15 or 0 < abs(value) < 10**-DECIMALS
        return f"{value:.6g}" if large else f"{value:.{decimals}f}"
    return _cut(str(value))


def _label(label: Any) -> str:
    return _cut(" · ".join(map(str, label)) if isinstance(label, tuple) else str(label))


def _cut(text: str) -> str:
    text = " ".join(text[: 4 * CELL].split())
    return text if len(text) <= CELL else text[: CELL - 1] + "…"
