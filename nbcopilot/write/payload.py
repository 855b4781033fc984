"""Route 2 into an open notebook: the `set_next_input` payload. One code cell below, no metadata.

JupyterLab keeps only the last payload of an execution, puts it below the running cell and knows no other kind of
cell, so several code cells travel as one, and markdown alone travels under `%%markdown`, which shows it when run. A run without a front end (nbclient,
papermill, `jupyter execute`) ignores the payload.
"""

from __future__ import annotations

from typing import Any

from nbcopilot.types import CellEdit


def can_carry(edit: CellEdit) -> bool:
    """True when there is anything to carry."""
    return bool(edit.cells)


def send(edit: CellEdit, shell: Any, *, running_cell: str | None = None) -> tuple[str, ...]:
    """Put the code of `edit` into the next cell and say what was lost on the way, a sentence each.

    The running cell itself is overwritten only when the edit replaces exactly that cell.
    """
    code = [cell.source for cell in edit.cells if cell.kind == "code"]
    replace = running_cell is not None and edit.replaces == (running_cell,)
    texts = [cell.source for cell in edit.cells if cell.kind == "markdown"]
    shell.set_next_input("\n\n".join(code or ["%%markdown\n" + "\n\n".join(texts)]), replace=replace)
    lost = ["the cell has no provenance metadata: this way carries text only"]
    if not code:
        return (*lost, "the text came as a code cell that shows it when run")
    if len(code) > 1:
        lost.append(f"{len(code)} code cells came as one")
    other = len(edit.cells) - len(code)
    if other:
        lost.append(f"{other} markdown cell{'s' if other > 1 else ''} could not be added")
    if edit.replaces and not replace:
        lost.append("the cells of the earlier run are still there: this way cannot replace them")
    return tuple(lost)
