"""A CellEdit as text: a unified diff cell by cell, for --dry-run. Applies nothing."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from nbcopilot.types import CellEdit, Notebook


def diff(edit: CellEdit, notebook: Notebook) -> str:
    """Unified diff of what `edit` would change in `notebook`; one hunk header a cell, "" when it changes nothing."""
    old = [notebook.cell(cell_id) for cell_id in edit.replaces]
    place = f"below cell {edit.after}" if edit.after else "at the top"
    parts = []
    for at in range(max(len(old), len(edit.cells))):
        before = old[at] if at < len(old) else None
        after = edit.cells[at] if at < len(edit.cells) else None
        parts.append(
            cell_diff(
                before.source if before else None,
                after.source if after else None,
                f"{before.kind} cell {before.id}" if before else "nothing",
                f"{after.kind} cell {'in its place' if before else place}" if after else "nothing",
            )
        )
    return "".join(parts)


def notebook_diff(before: Sequence[tuple[str, str]], after: Sequence[tuple[str, str]], name: str) -> str:
    """Unified diff of two notebooks given as (kind, source) of their cells; unchanged cells are left out."""
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    parts = []
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag == "equal":
            continue
        old, new = before[old_from:old_to], after[new_from:new_to]
        for at in range(max(len(old), len(new))):
            left, right = old[at : at + 1], new[at : at + 1]
            kind = (right or left)[0][0]
            parts.append(
                cell_diff(
                    left[0][1] if left else None,
                    right[0][1] if right else None,
                    f"{name} cell #{old_from + at + 1} ({kind})" if left else "nothing",
                    f"{name} cell #{new_from + at + 1} ({kind})" if right else "nothing",
                )
            )
    return "".join(parts)


def cell_diff(before: str | None, after: str | None, old_name: str, new_name: str) -> str:
    """Unified diff of one cell's source; None is a cell that is not there."""
    lines = difflib.unified_diff(_lines(before), _lines(after), fromfile=old_name, tofile=new_name, lineterm="", n=3)
    return "".join(f"{line}\n" for line in _without_breaks(lines))


def _lines(source: str | None) -> list[str]:
    return [] if source is None else source.split("\n")


def _without_breaks(lines: Iterator[str]) -> Iterator[str]:
    # A lone \r, \x0b or \u2028 in a source must not look like a new line of the diff.
    table = {ord(char): repr(char)[1:-1] for char in "\r\x0b\x0c\x1b\x85\u2028\u2029"}
    for line in lines:
        yield line.translate(table).encode("utf-8", "backslashreplace").decode("utf-8")
