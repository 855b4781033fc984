"""What a run gave, as bounded data: the head of a table, a short text, a picture, and how each variable changed.

Called in the process of the run, after it. Nothing here raises through; what takes too long is left out, and a figure is
drawn in a fork that can be ended.
"""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any

from nbcopilot.sandbox.worker.compare import Fingerprint
from nbcopilot.sandbox.worker.describe_value import short, within
from nbcopilot.sandbox.worker.preview_table import labels, table

MAX_TEXT = 2000
SHORT = 60
MAX_NAMES = 12
_SIZED = (list, tuple, set, frozenset, dict)
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def shapes(namespace: Mapping[str, Any], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What is compared later of each variable: type, rows, column labels, a short text."""
    return {name: _shape(namespace[name]) for name in names if name in namespace}


def _shape(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = within(0.2, lambda: shape(value), {})
    return found


def shape(value: Any) -> dict[str, Any]:
    """{"type", "unit", "rows", "labels", "text"} of a value; labels are None where it has none."""
    found: dict[str, Any] = {"type": type(value).__name__, "unit": "", "rows": -1, "labels": labels(value), "text": ""}
    size = getattr(value, "shape", None)
    if isinstance(size, tuple) and size and isinstance(size[0], int):
        found |= {"unit": "rows", "rows": size[0]}
    elif isinstance(value, _SIZED):
        found |= {"unit": "items", "rows": len(value)}
    elif isinstance(value, _PLAIN):
        found["text"] = _short(value)
    return found


def changes(
    before: Mapping[str, dict[str, Any]],
    namespace: Mapping[str, Any],
    prints: tuple[Mapping[str, Fingerprint], Mapping[str, Fingerprint]],
    kinds: Mapping[str, Iterable[str]],
) -> list[dict[str, Any]]:
    """How each variable changed. prints: fingerprints before and after; kinds: names under "created", "changed", "deleted"."""
    found = []
    for kind, verb in (("changed", "changed"), ("created", "made"), ("deleted", "deleted")):
        for name in list(kinds[kind])[:MAX_NAMES]:
            was = before.get(name, {})
            now = _shape(namespace.get(name)) if kind != "deleted" else {}
            found.append({"name": name, "kind": verb, **_difference(was, now, _columns(prints, name))})
    return found


def _difference(was: Mapping[str, Any], now: Mapping[str, Any], altered: list[int]) -> dict[str, Any]:
    old, new = was.get("labels"), now.get("labels")
    told: dict[str, Any] = {
        "type": now.get("type", ""),
        "was": was.get("type", ""),
        "unit": now.get("unit") or was.get("unit", ""),
        "rows": [was.get("rows", -1), now.get("rows", -1)],
        "columns": len(new) if new is not None and now.get("unit") == "rows" else -1,
        "before": was.get("text", ""),
        "after": now.get("text", ""),
    }
    if old is not None and new is not None:
        there, here = set(old), set(new)
        told["added"] = [label for label in new if label not in there][:MAX_NAMES]
        told["removed"] = [label for label in old if label not in here][:MAX_NAMES]
        if old == new and was.get("rows") == now.get("rows"):
            told["altered"] = [new[i] for i in altered if i < len(new)][:MAX_NAMES]
    return told


def _columns(prints: tuple[Mapping[str, Fingerprint], Mapping[str, Fingerprint]], name: str) -> list[int]:
    """Places of the columns whose contents differ, of a frame with as many columns before and after."""
    both = [side[name].full if name in side else None for side in prints]
    if not all(isinstance(full, tuple) and full[:1] == ("frame",) for full in both):
        return []
    old, new = both[0][3], both[1][3]  # type: ignore[index]
    return [i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b] if len(old) == len(new) else []


def read_only(code: str, namespace: Mapping[str, Any], known: Iterable[str], touched: Iterable[str]) -> list[str]:
    """Names of data that the code reads and leaves as it was, in order of appearance."""
    touched_names = set(touched)
    there = {name for name in known if name not in touched_names}
    return [name for name in _loaded(code) if name in there and _is_data(namespace.get(name))][:MAX_NAMES]


def uses(code: str, columns: Mapping[str, list[str]]) -> list[str]:
    """Columns that the code names, as `frame.column`; columns: labels by the name of the frame."""
    named = [n for n in ast.walk(ast.parse(code)) if isinstance(n, (ast.Constant, ast.Attribute))]
    words = {n.value if isinstance(n, ast.Constant) else n.attr: None for n in named}
    read = [frame for frame in _loaded(code) if frame in columns]
    return [f"{f}.{w}"[:80] for w in words if isinstance(w, str) for f in read if w in columns[f]][:MAX_NAMES]


def value_view(value: Any, drawn: bool) -> dict[str, Any] | None:
    """{"type", "text", "table"} of the value of a cell; None where it shows nothing besides its figures."""
    if value is None or (drawn and _belongs_to_figure(value)):
        return None
    rows = within(1.0, lambda: table(value), None)
    if rows is not None:
        return {"type": type(value).__name__, "text": "", "table": rows}
    if isinstance(value, str):
        return {"type": "str", "text": value[:MAX_TEXT], "table": None}
    return {"type": type(value).__name__, "text": _plainly(value, short(value, MAX_TEXT)), "table": None}


def _plainly(value: Any, text: str) -> str:
    """The text of a number of numpy's as the number itself: `np.float64(2.5)` says 2.5."""
    numpy = sys.modules.get("numpy")
    return repr(value.item()) if numpy is not None and isinstance(value, (numpy.number, numpy.bool_)) else text


def _belongs_to_figure(value: Any) -> bool:
    """Whether a value is the axes or artists that plotting gives back."""
    first = value
    if isinstance(value, (list, tuple)) and value:
        first = value[0]
    elif hasattr(value, "ravel") and getattr(getattr(value, "dtype", None), "kind", "") == "O" and value.size:
        first = value.ravel()[0]
    return type(first).__module__.split(".")[0] in ("matplotlib", "seaborn")


def _loaded(code: str) -> list[str]:
    nodes = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    return list(dict.fromkeys(n.id for n in sorted(nodes, key=lambda n: (n.lineno, n.col_offset))))


def _is_data(value: Any) -> bool:
    return value is not None and not callable(value) and not isinstance(value, types.ModuleType)


def _short(value: Any) -> str:
    text = repr(value[: SHORT + 1]) if isinstance(value, (str, bytes)) else repr(value)
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"
