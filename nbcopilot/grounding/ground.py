"""Grounding a request in the live state: links, a short plan, and the first lines of the answer.

`ground(task, notebook)` is pure: all that it knows was measured when the snapshot was taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from nbcopilot.grounding import scaffold
from nbcopilot.grounding.choice import Base, bases, named
from nbcopilot.grounding.heads import Head, head
from nbcopilot.grounding.last import last_result
from nbcopilot.grounding.link import STRONG, links
from nbcopilot.grounding.periods import Period, periods
from nbcopilot.grounding.words import words
from nbcopilot.live_state import Grounding, LastResult, Link, LiveState
from nbcopilot.notebook import dependencies
from nbcopilot.notebook.profile.wording import join_text
from nbcopilot.types import Notebook, Task

NOTHING = Grounding()
# Words of a request that may be about nothing but the last result.
SHORT = 12


def ground(task: Task, notebook: Notebook, level: str = "all") -> Grounding:
    """The Grounding of a request for new code; NOTHING for other tasks, languages and requests that are code.

    level: the setting `grounding`; parts beyond it are left out.
    """
    if level in ("off", "facts"):
        return NOTHING
    found = _ground(task, notebook)
    return replace(found, openings=()) if level == "plan" else found


def _ground(task: Task, notebook: Notebook) -> Grounding:
    if task.kind != "generate" or notebook.language != "python" or not task.instruction.strip():
        return NOTHING
    if task.instruction.lstrip().startswith(("def ", "class ", "from ", "import ", "@", "async def ")):
        return NOTHING
    state = notebook.state or LiveState()
    wanted = head(task.instruction, notebook.names)
    if notebook.state is None:
        return Grounding(
            head=wanted.name if wanted else "", openings=_text([scaffold.of_head(wanted, ())]) if wanted else ()
        )
    found = links(task.instruction, state)
    units = periods(words(task.instruction))
    last = last_result(notebook)
    chosen = bases(found, units, state, last, _used(notebook))
    return Grounding(
        links=found,
        plan=_plan(found, chosen, units, last),
        openings=_openings(chosen, found, units, last, wanted, state, notebook, len(words(task.instruction)) <= SHORT),
        head=wanted.name if wanted else "",
        tables=tuple(base.table.name for base in chosen),
        joins=chosen[0].joins if chosen else (),
        last=last,
    )


def _openings(
    chosen: Sequence[Base], found: Sequence[Link], units: Sequence[Period], last: LastResult | None, wanted: Head | None,
    state: LiveState, notebook: Notebook, short: bool,
) -> tuple[str, ...]:  # fmt: skip
    """Ways to begin the answer, likeliest first."""
    if wanted is not None:
        return _text([scaffold.of_head(wanted, state.tables, found), scaffold.of_head(wanted, state.tables)])
    name = scaffold.DATA if scaffold.DATA not in notebook.names else "prepared"
    both = named(found, state)
    pair = (
        next((j for j in state.joins if {j.left, j.right} == {t.name for t in both}), None) if len(both) == 2 else None
    )
    if pair is not None and not both[0].owner and not (chosen and chosen[0].joins):
        return _text([scaffold.keyed(pair, name)])
    databases = [table for table in both if table.owner]
    if databases:
        return _text([scaffold.of_database(state, databases, _module(state, "pandas"))])
    ways = []
    for base in chosen:
        code = scaffold.prepared(base, units, name)
        ready = any(line.startswith(f"{name} =") for line in code)
        notes = scaffold.remarks(base, owner=name if ready else "")
        ways.append([*notes, *code])
        if code and code[-1].startswith("by_"):  # what else it may be split by is not known
            ways.append([*notes, *code[:-1]])
    if not chosen and last is not None and not found and short:
        ways.append(scaffold.of_last(last))
    return _text(ways)


def _text(ways: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Each way as the start of a cell; a line that is not closed is gone on with.

    Facts alone are no beginning: a small model goes on with more of them. They stand in the prompt.
    """
    texts = ["\n".join(lines) for lines in ways if any(not line.startswith("#") for line in lines)]
    return tuple(dict.fromkeys(text if text.endswith((",", "(", "'", '"""')) else f"{text}\n" for text in texts))


def _module(state: LiveState, module: str) -> str:
    """The name that a module has in the notebook, or ""."""
    return next((t.name for t in state.things if t.kind == "module" and t.detail.split()[1:2] == [module]), "")


def _plan(
    found: Sequence[Link], chosen: Sequence[Base], units: Sequence[Period], last: LastResult | None
) -> tuple[str, ...]:
    """The links as short lines for the prompt and for the user."""
    lines: dict[str, None] = {}
    base = chosen[0] if chosen else None
    for link in base.links if base else found:
        if link.score >= STRONG and link.kind in ("column", "value"):
            value = f" == {link.value}" if link.value else ""
            lines[f"{link.phrase}: {link.table}[{link.label}]{value}"] = None
    for join in base.joins if base else ():
        lines[f"join {join_text(join)}"] = None
    if last is not None and last.name and not chosen:
        lines[f"it: {last.name}"] = None
    return tuple(lines)[:8]


def _used(notebook: Notebook) -> Counter[str]:
    """In how many cells that ran each name is used."""
    found: Counter[str] = Counter()
    for cell in notebook.cells:
        if cell.kind == "code" and cell.executed is not None:
            found.update(dependencies.names(cell.source, notebook.language).used)
    return found
