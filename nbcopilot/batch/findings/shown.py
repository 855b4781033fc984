"""The text of an output as a value: one number, a labelled series, a table, or printed lines. Text only, nothing is run.

Series and frames are read as pandas prints them, numbers as Python and NumPy write them.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass

from nbcopilot.notebook import syntax

_NUMBER = re.compile(r"[-+−]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WRAPPED = re.compile(r"\b(?:np|numpy)\.\w+\(([^()]*)\)")
_FOOTER = re.compile(r"\[?([\d,]+) rows x ([\d,]+) columns\]?")
_SERIES_END = re.compile(r"^(?:Freq: \w[\w-]*, )?(?:Name: (?P<name>.+?), )?(?:Length: (?P<length>\d+), )?dtype: \w+.*$")
# A figure's axes as their text shows them.
_AXES = re.compile(r"^<Axes.*?>$", re.S)
MAX_ROWS = 60


@dataclass(frozen=True)
class Series:
    """Numbers by their labels, in the order of the output. `whole`: nothing of it was left out."""

    labels: tuple[str, ...]
    values: tuple[float, ...]
    whole: bool = True


@dataclass(frozen=True)
class Table:
    """A frame: its columns, the labels of its rows and their cells as text; `rows` counts all rows, those not shown too."""

    columns: tuple[str, ...]
    labels: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    rows: int

    def column(self, name: str) -> tuple[float, ...]:
        """The numbers of one column; () where any cell is none."""
        at = self.columns.index(name)
        found = [number(row[at]) for row in self.cells]
        return tuple(one for one in found if one is not None) if None not in found else ()


def number(text: str) -> float | None:
    """The number that `text` is; None when it is none."""
    plain = text.strip().replace("−", "-")
    found = float(plain) if _NUMBER.fullmatch(plain) else math.inf
    return found if math.isfinite(found) else None  # 1e999 is no number that a float holds


def scalar(text: str) -> str | None:
    """The one value of a result, without quotes and wrappers (`np.float64(0.3)` is 0.3); None when it is not one."""
    text = text.strip()
    plain = re.sub(r"^Timestamp\('([^']*)'\)$|^'([^'\n]{1,60})'$", lambda m: m[1] or m[2], _WRAPPED.sub(r"\1", text))
    if "\n" in plain or len(plain) > 60 or _AXES.match(plain) or plain.startswith("<"):
        return None
    return plain if plain and (plain != text or number(plain) is not None or plain in ("True", "False")) else None


def numbers(text: str) -> list[str]:
    """The numbers of a line or tuple that holds nothing else, as they are written; [] for all else."""
    parts = re.split(r"[,\s]+", _WRAPPED.sub(r"\1", text).strip().strip("()[]").strip(" ,"))
    return parts if parts and all(number(part) is not None for part in parts) else []


def series(text: str) -> Series | None:
    """A pandas Series or a dict of numbers as printed; None when the text is neither."""
    if text.lstrip().startswith("{"):
        return _mapping(text)
    lines = text.strip("\n").split("\n")
    end = _SERIES_END.match(lines[-1].strip())
    if end is None or len(lines) < 2:
        return None
    labels, values = [], []
    for line in lines[:-1]:
        label, _, value = line.strip().rpartition(" ")
        found = number(value)
        if found is None or not label.strip():
            continue  # the name of the index, or the dots of a long one
        labels.append(label.strip())
        values.append(found)
    whole = end["length"] is None and ".." not in text
    return Series(tuple(labels), tuple(values), whole) if values else None


def table(text: str) -> Table | None:
    """A frame as pandas prints it; None when the text is none, or is one of several blocks."""
    lines = [line.rstrip() for line in text.strip("\n").split("\n")]
    footer = _FOOTER.search(lines[-1]) if lines else None
    body = [line for line in (lines[:-1] if footer else lines) if line.strip()]
    if len(body) < 2 or "\\" in body[0] or series(text) is not None:
        return None
    names = re.split(r"\s{2,}|(?<=\S) (?=\S)", body[0].strip())
    if body[0][:1].strip():  # the axis of columns has a name, which stands above the labels
        del names[0]
    split = [re.split(r"\s{2,}|(?<=\S)\s(?=[-\d.]+(?:\s|$))", line.strip()) for line in body[1:]]
    rows = [cells for cells in split if len(cells) == len(names) + 1]
    # Below the columns stands the name of the index, where it has one.
    if not rows or not names or all(number(name) is not None for name in names) or len(split) - len(rows) > 2:
        return None
    count = int(footer[1].replace(",", "")) if footer else len(rows)
    labels = tuple(row[0] for row in rows)
    return Table(tuple(names), labels, tuple(tuple(row[1:]) for row in rows), count)


def shape(text: str) -> tuple[int, int] | None:
    """(rows, columns) where the text says them: a shape, or the footer of a long frame."""
    if match := re.fullmatch(r"\s*\((\d+), (\d+)\)\s*", text):
        return int(match[1]), int(match[2])
    if match := _FOOTER.search(text):
        return int(match[1].replace(",", "")), int(match[2].replace(",", ""))
    info = re.search(r"^RangeIndex: (\d+) entries", text, re.M), re.search(r"total (\d+) columns\)", text)
    return (int(info[0][1]), int(info[1][1])) if info[0] and info[1] else None


def rounded(value: float) -> str:
    """`value` as people read it: four significant digits, whole numbers whole."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):d}".replace("-", "−")
    text = (
        f"{value:.4g}" if 1e-4 <= abs(value) < 1e4 else f"{value:.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.2g}"
    )
    return text.replace("-", "−", 1) if text.startswith("-") else text


def _mapping(text: str) -> Series | None:
    try:
        found = syntax.literal(_WRAPPED.sub(r"\1", text.strip()))
    except SyntaxError:
        return None
    if not isinstance(found, dict) or not 0 < len(found) <= MAX_ROWS:
        return None
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in found.values()):
        return None
    values = tuple(float(value) for value in found.values() if abs(value) < sys.float_info.max)
    return Series(tuple(str(key) for key in found), values) if len(values) == len(found) else None


def extremes(found: Series) -> tuple[int, int]:
    """The places of the highest and the lowest value."""
    order = sorted(range(len(found.values)), key=lambda at: found.values[at])
    return order[-1], order[0]
