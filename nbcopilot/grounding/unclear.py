"""What of a request cannot be known: a name that is nowhere, and tables that fit it alike."""

from __future__ import annotations

import difflib
import re

from nbcopilot.grounding.words import fold
from nbcopilot.live_state import Grounding, LiveState
from nbcopilot.notebook.requests import is_request
from nbcopilot.types import Notebook

_QUOTED = re.compile(r"`([^`\n]{1,80})`")
# Names that are offered in place of one that is nowhere.
MAX_OFFERED = 6


def nowhere(request: str, notebook: Notebook) -> tuple[str, ...]:
    """The identifiers in backticks that nothing in the notebook has: no variable, column, value, file, part or code."""
    known = {fold(name) for name in _names(notebook)}
    said = [text.strip() for text in _QUOTED.findall(request)]
    return tuple(dict.fromkeys(name for name in said if name.isidentifier() and fold(name) not in known))


def offered(name: str, notebook: Notebook, tables: tuple[str, ...]) -> tuple[str, ...]:
    """Names that may have been meant: those that are spelt much like it, else the columns of the table it is about."""
    state = notebook.state or LiveState()
    labels = [column.text for _, column in state.columns()]
    near = difflib.get_close_matches(name, dict.fromkeys([*labels, *notebook.names]), n=MAX_OFFERED, cutoff=0.75)
    table = state.table(tables[0]) if tables else None
    return tuple(near or [column.text for column in table.columns if column.text] if table else near)[:MAX_OFFERED]


def alike(grounding: Grounding, state: LiveState) -> tuple[str, ...]:
    """The tables that the request means equally, when there are more than can be tried: each has all that it names.

    () when one of them is named, or joins bring the columns together.
    """
    columns = {(link.phrase, link.label) for link in grounding.links if link.kind == "column" and link.score == 1.0}
    if not columns or grounding.joins or any(link.kind == "table" for link in grounding.links):
        return ()
    labels = {label for _, label in columns}
    fit = [t.name for t in state.tables if labels <= {column.label for column in t.columns}]
    return tuple(fit) if len(fit) > 2 else ()


def _names(notebook: Notebook) -> set[str]:
    state = notebook.state or LiveState()
    found = set(notebook.names) | {table.name for table in state.tables} | {file.name for file in state.files}
    for _, column in state.columns():
        found |= {column.text, *(value.strip("'\"") for value in column.values)}
    for thing in state.things:
        found |= {thing.name, *thing.parts, *thing.values}
    for cell in notebook.cells:
        if cell.kind == "code" and cell.executed is not None and not is_request(cell):
            found |= set(re.findall(r"\w+", cell.source))
    return found
