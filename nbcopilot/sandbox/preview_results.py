"""The preview that came out of a run, as nouns: whatever is not of the right shape or size is left out.

The run may say what it likes: a text stays a text of bounded length, and a picture is bytes that begin as a PNG does.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import Any, TypeVar

from nbcopilot.preview import Change, FigureView, Preview, TableView, ValueView
from nbcopilot.printable import printable

PNG = b"\x89PNG\r\n\x1a\n"
MAX_PICTURE = 400_000  # characters of base64
Word = TypeVar("Word", bound=str)


def read_preview(raw: Any) -> Preview | None:
    """The Preview of what the run's process said; None where it said nothing."""
    if not isinstance(raw, dict):
        return None
    return Preview(
        value=_value(raw.get("value")),
        figures=tuple(_figure(item) for item in _dicts(raw.get("figures"), 3)),
        changes=tuple(_change(item) for item in _dicts(raw.get("changes"), 40)),
        unchanged=_texts(raw.get("unchanged"), 12),
        uses=_texts(raw.get("uses"), 12),
    )


def with_rest(seen: Preview | None, raw: Any) -> Preview | None:
    """The preview with what our own side has added to it: printed text, files, group, the call that shows a function."""
    if seen is None or not isinstance(raw, dict):
        return seen
    value, added = seen.value, raw.get("value")
    if value is not None and isinstance(added, dict):
        value = replace(value, call=_text(added.get("call"), 200))
    pairs = [pair for pair in _items(raw.get("files"))[:20] if isinstance(pair, list | tuple) and len(pair) == 2]
    files = tuple((_text(path, 300), _count(size)) for path, size in pairs)
    return replace(
        seen, value=value, printed=_text(raw.get("printed"), 4000), files=files, group=_text(raw.get("group"), 64)
    )


def _value(raw: Any) -> ValueView | None:
    if not isinstance(raw, dict):
        return None
    return ValueView(_text(raw.get("type"), 60), _text(raw.get("text"), 2000), _table(raw.get("table")))


def _table(raw: Any) -> TableView | None:
    if not isinstance(raw, dict):
        return None
    columns = _texts(raw.get("columns"), 8)
    index = _texts(raw.get("index"), 10)
    cells = tuple(_texts(row, 8) for row in _items(raw.get("cells"))[:10])
    fits = all(len(row) == len(columns) for row in cells) and len(index) in (0, len(cells))
    numeric = tuple(item is True for item in _items(raw.get("numeric"))[: len(columns)])
    rows, width = _count(raw.get("rows")), _count(raw.get("width"))
    return TableView(columns, index, cells, rows, width, numeric) if fits else None


def _figure(raw: dict[str, Any]) -> FigureView:
    png, alt = raw.get("png"), _text(raw.get("alt"), 300)
    if isinstance(png, str) and _is_picture(png):
        return FigureView(png, alt)
    return FigureView("", alt, _one_of(raw.get("missing"), ("time", "size", "error"), "error"))


def _is_picture(text: str) -> bool:
    if not 0 < len(text) <= MAX_PICTURE:
        return False
    try:
        return base64.b64decode(text, validate=True).startswith(PNG)
    except (binascii.Error, ValueError):
        return False


def _change(raw: dict[str, Any]) -> Change:
    rows = [_count(item) for item in _items(raw.get("rows"))[:2]]
    return Change(
        _text(raw.get("name"), 100),
        _one_of(raw.get("kind"), ("made", "changed", "deleted"), "changed"),
        _text(raw.get("type"), 60),
        _text(raw.get("was"), 60),
        _one_of(raw.get("unit"), ("", "rows", "items"), ""),
        (rows[0], rows[1]) if len(rows) == 2 else (-1, -1),
        _count(raw.get("columns")),
        _texts(raw.get("added"), 12),
        _texts(raw.get("removed"), 12),
        _texts(raw.get("altered"), 12),
        _text(raw.get("before"), 60),
        _text(raw.get("after"), 60),
    )


def _one_of(raw: Any, known: tuple[Word, ...], otherwise: Word) -> Word:
    return next((word for word in known if word == raw), otherwise)


def _count(raw: Any) -> int:
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw < 1 << 53 else -1


def _texts(raw: Any, most: int) -> tuple[str, ...]:
    return tuple(_text(item, 100) for item in _items(raw)[:most])


def _text(raw: Any, limit: int) -> str:
    return printable(raw[:limit]) if isinstance(raw, str) else ""


def _dicts(raw: Any, most: int) -> list[dict[str, Any]]:
    return [item for item in _items(raw)[:most] if isinstance(item, dict)]


def _items(raw: Any) -> list[Any]:
    return list(raw) if isinstance(raw, list | tuple) else []
