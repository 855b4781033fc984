"""Columns of a table that is shown as text, when the head of the column says secret: pandas, CSV, Markdown, psql."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbcopilot.redaction import names
from nbcopilot.redaction.rule import MARK, Span
from nbcopilot.redaction.values import is_placeholder, is_random

MOST_ROWS, MOST_COLUMNS = 500, 8
LONGEST_LINE = 2000
_RULED = re.compile(r"[\s|+:=-]+")
_SERIES = re.compile(r"^(?P<name>[\w. -]{2,40}?)[ ]{2,60}(?P<secret>\S{3,200})[ \t]*$", re.MULTILINE)


def spans(text: str, lowered: str) -> Iterator[Span]:
    """The secret cells of every table in `text`; `lowered` is the text in lower case, of the same length."""
    if not any(hint in lowered for hint in names.HINTS):
        return
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    at = 0
    while at < len(lines) - 1:
        head = lines[at]
        columns = _columns(head) if len(head) <= LONGEST_LINE and _may_name(head.lower()) else []
        at = first = at + 1
        for where, kind, mark in columns[:MOST_COLUMNS]:
            for row in range(first, min(first + MOST_ROWS, len(lines))):
                at = max(at, row)  # a row of a table is not the head of another
                if _RULED.fullmatch(lines[row]) and lines[row].strip():
                    continue
                cell = _cell(lines[row], where, mark, head)
                if cell is None:
                    break
                if _is_secret(lines[row][cell[0] : cell[1]], kind):
                    yield Span(starts[row] + cell[0], starts[row] + cell[1], "secret")
    for match in _SERIES.finditer(text):
        if (
            names.kind_of(match["name"]) == "password"
            and _is_secret(match["secret"], "password")
            and re.search(r"\d|[^\w.,:]", match["secret"])
        ):
            yield Span(*match.span("secret"), "secret")


def _may_name(line: str) -> bool:
    return any(hint in line for hint in names.HINTS)


def _columns(head: str) -> list[tuple[tuple[int, int], names.Kind, str]]:
    """(where, kind, separator) of the columns of a head that are secret; the separator is "" for aligned columns."""
    for mark in ("|", "\t", ";", ","):
        if mark in head:
            break
    else:
        mark = ""
    cells = _cells(head, mark)
    if mark and (
        len(cells) < 2 or any(len(head[a:b].split()) > 3 or re.search(r"[=({\[:]", head[a:b]) for a, b in cells)
    ):
        return []
    if not mark and (any(re.search(r"[^\w.%-]", head[a:b]) for a, b in cells) or not re.search(r"^\s|\s{2,}", head)):
        return []
    found: list[tuple[tuple[int, int], names.Kind, str]] = []
    for index, (a, b) in enumerate(cells):
        kind = names.kind_of(head[a:b].strip("\"'` "))
        if kind is not None:
            found.append(((index, len(cells)) if mark else (a, b), kind, mark))
    return found


def _cells(line: str, mark: str) -> list[tuple[int, int]]:
    """(start, end) of the cells of a line, without the blanks and quotation marks around them."""
    if not mark:
        return [match.span() for match in re.finditer(r"\S+", line)]
    found, at = [], 0
    for piece in line.split(mark):
        inner = piece.strip(" \"'`")
        lead = len(piece) - len(piece.lstrip(" \"'`"))
        found.append((at + lead, at + lead + len(inner)))
        at += len(piece) + 1
    return found


def _cell(line: str, where: tuple[int, int], mark: str, head: str) -> tuple[int, int] | None:
    """The cell of a row in the column `where`; None where the table has ended."""
    if len(line) > LONGEST_LINE or not line.strip():
        return None
    cells = _cells(line, mark)
    if mark:
        return cells[where[0]] if len(cells) == where[1] else None
    start, end = where
    heads = _cells(head, mark)
    index = len(cells) - len(heads)  # of the rows, which have no head
    if index < 0:
        return None
    aligned = next(((a, b) for a, b in cells if b == end or a == start), None)
    return aligned or (cells[heads.index(where) + index] if index <= 1 else None)


def _is_secret(value: str, kind: names.Kind) -> bool:
    if MARK in value or is_placeholder(value) or len(value) < 3:
        return False
    return (
        not re.fullmatch(r"-?\d{1,5}(?:\.\d+)?", value)
        if kind == "password"
        else bool(re.fullmatch(r"[\w+/=.:~-]+", value)) and is_random(value, 12 if kind == "key" else 16)
    )
