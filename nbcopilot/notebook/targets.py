"""What a line form means: `%explain clean_data`, `%explain 3`, `%testgen parse_date` -> Target."""

from __future__ import annotations

import difflib

from nbcopilot.errors import CellNotFoundError
from nbcopilot.notebook import dependencies
from nbcopilot.types import Notebook, Target


def find(text: str, notebook: Notebook) -> Target:
    """The Target that `text` names: a cell number (1 is the first), names, or nothing (the last cell that ran).

    The name of a variable stands for the cell that sets it.

    Raises CellNotFoundError naming what is there.
    """
    word = text.strip()
    code = [cell for cell in notebook.cells if cell.kind == "code" and not cell.source.lstrip().startswith("%")]
    if not word:
        if not code:
            raise CellNotFoundError("no cell has run yet", hint="run a cell first, or name what you mean")
        return Target(source=code[-1].source, cell_id=code[-1].id, position=notebook.index(code[-1].id))
    if word.isdigit():
        numbered = {cell.executed: cell for cell in notebook.cells if cell.executed is not None}
        cell = numbered.get(int(word))
        if cell is None:
            raise CellNotFoundError(
                f"no cell [{word}] has run", hint=f"there are {_listing([str(n) for n in numbered])}"
            )
        return Target(source=cell.source, cell_id=cell.id, position=notebook.index(cell.id))
    names = tuple(name.strip("`(),") for name in word.replace(",", " ").split())
    if len(names) == 1 and dependencies.find_definition(notebook, names[0]) is None:
        setting = [cell for cell in code if names[0] in dependencies.names(cell.source, notebook.language).defined]
        if setting:
            return Target(setting[-1].source, setting[-1].id, position=notebook.index(setting[-1].id))
    sources: list[str] = []
    position: int | None = None
    for name in names:
        found = dependencies.find_definition(notebook, name)
        if found is None:
            known = sorted({d.name for cell in code for d in dependencies.definitions(cell.source)})
            near = difflib.get_close_matches(name, known, n=1)
            raise CellNotFoundError(
                f"no cell defines `{name}`",
                hint=f"did you mean `{near[0]}`?" if near else f"there are {_listing(known)}",
            )
        sources.append(found.source)
    return Target(source="\n\n\n".join(sources), names=names, position=position)


def _listing(names: list[str]) -> str:
    return ", ".join(names[:12]) if names else "none yet"
