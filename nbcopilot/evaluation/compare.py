"""Is a value the one that the reference gave? For the stateful suite; runs inside its worker, next to the values.

`difference` is lenient where two right answers may differ (dtype, axis names, 1e-6 in numbers) and strict on type,
values and order; `changed` is strict in everything, because a user's variable must not change at all.
pandas and numpy are imported only when a value is theirs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any

TOLERANCE = 1e-6


def difference(expected: Any, found: Any, options: Mapping[str, Any] | None = None) -> str:
    """Why `found` is not `expected`, or "" when it is.

    Options: value_only (the container's type and a container around one value do not count), ignore_index (row labels
    do not count), ignore_order (neither does the order of rows or elements), type_only (values do not count), atol
    (numbers may differ by so much), dtype (the kinds of dtypes count too). They may also stand in `compare_fn`; where
    that is code, its function of (expected, found) decides.
    """
    options = {**(options or {})}
    own = options.pop("compare_fn", None)
    if isinstance(own, str):
        return _by_code(own, expected, found)
    options.update(own or {})
    if options.get("type_only"):
        return "" if type(expected) is type(found) else _types(expected, found)
    if options.get("value_only"):
        expected, found = _bare(expected), _bare(found)
    try:
        return _difference(expected, found, options)
    except Exception as exc:  # a value whose comparison raises is not the expected one
        return f"cannot be compared: {type(exc).__name__}: {exc}"


def _by_code(code: str, expected: Any, found: Any) -> str:
    """What the function that `code` defines says: it is right when it gives anything true."""
    namespace: dict[str, Any] = {}
    try:
        exec(code, namespace)
        functions = [value for value in namespace.values() if isinstance(value, FunctionType)]
        said = functions[-1](expected, found)
    except Exception as exc:
        return f"cannot be compared: {type(exc).__name__}: {exc}"
    return "" if bool(said) else _values(expected, found)


def changed(before: Any, after: Any) -> bool:
    """Whether a variable's value is no longer the same, to the last bit, type and label."""
    if before is after:
        return False
    if type(before) is not type(after):
        return True
    if isinstance(before, ModuleType):
        return True
    if isinstance(before, FunctionType):
        return bool(before.__code__ != after.__code__)
    try:
        return not _identical(before, after)
    except Exception:
        return True


def _identical(before: Any, after: Any) -> bool:
    pandas, numpy = sys.modules.get("pandas"), sys.modules.get("numpy")
    if pandas is not None and isinstance(before, (pandas.DataFrame, pandas.Series, pandas.Index)):
        return _pandas_error(pandas, before, after, check_exact=True) == ""
    if numpy is not None and isinstance(before, numpy.ndarray):
        same_kind = before.dtype == after.dtype and before.shape == after.shape
        return bool(
            same_kind
            and (before.tobytes() == after.tobytes() if before.dtype != object else _same_items(before, after))
        )
    if numpy is not None and isinstance(before, numpy.random.RandomState):
        return repr(before.get_state()) == repr(after.get_state())
    if isinstance(before, dict):
        return list(before) == list(after) and all(_identical(value, after[key]) for key, value in before.items())
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and _same_items(before, after)
    return bool(before == after) or (before != before and after != after)


def _same_items(before: Any, after: Any) -> bool:
    return all(type(a) is type(b) and _identical(a, b) for a, b in zip(before, after, strict=True))


def _difference(expected: Any, found: Any, options: Mapping[str, Any]) -> str:
    pandas, numpy = sys.modules.get("pandas"), sys.modules.get("numpy")
    for is_kind, compare in ((_is_bool, _bools), (_is_number, _numbers)):
        if is_kind(expected) or is_kind(found):
            both = is_kind(expected) and is_kind(found)
            return compare(expected, found, options) if both else _types(expected, found)
    if pandas is not None:
        kinds = (pandas.DataFrame, pandas.Series, pandas.Index)
        if isinstance(expected, kinds) or isinstance(found, kinds):
            return _frames(pandas, expected, found, options)
    if numpy is not None and (isinstance(expected, numpy.ndarray) or isinstance(found, numpy.ndarray)):
        if not (isinstance(expected, numpy.ndarray) and isinstance(found, numpy.ndarray)):
            return _types(expected, found)
        if expected.shape != found.shape:
            return f"shape {found.shape}, expected {expected.shape}"
        return _difference(expected.tolist(), found.tolist(), options)
    if isinstance(expected, (list, tuple)) and isinstance(found, (list, tuple)):
        return _sequences(list(expected), list(found), options)
    if isinstance(expected, dict) and isinstance(found, dict):
        return _dicts(expected, found, options)
    return (
        ""
        if expected is found or bool(expected == found) or (_is_missing(expected) and _is_missing(found))
        else _values(expected, found)
    )


