"""What a request is about: the Task that the settings ask for, aimed at the cell at fault, and the cells it stands on.

First step of `pipeline`, and how every surface makes its tasks. Asks no model and runs nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace

from nbcopilot.config import Config
from nbcopilot.events import Notice
from nbcopilot.inference import Sampling
from nbcopilot.notebook import dependencies, syntax
from nbcopilot.notebook.fault import at_fault, leading_up
from nbcopilot.notebook.requests import is_request
from nbcopilot.types import Candidate, Cell, Notebook, Target, Task, TaskKind


def make_task(kind: TaskKind, config: Config, instruction: str = "", target: Target | None = None) -> Task:
    """The Task that `config` asks for: how every surface turns settings into a request."""
    sampling = Sampling(
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=config.top_k,
        min_p=config.min_p,
        repetition_penalty=config.repetition_penalty,
        beams=config.beams,
        seed=config.seed,
        max_tokens=config.max_tokens,
    )
    return Task(
        kind,
        instruction,
        target or Target(),
        sampling,
        candidates=config.candidates,
        repairs=config.repairs,
        retry_samples=config.retry_samples,
        consensus_samples=config.consensus_samples,
        few_shot=config.few_shot,
        think=config.think,
        check=config.check,
    )


def aim(task: Task, notebook: Notebook) -> tuple[Task, tuple[Notice, ...]]:
    """The task aimed at what it is about, and what the user is told of that.

    A fix of the cell that failed is aimed at the cell at fault; a question about code is answered in words.
    """
    if task.kind == "generate" and (asked := _question(task, notebook)) is not None:
        return asked, (Notice("This is a question about the code above: it is answered in words"),)
    error = notebook.error
    if task.kind != "fix" or error is None or error.cell_id is None or task.target.cell_id != error.cell_id:
        return task, ()
    cell = at_fault(notebook)
    if cell is None or cell.id == error.cell_id:
        return task, ()
    position = notebook.index(cell.id)
    number = f"[{cell.executed}]" if cell.executed is not None else f"#{(position or 0) + 1}"
    aimed = replace(task, target=Target(cell.source, cell.id, position=position))
    return aimed, (Notice(f"The error surfaced here, but its cause appears to be in cell {number}; fixing that cell"),)


# Questions about code, which only words can answer; one about the data ("why do sales drop?") is answered by code.
_QUESTION = re.compile(
    r"(?is)\A\s*(?:why|how come)\b.*\b(?:you|code|cell|line|function|here|above)\b.*\?\s*\Z"
    r"|\A\s*(?:please )?explain (?:this|that|it|the (?:code|cell|line|function)|why you)\b[^.]{0,80}\Z"
    r"|\A\s*what (?:does|do|is) (?:this|that|the) (?:code|cell|line|function)\b.*\?\s*\Z"
)


def _question(task: Task, notebook: Notebook) -> Task | None:
    """The task as one to explain the code above in answer to the question; None where it asks for code."""
    if not _QUESTION.match(task.instruction):
        return None
    position = task.target.position if task.target.position is not None else notebook.index(task.target.cell_id)
    end = len(notebook.cells) if position is None else position + 1
    above = [cell for cell in notebook.cells[:end] if cell.kind == "code" and cell.source.strip()]
    code = next((cell for cell in reversed(above) if not is_request(cell)), None)
    if code is None:
        return None
    return replace(task, kind="explain", target=replace(task.target, source=code.source))


def upstream(notebook: Notebook, candidate: Candidate, task: Task) -> tuple[str, ...]:
    """Sources of the cells that the candidate (and the target) depend on, in execution order."""
    if notebook.language != "python" or candidate.answer != "code":
        return ()
    position = task.target.position if task.target.position is not None else notebook.cursor
    source = candidate.text if task.kind == "generate" else f"{task.target.source}\n{candidate.text}"
    cells = dependencies.upstream(notebook, source, len(notebook.cells) if position is None else position + 1)
    if task.kind == "fix":
        found = {cell.id for cell in (*cells, *leading_up(notebook, task.target.cell_id)[0])}
        cells = tuple(cell for cell in dependencies.execution_order(notebook) if cell.id in found)
    return tuple(cell.source for cell in cells if not _is_subject(cell, task))


def _is_subject(cell: Cell, task: Task) -> bool:
    """Whether the cell is what the task is about, and not only holds it among other things."""
    target = task.target
    whole = not target.names or syntax.look_through(cell.source).strip() == target.source.strip()
    return cell.id == target.cell_id and whole
