"""What is done with one notebook of a batch: documenting, checking, stripping. Each gives a `runner.Work`.

Reads files; writes none (the runner does). The engine is opened when the first notebook needs it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from nbcopilot.batch.discover import Unit
from nbcopilot.batch.document import DocumentResult, document, lacks
from nbcopilot.batch.runner import Outcome, Work
from nbcopilot.batch.survey import survey
from nbcopilot.batch.texts import Options
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import NbcopilotError
from nbcopilot.notebook import document as notebooks
from nbcopilot.notebook.document import NotebookFile, source_text
from nbcopilot.notebook.jsontext import same
from nbcopilot.types import Role
from nbcopilot.write.cells import strip
from nbcopilot.write.diff import notebook_diff

OnCells = Callable[[Unit, int, int], None]


class LazyEngine:
    """Opens the engine once, when it is first needed, whichever thread asks."""

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self._open, self._lock = open_engine, threading.Lock()
        self._engine: Engine | None = None

    def __call__(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = self._open()
            return self._engine


def documenting(
    engine: LazyEngine,
    options: Options,
    *,
    places: Mapping[Unit, Path] | None,
    with_diff: bool = False,
    on_cells: OnCells = lambda unit, done, total: None,
) -> Work:
    """Work that documents. places: where the results go (None: nowhere, for a dry run)."""

    def work(unit: Unit, stop: threading.Event) -> Outcome:
        file = notebooks.read(unit.path)
        place = places[unit] if places is not None else unit.path
        in_place = place == unit.path
        if in_place and file.convertible_only and places is not None:
            note = f"nbformat {file.version[0]} is written only to a new file: use -o FOLDER"
            return Outcome(unit, "skipped", notes=(note,))
        before = None if in_place else _earlier(place)
        # Documented before from the same source: go on from there, so that what the user edited in it stays.
        base = before if before is not None and same(_bare(before), file.content) else file
        result = DocumentResult(base.raw)
        if not survey(base).complete:
            result = document(
                base,
                engine(),
                options,
                reuse=before,
                stop=stop,
                on_progress=lambda done, total: on_cells(unit, done, total),
            )
        unchanged = result.data == (before.raw if before is not None else file.raw if in_place else None)
        return Outcome(
            unit,
            data=None if unchanged else result.data,
            read=file.sha256,
            cells_written=result.cells_written,
            notes=result.notes,
            diff=_diff(file, result.data, unit.name) if with_diff else "",
        )

    return work


def checking(*, places: Mapping[Unit, Path] | None = None) -> Work:
    """Work that lists what is missing or outdated. places: look at the documented versions there instead."""

    def work(unit: Unit, stop: threading.Event) -> Outcome:
        file = notebooks.read(places[unit] if places is not None else unit.path)
        return Outcome(unit, read=file.sha256, lacks=tuple((lack.cell, lack.problem) for lack in lacks(file)))

    return work


def stripping(roles: Collection[Role] = (), *, places: Mapping[Unit, Path] | None, with_diff: bool = False) -> Work:
    """Work that takes out what nbcopilot wrote."""

    def work(unit: Unit, stop: threading.Event) -> Outcome:
        file = notebooks.read(unit.path)
        found = strip(file, roles)
        in_place = places is None or places[unit] == unit.path
        notes = [
            f"{count} {role} cell{'s' if count != 1 else ''} removed" for role, count in sorted(found.removed.items())
        ]
        if found.kept:
            notes.append(
                f"{found.kept} edited cell{'s' if found.kept != 1 else ''} kept, without our metadata and label"
            )
        changed = found.data != file.raw
        return Outcome(
            unit,
            data=found.data if changed or not in_place else None,
            read=file.sha256,
            cells_written=sum(found.removed.values()) + found.kept,
            notes=tuple(notes),
            diff=_diff(file, found.data, unit.name) if with_diff else "",
        )

    return work


def _earlier(place: Path) -> NotebookFile | None:
    """What stands at `place` already, when it can be read."""
    try:
        return notebooks.read(place) if place.exists() else None
    except NbcopilotError:
        return None


def _bare(file: NotebookFile) -> object:
    """The content of a documented notebook without what we wrote."""
    return notebooks.loads(strip(file).data).content


def _diff(file: NotebookFile, after: bytes, name: str) -> str:
    return notebook_diff(_sources(file), _sources(notebooks.loads(after)), name)


def _sources(file: NotebookFile) -> list[tuple[str, str]]:
    return [(str(cell.get("cell_type")), source_text(cell)) for cell in file.cells]
