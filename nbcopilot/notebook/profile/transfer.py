"""A LiveState as JSON and back, for the ways from a kernel to another process.

What comes in is of the other process's making: whatever is not of the right shape is left out, and lengths are bounded.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from nbcopilot import live_state
from nbcopilot.live_state import LiveState

MAX_TEXT, MAX_ITEMS = 2000, 6000


def as_json(state: LiveState | None) -> dict[str, Any] | None:
    """The state as plain dicts, lists, texts and numbers."""
    return None if state is None else asdict(state)


def from_json(raw: Any) -> LiveState | None:
    """The state that `as_json` wrote; None for what is none."""
    found = _dataclass(LiveState, raw) if isinstance(raw, Mapping) else None
    return found if isinstance(found, LiveState) else None


def _dataclass(cls: type, raw: Mapping[str, Any]) -> Any:
    """An instance with the fields that fit; None when one without a default does not."""
    hints = typing.get_type_hints(cls, vars(live_state))
    values: dict[str, Any] = {}
    for field in fields(cls):
        if field.name in raw:
            fits, value = _value(hints[field.name], raw[field.name])
            if fits:
                values[field.name] = value
    try:
        return cls(**values)
    except TypeError:
        return None


def _value(kind: Any, raw: Any) -> tuple[bool, Any]:
    """(whether it fits, the value as `kind`)."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        if raw is None:
            return True, None
        return _value(next(one for one in typing.get_args(kind) if one is not type(None)), raw)
    if typing.get_origin(kind) is tuple:
        if not isinstance(raw, (list, tuple)):
            return False, None
        inner = typing.get_args(kind)[0]
        return True, tuple(
            value for fits, value in (_value(inner, one) for one in raw[:MAX_ITEMS]) if fits and value is not None
        )
    if is_dataclass(kind) and isinstance(kind, type):
        found = _dataclass(kind, raw) if isinstance(raw, Mapping) else None
        return found is not None, found
    if kind is bool:
        return isinstance(raw, bool), raw
    if kind in (int, float):
        return isinstance(raw, (int, float)) and not isinstance(raw, bool), raw
    return isinstance(raw, str), raw[:MAX_TEXT] if isinstance(raw, str) else None