def _frames(pandas: Any, expected: Any, found: Any, options: Mapping[str, Any]) -> str:
    kind = next((k for k in (pandas.DataFrame, pandas.Series, pandas.Index) if isinstance(expected, k)), None)
    if kind is None or not isinstance(found, kind):
        return _types(expected, found)
    if options.get("ignore_index") or options.get("ignore_order"):
        expected, found = (v if kind is pandas.Index else v.reset_index(drop=True) for v in (expected, found))
    if options.get("ignore_order"):
        if kind is pandas.DataFrame:
            columns = list(expected.columns)
            if sorted(map(str, columns)) != sorted(map(str, found.columns)):
                return f"columns {list(found.columns)}, expected {columns}"
            expected, found = (v[columns].sort_values(columns).reset_index(drop=True) for v in (expected, found))
        else:
            expected, found = (pandas.Series(v).sort_values().reset_index(drop=True) for v in (expected, found))
    tolerance = float(options.get("atol") or TOLERANCE)
    reason = _pandas_error(pandas, expected, found, check_exact=False, tolerance=tolerance)
    return reason or (_dtypes(expected, found) if options.get("dtype") else "")


def _dtypes(expected: Any, found: Any) -> str:
    """Whether columns are of other kinds: numbers as text, text as categories, whole numbers as floats."""
    ours, theirs = (
        [_dtype_kind(dtype) for dtype in (value.dtypes if hasattr(value, "columns") else [value.dtype])]
        for value in (found, expected)
    )
    return "" if ours == theirs else f"has dtypes {ours}, expected {theirs}"[:300]


def _dtype_kind(dtype: Any) -> str:
    text = str(dtype)
    return "text" if text in ("object", "str", "string") else "category" if text == "category" else str(dtype.kind)


def _pandas_error(pandas: Any, expected: Any, found: Any, *, check_exact: bool, tolerance: float = TOLERANCE) -> str:
    """The message of pandas' own comparison, "" when equal. Exact: dtypes, axis names and the last bit count too."""
    options: dict[str, Any] = {"check_exact": check_exact, "check_names": check_exact, "check_categorical": check_exact}
    if not check_exact:
        options.update(rtol=TOLERANCE, atol=tolerance)
    labels = {} if check_exact else {"check_dtype": False, "check_freq": False, "check_index_type": False}
    try:
        if isinstance(expected, pandas.DataFrame):
            columns = {} if check_exact else {"check_column_type": False}
            pandas.testing.assert_frame_equal(expected, found, **options, **labels, **columns)
        elif isinstance(expected, pandas.Series):
            pandas.testing.assert_series_equal(expected, found, **options, **labels)
        else:
            exact: Any = "equiv" if check_exact else False
            pandas.testing.assert_index_equal(expected, found, exact=exact, **options)
    except AssertionError as exc:
        return " ".join(str(exc).split())[:300]
    return ""


def _sequences(expected: list[Any], found: list[Any], options: Mapping[str, Any]) -> str:
    if len(expected) != len(found):
        return f"{len(found)} elements, expected {len(expected)}"
    if options.get("ignore_order"):
        expected, found = (sorted(v, key=lambda x: (str(type(x)), x)) for v in (expected, found))
    for position, (a, b) in enumerate(zip(expected, found, strict=True)):
        if reason := _difference(a, b, options):
            return f"element {position}: {reason}"
    return ""


def _dicts(expected: dict[Any, Any], found: dict[Any, Any], options: Mapping[str, Any]) -> str:
    if options.get("ignore_index"):
        return _sequences(list(expected.values()), list(found.values()), options)
    if set(expected) != set(found):
        return f"keys {list(found)}, expected {list(expected)}"[:300]
    for key, value in expected.items():
        if reason := _difference(value, found[key], options):
            return f"key {key!r}: {reason}"
    return ""


def _bools(expected: Any, found: Any, options: Mapping[str, Any]) -> str:
    return "" if bool(expected) == bool(found) else _values(expected, found)


def _numbers(expected: Any, found: Any, options: Mapping[str, Any]) -> str:
    if expected != expected or found != found:
        return "" if expected != expected and found != found else _values(expected, found)
    tolerance = max(TOLERANCE * max(1.0, abs(expected)), float(options.get("atol") or 0.0))
    close = expected == found or abs(expected - found) <= tolerance
    return "" if close else _values(expected, found)


def _bare(value: Any) -> Any:
    """Nested lists of plain values; one value alone instead of a container that holds only it."""
    pandas, numpy = sys.modules.get("pandas"), sys.modules.get("numpy")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        value = value.to_numpy().tolist()
    elif (pandas is not None and isinstance(value, (pandas.Series, pandas.Index))) or (
        numpy is not None and isinstance(value, numpy.ndarray)
    ):
        value = value.tolist()
    if isinstance(value, (list, tuple, set, frozenset)):
        value = [_bare(item) for item in value]
        return value[0] if len(value) == 1 else value
    return value


def _is_bool(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return isinstance(value, bool) or (numpy is not None and isinstance(value, numpy.bool_))


def _is_number(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return isinstance(value, (int, float)) or (numpy is not None and isinstance(value, numpy.number))


def _is_missing(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return value is None or (pandas is not None and (value is pandas.NA or value is pandas.NaT))


def _types(expected: Any, found: Any) -> str:
    return f"is a {type(found).__name__}, expected a {type(expected).__name__}"


def _values(expected: Any, found: Any) -> str:
    return f"is {found!r:.100}, expected {expected!r:.100}"
