"""Real crashes (JunoBench): the data of these notebooks is not here, so an answer is compared with the human repair.

Two things are judged by machine: is the cell at fault the one that is edited, and is the edit the same in kind (it
changes the same lines, or brings the same new names). The report prints every answer beside the repair, for reading.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from nbcopilot.evaluation.suites import Judgement, Question
from nbcopilot.evaluation.suites.fix import failed_notebook, failed_target
from nbcopilot.evaluation.systems import Answer
from nbcopilot.evaluation.tasks import CrashItem, load
from nbcopilot.types import Task

WORD = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?|[^\s\w]")
SAME_KIND = 0.5


def read(path: Path, name: str) -> list[CrashItem]:
    """The items of the file. Raises UsageError."""
    return load(path, CrashItem)


def questions(item: CrashItem) -> Iterator[Question]:
    """One question: the crashed cell. Right when the right cell is edited and the edit is the same in kind."""
    sources = [*item.context_cells, item.buggy_cell]
    last = len(sources) - 1
    repairs = {last: item.fixed_cell} if item.fix_in_target_cell else _changed(item)

    def judge(answer: Answer) -> Judgement:
        at = int(answer.cell_id.rpartition("-")[2]) if answer.cell_id else last
        right_cell = at in repairs
        human = repairs.get(at, sources[at])
        likeness = same_edit(sources[at], human, answer.text)
        detail = {"right_cell": right_cell, "likeness": round(likeness, 3), "before": sources[at], "human": human}
        ok = right_cell and likeness >= SAME_KIND
        reason = (
            f"edit is {likeness:.2f} like the repair" if right_cell else f"edits cell {at}, at fault: {sorted(repairs)}"
        )
        return Judgement(ok, float(ok), "" if ok else reason, detail)

    notebook = failed_notebook(sources, last, item.error)
    task = Task("fix", target=failed_target(notebook))
    if not repairs:
        yield Question(
            item.id, task, notebook, judge, excluded="the repair edits no cell (cells were run out of order)"
        )
        return
    at_fault = min(repairs)
    yield Question(item.id, task, notebook, judge, Answer(repairs[at_fault], cell_id=f"cell-{at_fault}"))


def _changed(item: CrashItem) -> dict[int, str]:
    """The context cells that the repair edits; none when it adds or drops cells, which no edit can answer."""
    before, after = item.context_cells, item.fixed_context_cells
    if len(before) != len(after):
        return {}
    return {i: new for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new}


def same_edit(before: str, human: str, ours: str) -> float:
    """How alike two edits of `before` are, 0 to 1: F1 of the tokens that each takes away and brings in."""
    wanted, got = _edit(before, human), _edit(before, ours)
    if not wanted or not got:
        return float(wanted == got)
    shared = sum(min(count, got.get(token, 0)) for token, count in wanted.items())
    return 2 * shared / (sum(wanted.values()) + sum(got.values()))


def _edit(before: str, after: str) -> dict[str, int]:
    """Signed tokens of the edit with their counts: "-old" and "+new". Blanks do not count."""
    old, new = WORD.findall(before), WORD.findall(after)
    found: dict[str, int] = {}
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            for token in [*(f"-{t}" for t in old[a:b]), *(f"+{t}" for t in new[c:d])]:
                found[token] = found.get(token, 0) + 1
    return found
