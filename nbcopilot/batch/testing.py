"""Tests for the functions of one notebook, a cell of them below each cell that defines some. Touches no file.

    NotebookFile -> targets (cells whose tests are missing or outdated, by hash) -> Copilot -> checks -> bytes

Tests that the checks reject are not written, and said. What is up to date is left alone, so that a second run changes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from nbcopilot.checks import registry
from nbcopilot.config import Config
from nbcopilot.engine.protocol import Engine
from nbcopilot.inference import Usage
from nbcopilot.notebook import dependencies
from nbcopilot.notebook.document import NotebookFile
from nbcopilot.pipeline import Copilot
from nbcopilot.task import make_task
from nbcopilot.types import Cell, CellEdit, Notebook, Target
from nbcopilot.write.cells import edited
from nbcopilot.write.provenance import checked, is_edited, is_same, ours


@dataclass(frozen=True)
class Tested:
    """The bytes, how many cells were written, the checks by number of the tested cell, sentences for the user."""

    data: bytes
    cells_written: int = 0
    checks: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)


def targets(notebook: Notebook) -> list[Target]:
    """The cells whose functions and classes have no tests, or tests of what they were before."""
    if notebook.language != "python":
        return []
    found = []
    for position, cell in enumerate(notebook.cells):
        names = tuple(one.name for one in dependencies.definitions(cell.source)) if cell.kind == "code" else ()
        if names and ours(cell.metadata) is None and not _has_tests(notebook, cell):
            found.append(Target(cell.source, cell.id, names, position))
    return found


def _has_tests(notebook: Notebook, subject: Cell) -> bool:
    """Whether a cell of ours tests this very text, or one that the user has made their own tests this cell."""
    for cell in notebook.cells:
        record = ours(cell.metadata)
        if record is None or record.get("role") != "tests" or record.get("source_cell") != subject.id:
            continue
        unchanged = record.get("source_hash") == subject.hash or is_same(
            record.get("source_form"), "code", subject.source
        )
        if unchanged or is_edited(cell.metadata, cell.source):
            return True
    return False


def write_tests(file: NotebookFile, engine: Engine, config: Config) -> Tested:
    """`file` with tests where they are missing or outdated. Raises EngineError when the model cannot answer."""
    notebook = replace(file.snapshot(), path=file.path)
    copilot = Copilot(engine, config)
    edits: list[CellEdit] = []
    checks: dict[str, Any] = {}
    notes: list[str] = []
    usage = Usage()
    for target in targets(notebook):
        result = copilot.run(make_task("testgen", config, target=target), notebook)
        usage = replace(
            usage,
            prompt_tokens=usage.prompt_tokens + result.usage.prompt_tokens,
            completion_tokens=usage.completion_tokens + result.usage.completion_tokens,
        )
        where = f"cell #{(target.position or 0) + 1}"
        if result.edit is None or result.verdict is None:
            notes.append(f"{where}: the model gave no usable tests")
            continue
        checks[where] = dict(result.verdict.checks)
        said = " · ".join(checked(result.verdict))
        if result.verdict.ok:
            edits.append(result.edit)
            notes += [f"{where}: {said}"] if said else []
        else:
            problem = next(map(registry.message, result.verdict.errors), said)
            notes.append(f"{where}: tests rejected, {problem}")
    if not edits:
        return Tested(file.raw, 0, checks, tuple(notes), usage)
    written = sum(len(edit.cells) for edit in edits)
    return Tested(edited(file, edits), written, checks, tuple(notes), usage)
