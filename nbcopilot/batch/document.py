"""One notebook documented: NotebookFile + Options + Engine -> DocumentResult. Pure: it reads and writes no file.

    survey -> texts (prompts, answers, checks) -> assemble -> bytes

The same bytes, options and model give the same bytes again; a notebook that lacks nothing gives back its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nbcopilot.batch import overview
from nbcopilot.batch.assemble import Assembly, moved, reusable
from nbcopilot.batch.survey import Group, Survey, group_hash, survey
from nbcopilot.batch.texts import Options, Text, Writer
from nbcopilot.engine.protocol import Engine
from nbcopilot.inference import Usage
from nbcopilot.notebook.document import NotebookFile
from nbcopilot.write.cells import with_cells


@dataclass(frozen=True)
class DocumentResult:
    """The bytes, and what was done: cells written (new and renewed), groups that needed nothing, sentences for the user."""

    data: bytes
    cells_written: int = 0
    skipped: int = 0
    notes: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Lack:
    """Something that `document` would write: the number of the cell (1 is the first), and what is wrong there."""

    cell: int
    problem: str


def document(
    file: NotebookFile,
    engine: Engine,
    options: Options | None = None,
    *,
    reuse: NotebookFile | None = None,
    texts: Mapping[int, Text] | None = None,
    stop: threading.Event | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> DocumentResult:
    """`file` with a title, an overview and summaries where they are missing or outdated.

    reuse: an earlier documented version; its summaries of code that did not change (also those that its user
    edited) are taken over in place of new ones. texts: what `summaries` gave for some groups, by their position in
    `Survey.groups`. stop: when set, Cancelled is raised at the next token.
    on_progress: gets (answers that are there, answers to come) before each call of the engine.
    Raises EngineError when the model cannot answer.
    """
    options = options or Options()
    found = survey(file)
    notes = _notes(file, found)
    if found.complete:
        return DocumentResult(file.raw, skipped=len(found.groups), notes=notes)
    known = reusable(reuse)
    writer = Writer(file, found, engine, options, stop or threading.Event(), on_progress)
    items = file.content["cells"]
    said = {found.groups[at]: text for at, text in (texts or {}).items()}
    said |= writer.summaries(
        [group for group in found.todo if group not in said and group_hash(items, group.cells) not in known]
    )
    silent = [g for g in found.todo if g not in said and group_hash(items, g.cells) not in known]
    said = overview.with_headings(writer, said)
    # A summary that is taken over brings its title along.
    wanted = found.overview in ("missing", "outdated") and (bool(said or silent) or not found.combined)
    top = overview.top(writer, said) if wanted else None
    assembled, written = Assembly(file, found, engine.describe(), options, known).items(said, top, silent)
    skipped = len(found.groups) - len(found.todo)
    notes = (*notes, *writer.notes, *_untold(silent))
    return DocumentResult(with_cells(file, assembled), written, skipped, notes, writer.asker.usage)


def summaries(
    file: NotebookFile,
    engine: Engine,
    options: Options,
    groups: Sequence[int],
    *,
    stop: threading.Event | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[dict[int, Text], tuple[str, ...], Usage]:
    """The texts of some groups (positions in `Survey.groups`), sentences for the user, tokens: a part of `document`."""
    found = survey(file)
    writer = Writer(file, found, engine, options, stop or threading.Event(), on_progress)
    texts = writer.summaries([found.groups[at] for at in groups])
    return {found.groups.index(group): text for group, text in texts.items()}, tuple(writer.notes), writer.asker.usage


def parts(file: NotebookFile, size: int) -> list[tuple[int, ...]]:
    """The groups that need a summary, `size` together; [] for a notebook with less than two such parts."""
    found = survey(file)
    wanted = set(found.todo)
    todo = [at for at, group in enumerate(found.groups) if group in wanted]
    return [tuple(todo[at : at + size]) for at in range(0, len(todo), size)] if len(todo) >= 2 * size else []


def lacks(file: NotebookFile) -> list[Lack]:
    """What `document` would write, in order. Needs no model."""
    found = survey(file)
    problems = [Lack(group.cells[0] + 1, f"summary {group.state}") for group in found.todo]
    if found.overview in ("missing", "outdated") and not found.combined:
        problems.append(Lack(found.overview_at + 1, f"title and overview {found.overview}"))
    problems += [Lack(at + 1, "summary without code below") for at in found.orphans]
    return sorted(problems, key=lambda lack: lack.cell)


def _untold(silent: Sequence[Group]) -> list[str]:
    """The sentence about groups that stay without a text."""
    places = ", ".join(f"#{group.cells[0] + 1}" for group in silent[:8]) + (" …" if len(silent) > 8 else "")
    return [f"no text for cell {places}: nothing could be said that the code does not say"] if silent else []


def _notes(file: NotebookFile, found: Survey) -> tuple[str, ...]:
    notes = [moved(found.orphans)] if found.orphans else []
    if file.problems:
        notes.append("read all the same: " + "; ".join(file.problems))
    if file.convertible_only:
        stays = "stays" if file.version[0] == 3 else "is written as nbformat 4, not"
        notes.append(f"nbformat 4 is the current format: this notebook {stays} nbformat {file.version[0]}")
    return tuple(notes)
