"""Mend a notebook (QuixBugs, HumanEvalFix): `%fix` after a cell has failed; the fault is in a cell above it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nbcopilot.errors import UsageError
from nbcopilot.evaluation.suites import Judgement, Question
from nbcopilot.evaluation.systems import Answer
from nbcopilot.evaluation.tasks import FixItem, load
from nbcopilot.evaluation.trial import run_script
from nbcopilot.types import Cell, ErrorInfo, Notebook, Output, Target, Task


def read(path: Path, name: str) -> list[FixItem]:
    """The items of the file. Raises UsageError."""
    items = load(path, FixItem)
    for item in items:
        last = len(item.cells)
        for name, at, end in (("buggy", item.buggy_cell_index, last - 1), ("failing", item.failing_cell_index, last)):
            if not isinstance(at, int) or not 0 <= at <= end:
                raise UsageError(
                    f"{item.id}: {name}_cell_index is {at!r}", hint=f"it takes 0 to {end} for {last} cells"
                )
    return items


def questions(item: FixItem) -> Iterator[Question]:
    """One question: the failed cell. Right when the tests pass on the notebook with the mended cell, in 10 s.

    The tests stand for the failing cell, unless that is the one at fault. An index equal to the number of cells
    says that all cells ran and the tests themselves failed.
    """

    def judge(answer: Answer) -> Judgement:
        cells = list(item.cells)
        # An answer that does not say which cell it is for is taken for the one at fault.
        at = int(answer.cell_id.rpartition("-")[2]) if answer.cell_id else item.buggy_cell_index
        cells[at] = answer.text
        end = item.failing_cell_index + (item.buggy_cell_index == item.failing_cell_index)
        trial = run_script("\n\n".join([*cells[:end], item.tests]))
        return Judgement.of(trial.ok, trial.reason, right_cell=at == item.buggy_cell_index)

    notebook = failed_notebook(item.cells, item.failing_cell_index, item.error)
    task = Task("fix", target=failed_target(notebook))
    yield Question(item.id, task, notebook, judge, Answer(item.good_cell))


def failed_notebook(sources: Sequence[str], failing: int, error: Mapping[str, Any]) -> Notebook:
    """The notebook as it stands after the cell at index `failing` raised `error`: cells are called cell-0, cell-1 …

    One that is not in the notebook (its index is the number of cells) was run below the last one, and is gone.
    """
    shown = str(error.get("traceback_plain", ""))
    # The failed cell has the number that its traceback says, and the others were run in a row before it.
    number = re.search(r"In ?\[(\d+)\]|<ipython-input-(\d+)-", shown)
    count = int(number[1] or number[2]) if number else len(sources)
    cells = tuple(
        Cell(
            f"cell-{i}", "code", source, (Output("error", shown),) if i == failing else (), executed=count - failing + i
        )
        for i, source in enumerate(sources)
    )
    gone = failing == len(cells)
    info = ErrorInfo(
        str(error["ename"]),
        str(error["evalue"]),
        shown,
        None if gone else cells[failing].id,
        "" if gone else cells[failing].source,
    )
    return Notebook(cells, cursor=min(failing, len(cells) - 1), history=tuple(sources), error=info)


def failed_target(notebook: Notebook) -> Target:
    """What `%fix` is about: the cell that failed last; the last cell where that one is gone."""
    error = notebook.error
    assert error is not None
    if error.cell_id is None:
        last = notebook.cells[-1]
        return Target(last.source, last.id, position=len(notebook.cells) - 1)
    return Target(error.source, error.cell_id, position=notebook.index(error.cell_id))
