"""What an answer gave when it was run on a replica of the notebook: shown before anybody accepts it.

Nouns only, and all of them data: a table is its texts, a figure is a picture, so that a surface builds what it shows
and never shows markup of the code that ran. Bounded in count and length; this module knows only the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class TableView:
    """The first rows of a table as text. `rows` and `width` count the whole table; `numeric` says which columns are numbers."""

    columns: tuple[str, ...]
    index: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    rows: int
    width: int
    numeric: tuple[bool, ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether the table has more rows or columns than are shown."""
        return self.rows > len(self.cells) or self.width > len(self.columns)


@dataclass(frozen=True)
class ValueView:
    """The value of the last expression: its type, its text, and its table where it is one.

    call: the call that was added to show a function at work; "" where the code itself has the value.
    """

    type: str
    text: str = ""
    table: TableView | None = None
    call: str = ""


@dataclass(frozen=True)
class FigureView:
    """A figure as PNG in base64, and in words. png is "" where it was not drawn; `missing` then says why."""

    png: str
    alt: str = ""
    missing: Literal["", "time", "size", "error"] = ""


@dataclass(frozen=True)
class Change:
    """What became of one variable.

    was, type: its type before and after ("" where it was not there, or is gone). rows: how many before and after (-1:
    not counted), and `unit` what is counted. added, removed, altered: labels of columns or keys. before, after: short
    texts of plain values.
    """

    name: str
    kind: Literal["made", "changed", "deleted"]
    type: str = ""
    was: str = ""
    unit: Literal["", "rows", "items"] = ""
    rows: tuple[int, int] = (-1, -1)
    columns: int = -1
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Preview:
    """The outcome of a run: value, figures, what changed and what did not, what was printed, files, columns that it reads.

    group: equal for answers that behave the same ("" where that cannot be told).
    """

    value: ValueView | None = None
    figures: tuple[FigureView, ...] = ()
    changes: tuple[Change, ...] = ()
    unchanged: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    printed: str = ""
    files: tuple[tuple[str, int], ...] = field(default=())
    group: str = ""
