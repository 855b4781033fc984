"""Which tables join on which columns: by type, by name and by the values that both hold, measured on the live data."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbcopilot.live_state import Column, Join, Table

# Tables that are compared with each other, columns of each, distinct values of a column.
MAX_TABLES, MAX_COLUMNS, MAX_VALUES = 8, 40, 5000
# Share of the left values that the right column must have.
MATCH = 0.6
MIN_SCORE = 0.45


@dataclass(frozen=True)
class _Side:
    """A column that may be a key: its distinct values as they are and, for texts of digits, as numbers."""

    table: Table
    column: Column
    kind: str
    values: frozenset[Any]
    cast: str = ""


def joins(tables: Sequence[Table], frames: Mapping[str, Any], deadline: float) -> tuple[Join, ...]:
    """The joins between frames, best first; what there is no time for is left out."""
    sides = {
        table.name: list(_sides(table, frames[table.name])) for table in tables[:MAX_TABLES] if table.name in frames
    }
    found: list[Join] = []
    for left in tables[:MAX_TABLES]:
        for right in tables[:MAX_TABLES]:
            if left.name == right.name or time.thread_time() > deadline:
                continue
            options = [
                join for a in sides.get(left.name, ()) for b in sides.get(right.name, ()) if (join := _join(a, b))
            ]
            if options:
                found.append(max(options, key=lambda join: join.score))
    # Of a pair that fits both ways the one whose right side is the key.
    best: dict[frozenset[str], Join] = {}
    for join in found:
        pair = frozenset((join.left, join.right))
        if pair not in best or (join.right_key, join.score) > (best[pair].right_key, best[pair].score):
            best[pair] = join
    return tuple(sorted(best.values(), key=lambda join: -join.score))


def _sides(table: Table, frame: Any) -> Iterable[_Side]:
    if table.library != "pandas":
        return
    for i, column in enumerate(table.columns[:MAX_COLUMNS]):
        if column.is_index or column.duplicated or not column.label or column.kind not in ("number", "text", "date"):
            continue
        if column.dtype.lower().startswith("float") or (column.unique or 0) < 3:
            continue
        if column.disguise is not None and column.disguise.kind == "number" and not column.key:
            continue
        values = frame.iloc[:, i].dropna().unique()[:MAX_VALUES]
        texts = frozenset(values.tolist())
        yield _Side(table, column, column.kind, texts)
        if column.kind == "text" and all(type(text) is str and re.fullmatch(r"\s*\d{1,15}\s*", text) for text in texts):
            yield _Side(table, column, "number", frozenset(int(text) for text in texts), "{x}.astype(int)")


def _join(left: _Side, right: _Side) -> Join | None:
    if left.kind != right.kind or not (right.column.key or left.column.key or left.column.label == right.column.label):
        return None
    if left.cast and right.cast:
        return None
    shared = len(left.values & right.values)
    if not shared:
        return None
    match, cover = shared / len(left.values), shared / len(right.values)
    alike = max(
        similar(left.column.text, right.column.text),
        similar(left.column.text, f"{right.table.name} {right.column.text}"),
        similar(left.column.text, right.table.name),
    )
    if match < MATCH and not (alike > 0.9 and match > 0.2):
        return None
    if left.kind == "date" and left.column.label != right.column.label:
        return None
    # Numbers that count from one fit anything: there the names must agree, or the values cover each other.
    evidence = min(match, cover) if left.kind == "number" else 0.5 + 0.5 * min(match, cover)
    score = 0.5 * match + 0.25 * alike + 0.25 * evidence - (0.0 if right.column.key else 0.2)
    if left.kind == "number" and alike < 0.4 and cover < 0.5:
        return None
    if score < MIN_SCORE:
        return None
    return Join(
        left.table.name, left.column.label, right.table.name, right.column.label, round(match, 3),
        left.column.key, right.column.key, left.cast, right.cast, round(score, 3),
    )  # fmt: skip


def similar(left: str, right: str) -> float:
    """How alike two names are, 0 to 1: shared groups of three characters, without case and marks."""
    a, b = (_groups(re.sub(r"[\W_]+", "", text.casefold())) for text in (left, right))
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


def _groups(text: str) -> set[str]:
    return {text[i : i + 3] for i in range(len(text) - 2)} or {text}
