"""Measured tables as pieces of the context, in full and ever shorter."""

from __future__ import annotations

from nbcopilot.context import rank
from nbcopilot.context.budget import Level, Piece
from nbcopilot.live_state import LiveState
from nbcopilot.notebook.profile.wording import table_text
from nbcopilot.types import Task, Variable


def variable_levels(
    variable: Variable, priority: float, state: LiveState | None, task: Task, *, values: bool
) -> list[Level]:
    """A variable with what was measured of it, its schema alone, its first line. values: whether data may be shown."""
    text = f"{variable.name}: {variable.summary}"
    table = state.table(variable.name) if state is not None else None
    levels = [Level(text, priority)]
    if table is not None:
        measured = table_text(table, values=values, first=rank.labels(table, task.instruction))
        levels = [Level(measured, priority), Level(text, priority + 4)]
    head = text.split("\n")[0]
    if len(head) < 0.8 * len(text):
        levels.append(Level(head, priority + 8))
    return levels


def database_pieces(state: LiveState | None, task: Task, *, values: bool) -> list[Piece]:
    """The tables of open databases, where code is asked for."""
    tables = [table for table in (state.tables if state is not None else ()) if table.owner]
    if task.kind not in ("generate", "complete", "fix"):
        return []
    return [
        Piece("variable", f"table {t.name}", "in an open database", (Level(table_text(t, values=values), 45),))
        for t in tables
    ]
