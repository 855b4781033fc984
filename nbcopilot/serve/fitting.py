"""Where an inline completion ends, and how it fits between what stands before and after the cursor. Pure text.

`fit` is asked after every token with all that the model said so far: it gives the text to show and whether more
can still come. Small models rarely end by themselves where the suffix goes on; so, when there is a suffix, the
line is looked for after which both go on alike and the whole is still a program. Rules for Python-like code; what
does not parse, or is another language, is judged without that.
"""

from __future__ import annotations

import re

from nbcopilot.serve.end_of_suggestion import CLOSERS, Place, best_end, goes_on_alike, indent_of, is_repeated

# What begins something new at the outermost level, or is no code any more.
NEW_START = re.compile(r"(async def|def|class)\b|@\w|if __name__\b|# ?(In ?\[|%%)|```|<\|")
SAME_LINES = 3
# Lines that are waited for after the best end so far, before it is taken: when the rest is alike, and when not.
SURE_LINES, UNSURE_LINES = 2, 10


def fit(said: str, place: Place, *, ended: bool, cut: bool = False) -> tuple[str, bool]:
    """(text that fits at `place`, whether it is complete).

    ended: no more will come. cut: it ended because of a limit, so that its last line may be half a line.
    """
    text = _without_indent(said, place)
    if place.one_line or _line_is_enough(text, place):
        line, newline, _ = text.partition("\n")
        return _closed(line, place), ended or bool(newline)
    lines = text.split("\n")
    growing = "" if ended and not cut else lines.pop()
    if ended and cut and not any(line.strip() for line in lines):
        lines = [growing]  # half a line is better than none
    lines, stopped = _block(lines, place)
    if not place.following or not lines:
        return (_closed(_joined(lines), place), True) if ended or stopped else (_joined([*lines, growing]), False)
    end = best_end(tuple(lines), place, ended=ended and not cut)
    patience = SURE_LINES if goes_on_alike(tuple(lines), end, place) else UNSURE_LINES
    if ended or stopped or len(lines) - end >= patience or is_repeated(lines[end:], place):
        return _closed(_joined(lines[:end]), place), True
    return _joined([*lines, growing]), False


# --------------------------------------------------------------------------- one line


def _without_indent(said: str, place: Place) -> str:
    """`said` without the indentation that stands at the cursor already."""
    if place.line and place.at_line_start and said.startswith(place.line):
        return said[len(place.line) :]
    return said


def _line_is_enough(text: str, place: Place) -> bool:
    """In a started line: its end is enough, unless it opens a block or a bracket."""
    if place.multiline or place.at_line_start:
        return False
    first = text.partition("\n")[0]
    whole = (place.line + first).rstrip()
    if whole.endswith((":", "\\", ",")) or _excess(whole) < 0:
        return False
    return bool(first.strip()) or not text.startswith("\n")


# --------------------------------------------------------------------------- several lines


def _block(lines: list[str], place: Place) -> tuple[list[str], bool]:
    """The lines up to where the block at the cursor surely ends, and whether that was seen."""
    kept: list[str] = []
    base = indent_of(
        next((place.line + line if at == 0 else line for at, line in enumerate(lines) if line.strip()), "")
    )
    header = False
    for line in lines:
        if kept and not (place.at_line_start or place.multiline):
            # A started line ends with its last bracket, or with the block that it opens.
            begun = place.line + "\n".join(kept)
            is_open = _excess(begun) < 0
            header = header or (not is_open and begun.rstrip().endswith(":"))
            if not is_open and (not header or (line.strip() and indent_of(line) <= base)):
                return kept, True
            if is_open:
                kept.append(line)
                continue
        if kept and _ends_before(line, kept, base):
            return kept, True
        before = [row.strip() for row in kept if row.strip()]
        if line.strip() and before[-SAME_LINES:] == [line.strip()] * SAME_LINES:
            return kept[: 1 - SAME_LINES], True
        kept.append(line)
    return kept, False


def _ends_before(line: str, kept: list[str], base: int) -> bool:
    """Whether `line` is no part of the block that `kept` began at indentation `base`."""
    if not any(row.strip() for row in kept):
        return False
    bare, apart = line.strip(), not kept[-1].strip()
    if not bare:
        return apart  # a second empty line
    outermost = indent_of(line) == 0 and (base > 0 or apart)
    return outermost or (NEW_START.match(bare) is not None and indent_of(line) < max(base, 1))


# --------------------------------------------------------------------------- the joint


def _closed(text: str, place: Place) -> str:
    """`text` with the end that the suffix needs: no repeated signs, a newline only where the next line needs it."""
    text = text.rstrip()
    if place.rest.strip() and not place.at_line_start:
        text = _without_rest(text, place)
    return text + _newline(place) if text and not place.one_line else text


def _without_rest(text: str, place: Place) -> str:
    """`text` without what stands right of the cursor, and without brackets that are closed there."""
    rest = place.rest.strip()
    if rest.strip(CLOSERS):
        text = text.removesuffix(rest).rstrip()
    elif _excess(place.line + text + rest) > 0:
        sizes = range(min(len(text), len(rest)), 0, -1)
        text = text[: -next((size for size in sizes if text.endswith(rest[:size])), 0) or None]
    while text and text[-1] in ")]}" and _excess(place.line + text + rest) > 0:
        text = text[:-1]
    return text


def _newline(place: Place) -> str:
    """The newline that separates the answer from a line that begins right at the cursor."""
    return "\n" if place.at_line_start and place.suffix and not place.suffix.startswith("\n") else ""


def _joined(lines: list[str]) -> str:
    return "\n".join(lines).rstrip()


def _excess(text: str) -> int:
    """Closing brackets less opening ones."""
    return sum(text.count(sign) for sign in ")]}") - sum(text.count(sign) for sign in "([{")
