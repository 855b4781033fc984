"""The next turn of a conversation: what is meant is found out, then the same pipeline answers, knowing the turns before.

A question is answered in words about the code of the turn before; "undo that" names the turn and changes nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from nbcopilot.context.turns import as_it_is
from nbcopilot.conversation.intent import intent
from nbcopilot.events import Done, Event, Meant
from nbcopilot.judge import Judge
from nbcopilot.notebook.labels import unlabelled
from nbcopilot.pipeline import Copilot
from nbcopilot.turns import Turn
from nbcopilot.types import Notebook, Target, Task

Mode = Literal["auto", "code", "words"]


def reply(
    copilot: Copilot,
    task: Task,
    notebook: Notebook,
    turns: Sequence[Turn],
    mode: Mode = "auto",
    *,
    judge: Judge | None = None,
) -> Iterator[Event]:
    """The events of the next turn: `Meant`, then those of `Copilot.stream` (nothing more for "undo").

    task: a request for code, as the surface made it. mode: "auto" has the model say whether code or words are wanted.
    """
    known = [turn for turn in turns if turn.text and turn.state not in ("stopped", "failed")]
    last = known[-1] if known else None
    wanted = intent(copilot.engine, task.instruction, last) if mode == "auto" else mode
    if wanted == "undo":
        taken = [turn for turn in known if as_it_is(turn, notebook).state == "taken"]
        yield Meant("undo", task, taken[-1].id if taken else "")
        yield Done("ok")
        return
    asked = replace(task, turns=tuple(known))
    if wanted == "words":
        asked = _question(asked, notebook, last)
    yield Meant("words" if asked.kind == "explain" else "code", asked)
    yield from copilot.stream(asked, notebook, judge=judge)


def _question(task: Task, notebook: Notebook, last: Turn | None) -> Task:
    """The task as a question about the code of the turn before, as it is now, else about the code above."""
    cells = [
        cell for cell in map(notebook.cell, last.cells if last else ()) if cell is not None and cell.kind == "code"
    ]
    if cells:
        source, cell_id = unlabelled("code", cells[-1].source), cells[-1].id
    elif last is not None and last.answer == "code":
        source, cell_id = last.text, None
    else:
        end = len(notebook.cells) if task.target.position is None else task.target.position + 1
        above = [cell for cell in notebook.cells[:end] if cell.kind == "code" and cell.source.strip()]
        if not above:
            return task
        source, cell_id = above[-1].source, above[-1].id
    target = Target(source, cell_id, position=notebook.index(cell_id) if cell_id else task.target.position)
    return replace(task, kind="explain", target=target)
