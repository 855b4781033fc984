"""What is known of the live state of a notebook: frozen facts, measured once when the snapshot is taken.

All texts that stand for code (labels, literals, parses) are Python source. Values are bounded in count and length;
`LiveState.skipped` says what was not measured, and why. This module knows only the standard library.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Disguise:
    """A text column that holds numbers or dates, and the expression that reads all of them.

    kind: "number" or "date". parse: source with `{x}` for the column, measured to lose no value. example: one text.
    low, high: smallest and largest value as text. other: parses that lose nothing either (day and month exchanged).
    """

    kind: str
    parse: str
    example: str
    low: str = ""
    high: str = ""
    other: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One column or named index level of a table.

    label: source of the label (`'amount'`, `('a', 1)`); text: the label as words. kind: "number", "flag", "text",
    "date", "duration", "nested" or "other". unique: distinct values, None when not counted. values: literals of a
    column with few distinct values, most frequent first. key: no value twice and none missing. ordered: rows stand
    in its order. step: usual distance of dates ("h", "D", "MS" ...). duplicated: another column has the same label.
    example: one value of a text or nested column without listed values, shortened.
    """

    label: str
    text: str
    dtype: str
    kind: str
    unique: int | None = None
    missing: int | None = None
    values: tuple[str, ...] = ()
    low: str = ""
    high: str = ""
    key: bool = False
    ordered: bool = False
    step: str = ""
    zone: str = ""
    disguise: Disguise | None = None
    is_index: bool = False
    duplicated: bool = False
    example: str = ""


@dataclass(frozen=True)
class Table:
    """A frame (pandas, polars) or a table of an open database. `owner` is the connection's name for the latter."""

    name: str
    rows: int | None
    columns: tuple[Column, ...]
    library: str = "pandas"
    width: int = 0
    owner: str = ""
    made: int = 0

    def column(self, label: str) -> Column | None:
        """The column with this label (as source), or None."""
        return next((column for column in self.columns if column.label == label), None)


@dataclass(frozen=True)
class Join:
    """Two columns of different tables that hold the same things, measured.

    match: share of the left column's distinct values that the right one has; the right column is unique where
    `right_key`. left_cast, right_cast: source with `{x}` that makes their types equal ("" when they are).
    """

    left: str
    left_on: str
    right: str
    right_on: str
    match: float
    left_key: bool
    right_key: bool
    left_cast: str = ""
    right_cast: str = ""
    score: float = 0.0


@dataclass(frozen=True)
class Thing:
    """A variable that is no table. kind as in `types.Variable`; detail: shape, signature, keys or estimator.

    parts: what can be asked of it by name (dict keys, parameters of a function, names of an index).
    """

    name: str
    kind: str
    type: str
    detail: str = ""
    parts: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class File:
    """A data file beside the notebook, with the columns of its header where it has one."""

    name: str
    columns: tuple[str, ...] = ()
    bytes: int = 0


@dataclass(frozen=True)
class LastResult:
    """What the newest cell left: "it", "that". `source` is an expression that gives it again ("" when there is none).

    name: the variable that holds it, or "". figure: whether a figure was drawn. request: what was asked for there.
    made: names that the cell made or changed, newest last.
    """

    source: str = ""
    name: str = ""
    type: str = ""
    detail: str = ""
    figure: bool = False
    request: str = ""
    code: str = ""
    made: tuple[str, ...] = ()


@dataclass(frozen=True)
class Link:
    """A word or phrase of the request and what it means, with a score from 0 to 1.

    kind: "table", "column", "value", "variable", "function", "file" or "last". label: the column's label as source, or
    the name of the thing; value: a literal of the column.
    """

    phrase: str
    kind: str
    score: float
    table: str = ""
    label: str = ""
    value: str = ""


@dataclass(frozen=True)
class LiveState:
    """The facts of one snapshot. `now` is the newest date that any table reaches (ISO text, "" when none does)."""

    tables: tuple[Table, ...] = ()
    joins: tuple[Join, ...] = ()
    things: tuple[Thing, ...] = ()
    files: tuple[File, ...] = ()
    now: str = ""
    skipped: tuple[str, ...] = ()

    def table(self, name: str) -> Table | None:
        """The table of this name, or None."""
        return next((table for table in self.tables if table.name == name), None)

    def columns(self) -> Iterator[tuple[Table, Column]]:
        """Every column with its table."""
        for table in self.tables:
            for column in table.columns:
                yield table, column


@dataclass(frozen=True)
class Grounding:
    """A request linked to the live state. plan: the links as short lines; openings: ways to begin the answer, likeliest first.

    head: the function or class that is to be defined ("" when none is named); tables: what the request is about, best
    first; last: what "it" may be.
    """

    links: tuple[Link, ...] = ()
    plan: tuple[str, ...] = ()
    openings: tuple[str, ...] = ()
    head: str = ""
    tables: tuple[str, ...] = ()
    joins: tuple[Join, ...] = ()
    last: LastResult | None = None
