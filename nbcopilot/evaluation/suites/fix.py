"""Mend a notebook (QuixBugs, HumanEvalFix): `%fix` after a cell has failed; the fault is in a cell above it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nbcopilot.evaluation.suites import Judgement, Question
from nbcopilot.evaluation.systems import Answer
from nbcopilot.evaluation.tasks import FixItem, load
from nbcopilot.evaluation.trial import run_script
from nbcopilot.types import Cell, ErrorInfo, Notebook, Output, Target, Task


def read(path: Path, name: str) -> list[FixItem]:
    """The items of the file. Raises UsageError."""
    return load(path, FixItem)


def questions(item: FixItem) -> Iterator[Question]:
    """One question: the failed cell. Right when the tests pass on the notebook with the mended cell, in 10 s."""

    def judge(answer: Answer) -> Judgement:
        cells = list(item.cells)
        # An answer that does not say which cell it is for is taken for the one at fault.
        at = int(answer.cell_id.rpartition("-")[2]) if answer.cell_id else item.buggy_cell_index
        cells[at] = answer.text
        trial = run_script("\n\n".join([*cells[: item.failing_cell_index], item.tests]))
        return Judgement.of(trial.ok, trial.reason, right_cell=at == item.buggy_cell_index)

    notebook = failed_notebook(item.cells, item.failing_cell_index, item.error)
    task = Task("fix", target=failed_target(notebook))
    yield Question(item.id, task, notebook, judge, Answer(item.good_cell))


def failed_notebook(sources: Sequence[str], failing: int, error: Mapping[str, Any]) -> Notebook:
    """The notebook as it stands after the cell at index `failing` raised `error`: cells are called cell-0, cell-1 …"""
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
    info = ErrorInfo(str(error["ename"]), str(error["evalue"]), shown, cells[failing].id, cells[failing].source)
    return Notebook(cells, cursor=failing, history=tuple(sources), error=info)


def failed_target(notebook: Notebook) -> Target:
    """What `%fix` is about: the cell that failed last."""
    error = notebook.error
    assert error is not None
    return Target(error.source, error.cell_id, position=notebook.index(error.cell_id))
