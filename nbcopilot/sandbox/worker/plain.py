"""JSON from a process that is not trusted, as values that cannot harm its reader.

Numbers fit into 64 bits and are finite, texts can be encoded, nesting is bounded: what comes out is safe to format,
to count with and to write to a file.
"""

from __future__ import annotations

import json
import math
from typing import Any

MAX_DEPTH = 60
_BITS = 63


def loads(data: bytes | bytearray | str) -> Any:
    """The value of a JSON text. Raises ValueError when it is none, or nested deeper than MAX_DEPTH.

    Numbers that are too large, infinite or no numbers become None, and halves of surrogate pairs question marks.
    """
    try:
        raw = json.loads(data, parse_int=_whole, parse_float=_real, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    return _clean(raw, MAX_DEPTH)


def text(value: str) -> str:
    """The text without halves of surrogate pairs, which no file can hold."""
    return value.encode("utf-8", "replace").decode("utf-8")


def _whole(digits: str) -> int | None:
    if len(digits) > 20:
        return None
    number = int(digits)
    return number if abs(number) < 1 << _BITS else None


def _real(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return [_clean(item, _below(depth)) for item in value]
    if isinstance(value, dict):
        return {text(key): _clean(item, _below(depth)) for key, item in value.items()}
    return value


def _below(depth: int) -> int:
    if depth <= 0:
        raise ValueError("the JSON is nested too deeply")
    return depth - 1
