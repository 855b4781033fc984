"""The turns of a conversation as the model sees them: the latest ones, each with its text as the notebook has it now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nbcopilot.context.budget import Level, Piece
from nbcopilot.notebook.labels import unlabelled
from nbcopilot.turns import Turn
from nbcopilot.types import Cell, Notebook, Task

LATEST = 3
PRIORITY = 68.0  # a turn is what a follow-up is about; older ones are worth less
STEP = 12.0
CHARACTERS = 2000


def latest(task: Task, notebook: Notebook) -> tuple[Turn, ...]:
    """The last turns that have an answer, as they are now."""
    return tuple(as_it_is(turn, notebook) for turn in task.turns[-LATEST:])


def as_it_is(turn: Turn, notebook: Notebook) -> Turn:
    """The turn with the text of its cells in the notebook; one that was taken and is gone counts as undone.

    Its cells are those that it names, and those that a request of its group wrote.
    """
    cells = [cell for cell in notebook.cells if cell.id in turn.cells or (turn.group and _group(cell) == turn.group)]
    if not cells:
        return replace(turn, state="undone", cells=()) if turn.state == "taken" else replace(turn, cells=())
    text = "\n\n".join(unlabelled(cell.kind, cell.source).strip("\n") for cell in cells)
    return replace(turn, text=text, cells=tuple(cell.id for cell in cells), state="taken")


def _group(cell: Cell) -> str:
    record = cell.metadata.get("nbcopilot")
    return str(record.get("group", "")) if isinstance(record, Mapping) else ""


def pieces(turns: tuple[Turn, ...]) -> list[Piece]:
    """A piece for each turn, the latest with the most room; their sources are the keys of `kept`."""
    found = []
    for back, turn in enumerate(reversed(turns)):
        text = f"{turn.asked}\n\n{turn.text[:CHARACTERS]}"
        reason = "what the request follows up on" if back == 0 else "the conversation so far"
        found.append(Piece("turn", name(turn), reason, (Level(text, PRIORITY - STEP * back),)))
    return found[::-1]


def name(turn: Turn) -> str:
    """What a turn is called in the list of what was sent."""
    short = " ".join(turn.asked.split())
    return f"turn “{short if len(short) <= 40 else short[:39] + '…'}”"
