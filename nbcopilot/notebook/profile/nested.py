"""The shape of nested data: keys and types a few levels deep, without its values but one short example each."""

from __future__ import annotations

from typing import Any

from nbcopilot.notebook.describe import short_value
from nbcopilot.notebook.inspecting import class_name

MAX_KEYS, MAX_DEPTH, MAX_LENGTH = 12, 4, 480


def outline(value: Any) -> str:
    """`{'id': int 7, 'stops': list of 3 {'place': str 'A'}}` for dicts and lists of built-in types."""
    return _outline(value, MAX_DEPTH)[:MAX_LENGTH]


def _outline(value: Any, depth: int) -> str:
    if type(value) is dict:
        if not depth:
            return "{…}"
        some = list(value.items())[:MAX_KEYS]
        inside = ", ".join(f"{short_value(key, 40)}: {_outline(one, depth - 1)}" for key, one in some)
        return "{" + inside + (", …" if len(value) > len(some) else "") + "}"
    if type(value) in (list, tuple):
        if not value:
            return f"empty {class_name(type(value))}"
        return f"{class_name(type(value))} of {len(value):,} {_outline(value[0], depth - 1) if depth else '…'}"
    return short_value(value, 30)
