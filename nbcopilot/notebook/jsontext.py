"""JSON text to Python values without losing what JSON allows and Python's `json` drops.

Reading is iterative (a file nested 100,000 deep is fine) and remembers where every value stands in the text, so that
`splice` can write a changed value and leave every untouched byte as it was. Knows nothing of notebooks.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?|-?Infinity|NaN")
_WORDS = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}


class Literal(float):
    """A number that Python would write otherwise than the file does (1e400, 1.10, -0, 5,000 digits): `text` is kept."""

    text: str

    def __new__(cls, text: str) -> Literal:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __reduce__(self) -> tuple[type[Literal], tuple[str]]:
        return Literal, (self.text,)


@dataclass
class Span:
    """Where a value stands: `text[start:end]`, and the spans of what it holds.

    `members` are (key, start of the key, Span) for an object, with repeated keys kept; (None, start, Span) for an array.
    """

    start: int
    end: int = 0
    members: list[tuple[str | None, int, Span]] | None = None


@dataclass
class _Frame:
    value: Any
    span: Span
    key: str | None = None
    key_start: int = field(default=0)


def parse(text: str) -> tuple[Any, Span]:
    """The value of a JSON text and its spans. Raises ValueError (`json.JSONDecodeError`) at the first fault.

    Repeated keys: the last one wins, as everywhere in Python. NaN and Infinity are accepted, as nbformat does.
    """
    stack: list[_Frame] = []
    at = _skip(text, 0)
    while True:
        # One value starts at `at`.
        char = text[at : at + 1]
        if char in ("{", "["):
            frame = _Frame({} if char == "{" else [], Span(at, members=[]))
            at = _skip(text, at + 1)
            closing = "}" if char == "{" else "]"
            if text[at : at + 1] != closing:
                if char == "{":
                    at = _key(text, at, frame)
                else:
                    frame.key_start = at
                stack.append(frame)
                continue
            value, span, at = frame.value, frame.span, at + 1
            span.end = at
        else:
            start = at
            value, at = _scalar(text, at)
            span = Span(start, at)
        # Hand the finished value to its parents until one wants more.
        while stack:
            frame = stack[-1]
            assert frame.span.members is not None
            frame.span.members.append((frame.key, frame.key_start, span))
            if frame.key is None:
                frame.value.append(value)
            else:
                frame.value[frame.key] = value
            at = _skip(text, at)
            char = text[at : at + 1]
            if char == ",":
                at = _skip(text, at + 1)
                if frame.key is None:
                    frame.key_start = at
                else:
                    at = _key(text, at, frame)
                break
            if char != ("]" if frame.key is None else "}"):
                raise json.JSONDecodeError("expected a comma or a closing bracket", text, at)
            stack.pop()
            at += 1
            value, span = frame.value, frame.span
            span.end = at
        else:
            end = _skip(text, at)
            if end != len(text):
                raise json.JSONDecodeError("extra text after the end", text, end)
            return value, span


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _key(text: str, at: int, frame: _Frame) -> int:
    """Read `"key":` into the frame; the start of its value."""
    if text[at : at + 1] != '"':
        raise json.JSONDecodeError("expected a key in double quotes", text, at)
    frame.key_start = at
    frame.key, at = scanstring(text, at + 1, True)
    at = _skip(text, at)
    if text[at : at + 1] != ":":
        raise json.JSONDecodeError("expected a colon", text, at)
    return _skip(text, at + 1)


def _scalar(text: str, at: int) -> tuple[Any, int]:
    char = text[at : at + 1]
    if char == '"':
        value, end = scanstring(text, at + 1, True)
        return value, end
    word, constant = _WORDS.get(char, ("", None))
    if word and text.startswith(word, at):
        return constant, at + len(word)
    match = _NUMBER.match(text, at)
    if match is None:
        raise json.JSONDecodeError("expected a value", text, at)
    return _number(match), match.end()


def _number(match: re.Match[str]) -> int | float:
    literal = match[0]
    if literal in ("NaN", "Infinity", "-Infinity"):
        return float(literal)
    if match[1] is None and match[2] is None and len(literal) < 1000 and literal != "-0":
        return int(literal)
    return float(literal) if float.__repr__(float(literal)) == literal else Literal(literal)


# --------------------------------------------------------------------------- comparing


def same(left: Any, right: Any) -> bool:
    """Whether two values are the same JSON: type for type (1 is not true, not 1.0), NaN equal to itself, any depth.

    The order of keys does not count.
    """
    pairs = [(left, right)]
    while pairs:
        a, b = pairs.pop()
        if a is b:
            continue
        if isinstance(a, dict) and isinstance(b, dict):
            if len(a) != len(b) or a.keys() != b.keys():
                return False
            pairs.extend((value, b[key]) for key, value in a.items())
        elif isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
            if len(a) != len(b):
                return False
            pairs.extend(zip(a, b, strict=True))
        elif isinstance(a, float) and isinstance(b, float):
            if spelled(a) != spelled(b):
                return False
        elif any(isinstance(a, kind) is not isinstance(b, kind) for kind in (bool, float)) or a != b:
            return False
    return True


def spelled(number: float) -> str:
    if isinstance(number, Literal):
        return number.text
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    return float.__repr__(number)
