"""Python values to JSON text in the style of a file, reusing the bytes of everything that did not change.

The other half of `jsontext`. Knows nothing of notebooks.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from nbcopilot.notebook.jsontext import Span, same, spelled

# An escape that only an ASCII writer makes: not a control character, not the "<" that Colab escapes, not half a pair.
_ESCAPED = re.compile(r"(?<!\\)(?:\\\\)*\\u(?:(?!00[0-7])(?!d[89a-f])[0-9a-f]|d[89ab]..\\ud[c-f])", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Style:
    """How a file is written. `indent` is the text of one level, None when all is on one line."""

    indent: str | None = " "
    item_separator: str = ","
    key_separator: str = ": "
    ensure_ascii: bool = False
    sort_keys: bool = False
    newline: str = "\n"
    final: str = "\n"


# For telling elements apart, never for writing.
_COMPACT = Style(indent=None, sort_keys=True, ensure_ascii=True)


def dumps(value: Any, style: Style, level: int = 0) -> str:
    """JSON text of `value` as it stands at nesting `level`, without the final newline. Iterative.

    Raises TypeError for what JSON cannot hold.
    """
    return "".join(_pieces(value, style, level))


def _pieces(value: Any, style: Style, level: int) -> Iterator[str]:
    """Walks with a stack of iterators over (text before the child, child)."""
    stack: list[tuple[Iterator[tuple[str, Any]], str]] = []
    before, node = "", value
    while True:
        yield before
        if isinstance(node, dict) and node:
            items = sorted(node.items()) if style.sort_keys else list(node.items())
            stack.append((_members(items, style, level + len(stack)), "}"))
            yield "{"
        elif isinstance(node, (list, tuple)) and node:
            stack.append((_elements(node, style, level + len(stack)), "]"))
            yield "["
        else:
            yield _leaf(node, style)
        while stack:
            child = next(stack[-1][0], None)
            if child is not None:
                before, node = child
                break
            closing = stack.pop()[1]
            yield _line(style, level + len(stack)) + closing
        else:
            return


def _members(items: list[tuple[Any, Any]], style: Style, level: int) -> Iterator[tuple[str, Any]]:
    separator = _line(style, level + 1)
    for key, child in items:
        if not isinstance(key, str):
            raise TypeError(f"a JSON key must be text, not {type(key).__name__}")
        yield f"{separator}{_leaf(key, style)}{style.key_separator}", child
        separator = style.item_separator + _line(style, level + 1)


def _elements(items: list[Any] | tuple[Any, ...], style: Style, level: int) -> Iterator[tuple[str, Any]]:
    separator = _line(style, level + 1)
    for child in items:
        yield separator, child
        separator = style.item_separator + _line(style, level + 1)


def _line(style: Style, level: int) -> str:
    return "" if style.indent is None else style.newline + style.indent * level


def _leaf(value: Any, style: Style) -> str:
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=style.ensure_ascii)
        return text if style.ensure_ascii else _SURROGATE.sub(lambda m: f"\\u{ord(m[0]):04x}", text)
    if isinstance(value, float):
        return spelled(value)
    if value is None or isinstance(value, (bool, int)):
        return json.dumps(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, (list, tuple)):
        return "[]"
    raise TypeError(f"JSON cannot hold {type(value).__name__}")


def splice(text: str, old: Any, span: Span, new: Any, style: Style, level: int = 0) -> str:
    """The text of `new`, reusing the bytes of `old` (which stands at `span` of `text`) wherever they are the same.

    What has no counterpart is written in `style`. Objects are compared key by key, arrays element by element:
    an inserted or removed element leaves its neighbours' bytes alone.
    """
    if same(old, new):
        return text[span.start : span.end]
    # Only the spine of a notebook changes (top level, cells, a cell, its metadata): bounded, so recursion is safe.
    if level < 8 and isinstance(old, dict) and isinstance(new, dict) and old and new:
        return _splice_object(text, old, span, new, style, level)
    if level < 8 and isinstance(old, list) and isinstance(new, list) and old and new:
        return _splice_array(text, old, span, new, style, level)
    return dumps(new, style, level)


def _splice_object(text: str, old: dict[str, Any], span: Span, new: dict[str, Any], style: Style, level: int) -> str:
    members = span.members or []
    last = {key: i for i, (key, _, _) in enumerate(members)}
    kept = [i for i, (key, _, _) in enumerate(members) if key in new]
    parts: list[str] = []
    for i in kept:
        key, start, child = members[i]
        assert key is not None
        body = text[child.start : child.end]
        if last[key] == i:  # an earlier repeat of the key is not what Python sees: left alone
            body = splice(text, old[key], child, new[key], style, level + 1)
        parts.append(text[start : child.start] + body)
    added = [key for key in new if key not in old]
    for key in sorted(added) if style.sort_keys else added:
        parts.append(_leaf(key, style) + style.key_separator + dumps(new[key], style, level + 1))
    if style.sort_keys and added:
        order = [members[i][0] or "" for i in kept] + sorted(added)
        parts = [part for _, part in sorted(zip(order, parts, strict=True), key=lambda pair: pair[0])]
    return _join(text, span, parts, len(kept) == len(members) and not added, style, level)


def _splice_array(text: str, old: list[Any], span: Span, new: list[Any], style: Style, level: int) -> str:
    members = span.members or []
    partner = _align(old, new)
    parts = []
    for element, i in zip(new, partner, strict=True):
        if i is None:
            parts.append(dumps(element, style, level + 1))
        else:
            parts.append(splice(text, old[i], members[i][2], element, style, level + 1))
    return _join(text, span, parts, partner == list(range(len(old))), style, level)


def _join(text: str, span: Span, parts: list[str], unmoved: bool, style: Style, level: int) -> str:
    """The parts between the brackets and separators that the old text used."""
    members = span.members or []
    opening = text[span.start : members[0][1]]
    closing = text[members[-1][2].end : span.end]
    between = [text[a[2].end : b[1]] for a, b in pairwise(members)]
    if unmoved:
        separators = between
    else:
        usual = Counter(between).most_common(1)[0][0] if between else style.item_separator + _line(style, level + 1)
        separators = [usual] * (len(parts) - 1)
    joined = "".join(part + separator for part, separator in zip(parts, [*separators, ""], strict=True))
    return opening + joined + closing


def _align(old: list[Any], new: list[Any]) -> list[int | None]:
    """For each new element the index of the old one that it is (the same, or the same `id`), in increasing order."""
    places: dict[str, list[int]] = {}
    for i, element in enumerate(old):
        places.setdefault(dumps(element, _COMPACT), []).append(i)
    partner: list[int | None] = []
    at = 0
    for element in new:
        found = places.get(dumps(element, _COMPACT), [])
        place = bisect_left(found, at)
        partner.append(found[place] if place < len(found) else None)
        at = at if partner[-1] is None else partner[-1] + 1
    # Between two matches: pair the changed ones by id, else one to one when the counts agree.
    start_new, start_old = 0, 0
    for j in range(len(new) + 1):
        if j < len(new) and partner[j] is None:
            continue
        end_old = len(old) if j == len(new) else partner[j]
        assert end_old is not None
        _pair(old, new, partner, range(start_old, end_old), range(start_new, j))
        start_new, start_old = j + 1, end_old + 1
    return partner


def _pair(old: list[Any], new: list[Any], partner: list[int | None], olds: range, news: range) -> None:
    if len(olds) == len(news):
        for i, j in zip(olds, news, strict=True):
            partner[j] = i
        return
    at = olds.start
    for j in news:
        for i in range(at, olds.stop):
            if _key_of(new[j]) is not None and _key_of(new[j]) == _key_of(old[i]):
                partner[j], at = i, i + 1
                break


def _key_of(element: Any) -> Any:
    return element.get("id") if isinstance(element, dict) else None


# --------------------------------------------------------------------------- the file's style


def style_of(text: str, value: Any, span: Span) -> Style:
    """The style in which `text` is written, read off its first members and its characters."""
    members = span.members or []
    indent, key_separator = None, ": "
    if members:
        lead = text[span.start + 1 : members[0][1]]
        indent = lead.rpartition("\n")[2] if "\n" in lead else None
        key, start, child = members[0]
        if key is not None:
            key_separator = text[scanstring(text, start + 1, True)[1] : child.start]
    separator = next(_separators(text, span), ", " if indent is None else ",")
    return Style(
        indent=indent,
        item_separator=re.split(r"\r?\n", separator)[0],
        key_separator=key_separator,
        ensure_ascii=text.isascii() and _ESCAPED.search(text) is not None,
        sort_keys=_is_sorted(value),
        newline="\r\n" if "\r\n" in text else "\n",
        final=text[span.end :],
    )


def _separators(text: str, span: Span) -> Iterator[str]:
    """Text between neighbouring members, outermost first."""
    level = [span]
    while level:
        for one in level:
            members = one.members or []
            for a, b in pairwise(members):
                yield text[a[2].end : b[1]]
        level = [child for one in level for _, _, child in one.members or []]


def _is_sorted(value: Any) -> bool:
    """Whether every object of two keys or more, a few thousand looked at, has its keys in order."""
    queue, seen, evidence = [value], 0, False
    while queue and seen < 5000:
        node = queue.pop()
        seen += 1
        if isinstance(node, dict):
            keys = list(node)
            if keys != sorted(keys):
                return False
            evidence = evidence or len(keys) > 1
            queue.extend(node.values())
        elif isinstance(node, list):
            queue.extend(node)
    return evidence
