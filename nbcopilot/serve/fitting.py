"""Where an inline completion ends, and how it fits between what stands before and after the cursor. Pure text.

`fit` is asked after every token with all that the model said so far: it gives the text to show and whether more
can still come. Rules for Python-like code; for other languages only those that need no syntax.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CLOSERS = ")]}\"'`:,; \t"
# A line at the outermost level that starts something new, so that the one before is complete.
NEW_START = re.compile(r"(async def|def|class|@\w|if __name__|# ?In ?\[|# ?%%|```|<\|)")
MAX_SAME_LINES = 3


@dataclass(frozen=True)
class Place:
    """The text around the cursor. `multiline` None lets the place decide."""

    prefix: str
    suffix: str
    multiline: bool | None = None

    @property
    def line(self) -> str:
        """The text of the cursor's line, left of it."""
        return self.prefix.rpartition("\n")[2]

    @property
    def rest(self) -> str:
        """The text of the cursor's line, right of it."""
        return self.suffix.partition("\n")[0]

    @property
    def one_line(self) -> bool:
        """Whether the answer ends with the cursor's line: something other than closing signs follows on it."""
        if self.multiline is not None:
            return not self.multiline
        at_line_start = not self.line.strip() and not self.suffix.startswith("\n")
        return bool(self.rest.strip(CLOSERS)) and not (at_line_start and self.prefix.endswith("\n"))


def fit(said: str, place: Place, *, ended: bool) -> tuple[str, bool]:
    """(text that fits at `place`, whether it is complete). `ended`: the model will say no more."""
    text = _indented(said, place)
    if place.one_line or _line_is_enough(text, place):
        line, newline, _ = text.partition("\n")
        return _closed(line, place), ended or bool(newline)
    kept, complete = _block(text, place, ended=ended)
    if complete or ended:
        return _closed(kept, place), True
    return kept.rstrip(), False


def _indented(said: str, place: Place) -> str:
    """`said` without the indentation that stands at the cursor already."""
    indent = place.line
    if indent and not indent.strip() and said.startswith(indent):
        return said[len(indent) :]
    return said


def _line_is_enough(text: str, place: Place) -> bool:
    """In a started line: its end is enough, unless it opens a block or a bracket."""
    if place.multiline or not place.line.strip():
        return False
    first = (place.line + text.partition("\n")[0]).rstrip()
    if first.endswith((":", "(", "[", "{", "\\", ",")) or first.count("(") > first.count(")"):
        return False
    return text.partition("\n")[0].strip() != "" or not text.startswith("\n")


def _block(text: str, place: Place, *, ended: bool) -> tuple[str, bool]:
    """The lines that belong to the block at the cursor, and whether it is over."""
    lines = text.split("\n")
    if not ended:
        lines.pop()  # the last one may still grow
    following = [line.strip() for line in place.suffix.split("\n") if line.strip()]
    floor = _floor(lines, place)
    kept: list[str] = []
    for at, line in enumerate(lines):
        bare = line.strip()
        whole = place.line + line if at == 0 else line
        if bare and kept:
            if _indent(whole) < floor or (_indent(whole) == 0 and NEW_START.match(bare)):
                return _joined(kept, place), True
            if [row.strip() for row in kept[-MAX_SAME_LINES:]] == [bare] * MAX_SAME_LINES:
                return _joined(kept[:-2], place), True
        if bare and following and bare == following[0] and _repeats(lines[at:], following, ended=ended):
            return _joined(kept, place), True
        if not bare and any(row.strip() for row in kept) and kept and not kept[-1].strip():
            return _joined(kept, place), True
        kept.append(line)
    # The line that still grows is shown too, as long as nothing speaks against it.
    tail = "" if ended else text.rpartition("\n")[2]
    return "\n".join([*kept, tail]) if not ended else _joined(kept, place), False


def _repeats(said: list[str], following: list[str], *, ended: bool) -> bool:
    """Whether the lines said repeat what follows the cursor, as far as both go (one short line alone may be chance)."""
    rows = [line.strip() for line in said if line.strip()]
    both = min(len(rows), len(following), 2)
    same = rows[:both] == following[:both]
    return same and (both == 2 or len(following) == 1 or ended)


def _floor(lines: list[str], place: Place) -> int:
    """The indentation below which a line no longer belongs to the block."""
    first = next((place.line + line if at == 0 else line for at, line in enumerate(lines) if line.strip()), "")
    opened = place.line.rstrip().endswith(":")
    floor = _indent(place.line) + 1 if opened else _indent(first)
    after = next((line for line in place.suffix.split("\n")[1 if place.rest.strip() else 0 :] if line.strip()), None)
    if after is not None and not opened:
        floor = min(floor, _indent(after))
    return floor


def _joined(kept: list[str], place: Place) -> str:
    while kept and not kept[-1].strip():
        kept = kept[:-1]
    return "\n".join(kept)


def _closed(text: str, place: Place) -> str:
    """`text` with the end that the suffix needs: no repeated signs, a newline only where the next line needs it."""
    text = text.rstrip()
    rest = place.rest.strip()
    if rest:
        for size in range(min(len(text), len(rest)), 0, -1):
            if text.endswith(rest[:size]) and (size == len(rest) or not rest[:size].strip(CLOSERS)):
                if _balanced(text[:-size] + rest) or not _balanced(text + rest):
                    text = text[:-size].rstrip() if size == len(rest) else text[:-size]
                break
    starts_line = not place.line.strip() and place.suffix and not place.suffix.startswith("\n")
    return f"{text}\n" if text and starts_line and not place.one_line and place.rest.strip() else text


def _balanced(line: str) -> bool:
    return all(line.count(a) == line.count(b) for a, b in ("()", "[]", "{}"))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
