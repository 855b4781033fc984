"""The smallest edit: a corrected cell with every change put back that it does not need.

A model answers with the whole cell and tidies it on the way. What leaves the program the same (comments, blank lines,
layout) is put back unseen; what changes it is put back when the cell still passes without it. Knows no tasks: whether a
text passes is asked of the caller.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Collection

from nbcopilot.notebook import syntax

MAX_TRIES = 8  # runs of the cell for one answer

Hunk = tuple[int, int, int, int]


def smallest(before: str, after: str, passes: Callable[[str], bool] | None = None) -> str:
    """`after` with as few lines changed against `before` as will do.

    passes: whether a text does what is asked; None when that cannot be told: then only what means the same is put back.
    """
    old, new = before.rstrip("\n").split("\n"), after.rstrip("\n").split("\n")
    hunks = list(_hunks(old, new))
    kept = set(hunks)
    program = _program(after)
    for hunk in hunks:
        if program is not None and _program(_merged(old, new, hunks, kept - {hunk})) == program:
            kept.discard(hunk)
    tries = MAX_TRIES
    for hunk in reversed(hunks):  # from below: what comes last in a cell is most often an addition
        if passes is None or tries == 0 or len(kept) < 2 or hunk not in kept:
            continue
        text = _merged(old, new, hunks, kept - {hunk})
        if _program(text) is None:
            continue
        tries -= 1
        if passes(text):
            kept.discard(hunk)
    return _merged(old, new, hunks, kept)


def same_program(before: str, after: str) -> bool:
    """Whether two cells mean the same: they differ in comments and layout at most."""
    return _program(before) is not None and _program(before) == _program(after)


def _hunks(old: list[str], new: list[str]) -> list[Hunk]:
    """The changes as (from, to, from, to) of lines; lines replaced by as many count one by one.

    Blank lines and comments that an answer left out beside a changed line count on their own.
    """
    found: list[Hunk] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        left_out: list[Hunk] = []
        while tag == "replace" and b - a > d - c and old[b - 1].strip()[:1] in ("", "#"):
            b -= 1
            left_out.insert(0, (b, b + 1, d, d))
        if tag == "replace" and b - a == d - c:
            found += [(a + i, a + i + 1, c + i, c + i + 1) for i in range(b - a)]
        elif tag != "equal":
            found.append((a, b, c, d))
        found += left_out
    return found


def _merged(old: list[str], new: list[str], hunks: list[Hunk], kept: Collection[Hunk]) -> str:
    lines: list[str] = []
    at = 0
    for hunk in hunks:
        a, b, c, d = hunk
        lines += old[at:a]
        lines += new[c:d] if hunk in kept else old[a:b]
        at = b
    return "\n".join([*lines, *old[at:]])


def _program(source: str) -> str | None:
    """The meaning of a cell as text, None when it is no program."""
    tree = syntax.tree(source)
    return ast.dump(tree) if tree is not None else None
