"""What an answer did to the user's variables: copies before, faults and notes after."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping, Set
from types import FunctionType, ModuleType
from typing import Any

# Types that compare by value. Anything else that cannot be compared counts as unchanged.
PLAIN = (int, float, str, bytes, bool, type(None), list, tuple, dict, set)
TEXT = ("object", "str", "string")
# Names of loops, which people use again without thinking.
LOOP_NAMES = ("col", "row", "name", "key")


def snapshot(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Copies of all variables; what cannot be copied stands for itself."""
    return {name: _copied(value) for name, value in namespace.items() if not name.startswith("__")}


def _copied(value: Any) -> Any:
    if isinstance(value, (ModuleType, FunctionType, type)):
        return value
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def same(before: Any, after: Any) -> bool:
    """Whether a variable still has its value; what cannot be compared counts as the same."""
    if before is after:
        return True
    try:
        return _equal(before, after)
    except Exception:
        return True


def _equal(before: Any, after: Any) -> bool:
    import numpy as np
    import pandas as pd

    if type(before) is not type(after):
        return False
    if type(before).__module__.startswith("polars"):
        return bool(before.equals(after)) if hasattr(before, "equals") else True
    if isinstance(before, (pd.DataFrame, pd.Series)):
        columns = list(getattr(before, "columns", [])) == list(getattr(after, "columns", []))
        return bool(before.equals(after) and before.index.equals(after.index) and columns)
    if isinstance(before, pd.Index):
        return bool(before.equals(after))
    if isinstance(before, np.ndarray):
        missing = before.dtype.kind == "f"
        return before.shape == after.shape and bool(np.array_equal(before, after, equal_nan=missing))
    if isinstance(before, PLAIN):
        return pickle.dumps(before) == pickle.dumps(after) or bool(before == after)
    return True


def spoilt(before: Mapping[str, Any], after: Mapping[str, Any], may: Set[str]) -> tuple[list[str], list[str]]:
    """(faults, notes): variables that an answer lost or changed, other than those it `may` change.

    Helper columns, conversions that lose nothing and re-used names of loops are notes.
    """
    faults: list[str] = []
    notes: list[str] = []
    for name, old in before.items():
        if name in may or name.startswith("_") or isinstance(old, ModuleType):
            continue
        fault, note = (f"{name} was deleted", "") if name not in after else _spoilt(name, old, after[name])
        faults += [fault] if fault else []
        notes += [note] if note else []
    return faults, notes


def _spoilt(name: str, old: Any, new: Any) -> tuple[str, str]:
    """(fault, note) of one variable, both "" when it is as before."""
    import pandas as pd

    if isinstance(old, (FunctionType, type)):
        return (f"{name} was overwritten" if new is not old and not callable(new) else ""), ""
    if same(old, new) and type(old) is type(new):
        return "", ""
    if isinstance(old, pd.DataFrame) and isinstance(new, pd.DataFrame):
        return _spoilt_frame(name, old, new)
    reused = len(name) == 1 and not isinstance(old, pd.DataFrame)
    if reused or (isinstance(old, (int, float, str, bool)) and name in LOOP_NAMES):
        return "", f"{name} was reused"
    if type(old).__name__ in ("Axes", "Figure", "ndarray") and name in ("ax", "axes", "fig"):
        return "", ""
    return f"{name} was changed", ""


def _spoilt_frame(name: str, old: Any, new: Any) -> tuple[str, str]:
    lost = [column for column in old.columns if column not in new.columns]
    if lost or len(old) != len(new) or not old.index.equals(new.index):
        return f"{name} was changed" + (f" (lost {lost[:3]})" if lost else " (its rows)"), ""
    changed = [column for column in old.columns if not old[column].equals(new[column])]
    hard = [column for column in changed if not _converted(old[column], new[column])]
    if hard:
        return f"{name} was changed (values of {hard[:3]})", ""
    return "", f"{name} got helper columns or other types"


def _converted(old: Any, new: Any) -> bool:
    """Whether text became dates, numbers or categories without new gaps."""
    if old.dtype == new.dtype or old.notna().sum() != new.notna().sum():
        return False
    return str(old.dtype) in TEXT and (new.dtype.kind in "Mif" or str(new.dtype) in ("category", *TEXT))
