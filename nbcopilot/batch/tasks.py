"""What is done with one notebook of a batch: Job + Item -> Outcome. Pure: bytes in, bytes out, wherever it runs.

Documenting, checking, stripping, finishing, testing, auditing. Writes nothing (the runner does); reads a file only where the Item
says so (shared storage). The engine is opened when a notebook first needs it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from nbcopilot import features
from nbcopilot.batch import document as documents
from nbcopilot.batch import stores
from nbcopilot.batch.document import DocumentResult, document, lacks
from nbcopilot.batch.job import Item, Job, MismatchError, Outcome, Part, Unit
from nbcopilot.batch.survey import survey
from nbcopilot.batch.testing import targets, write_tests
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import NbcopilotError
from nbcopilot.hashing import text_hash
from nbcopilot.notebook import document as notebooks
from nbcopilot.notebook.document import NotebookFile, source_text
from nbcopilot.notebook.jsontext import same
from nbcopilot.write.cells import strip
from nbcopilot.write.diff import notebook_diff
from nbcopilot.write.finishing import finish
from nbcopilot.write.provenance import is_edited, is_same, ours

OnCells = Callable[[Unit, int, int], None]
# Groups of a part, and from how many cells on a notebook is looked at as one that may be worth dividing.
PART_GROUPS = 32
HUGE_CELLS = 64
# Larger ones are worked on whole: the client, which divides, is to stay small (parsed, a notebook takes ten times its size).
DIVIDED_BYTES = 8_000_000


class LazyEngine:
    """Opens the engine once, when it is first needed, whichever thread asks."""

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self._open, self._lock = open_engine, threading.Lock()
        self._engine: Engine | None = None

    @property
    def opened(self) -> Engine | None:
        """The engine, when it was needed yet."""
        return self._engine

    def __call__(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = self._open()
            return self._engine


def perform(
    job: Job,
    item: Item,
    engine: Callable[[], Engine],
    stop: threading.Event,
    on_cells: OnCells = lambda unit, done, total: None,
) -> Outcome:
    """The outcome of `job` for one notebook. Raises NbcopilotError, and Cancelled when `stop` is set."""
    features.require(job.config, job.command)
    if item.data is None:
        earlier = None if item.in_place else stores.present(item.place, item.within)
        item = replace(item, data=stores.read(item.unit.path, item.unit.within), earlier=earlier)
    file = notebooks.loads(item.data or b"", stores.title_path(item.unit.path))
    if job.command == "check":
        found = tuple((lack.cell, lack.problem) for lack in lacks(file))
        return Outcome(item.unit, read=file.sha256, lacks=found)
    if job.command == "audit":
        return Outcome(
            item.unit, read=file.sha256, rows=tuple({**row, "path": item.unit.path} for row in generated(file))
        )
    if job.command == "strip":
        return _strip(job, item, file)
    if job.command == "finish":
        return _finish(job, item, file)
    known = _Known(job, engine)
    if item.part is not None:
        texts, notes, usage = documents.summaries(
            file,
            known(),
            job.options,
            item.part.groups,
            stop=stop,
            on_progress=lambda done, total: on_cells(item.unit, done, total),
        )
        part = Part(item.part.groups, texts, notes, usage)
        return Outcome(item.unit, read=file.sha256, part=part, usage=usage, model=known.model)
    if item.in_place and file.convertible_only and job.writes:
        return Outcome(item.unit, "skipped", read=file.sha256, notes=(_only_new(file),))
    work = _tests if job.command == "testgen" else _document
    return replace(work(job, item, file, known, stop, on_cells), model=known.model)


class _Known:
    """The engine, held against the model that the run is by; `model` is (id, sha256) once it was asked for."""

    def __init__(self, job: Job, engine: Callable[[], Engine]) -> None:
        self._job, self._engine = job, engine
        self.model: tuple[str, str] | None = None

    def __call__(self) -> Engine:
        engine = self._engine()
        info = engine.describe()
        self.model = (info.id, info.sha256)
        if self._job.model is not None and self.model != self._job.model:
            raise mismatch(self._job.model, self.model)
        return engine


def mismatch(first: tuple[str, str], other: tuple[str, str]) -> MismatchError:
    """The refusal of a second model in one run; both are named."""

    def name(model: tuple[str, str]) -> str:
        return f"{model[0]} ({model[1].removeprefix('sha256:')[:12]})" if model[1] else model[0]

    return MismatchError(
        f"the run is by {name(first)}, but a worker has {name(other)}",
        hint="name one model for all: --model ID, or --endpoint URL",
    )


def _document(
    job: Job, item: Item, file: NotebookFile, engine: _Known, stop: threading.Event, on_cells: OnCells
) -> Outcome:
    before, base = _base(item, file)
    result = DocumentResult(base.raw)
    if not survey(base).complete:
        result = document(
            base,
            engine(),
            job.options,
            reuse=before,
            texts={at: text for part in item.parts for at, text in part.texts.items()},
            stop=stop,
            on_progress=lambda done, total: on_cells(item.unit, done, total),
        )
    notes = tuple(dict.fromkeys([*result.notes, *(note for part in item.parts for note in part.notes)]))
    outcome = Outcome(item.unit, cells_written=result.cells_written, notes=notes, usage=result.usage)
    return _with_data(job, item, file, before, result.data, outcome)


def _tests(
    job: Job, item: Item, file: NotebookFile, engine: _Known, stop: threading.Event, on_cells: OnCells
) -> Outcome:
    before, base = _base(item, file)
    if not targets(base.snapshot()):
        return _with_data(job, item, file, before, base.raw, Outcome(item.unit, notes=("nothing to test",)))
    done = write_tests(base, engine(), job.config)
    outcome = Outcome(
        item.unit, cells_written=done.cells_written, checks=done.checks, notes=done.notes, usage=done.usage
    )
    return _with_data(job, item, file, before, done.data, outcome)


def _base(item: Item, file: NotebookFile) -> tuple[NotebookFile | None, NotebookFile]:
    """(what an earlier run wrote, what to go on from): the earlier one when it was made from the same source, so that
    what the user edited in it stays."""
    before = None if item.in_place or item.earlier is None else _earlier(item.earlier, file)
    return before, before if before is not None and same(_bare(before), file.content) else file


def _with_data(
    job: Job, item: Item, file: NotebookFile, before: NotebookFile | None, data: bytes, outcome: Outcome
) -> Outcome:
    unchanged = data == (before.raw if before is not None else file.raw if item.in_place else None)
    return replace(
        outcome,
        data=None if unchanged else data,
        read=file.sha256,
        diff=_diff(file, data, item.unit.name) if job.with_diff else "",
    )


def _strip(job: Job, item: Item, file: NotebookFile) -> Outcome:
    found = strip(file, job.roles)
    notes = [f"{count} {role} cell{'s' if count != 1 else ''} removed" for role, count in sorted(found.removed.items())]
    if found.kept:
        notes.append(f"{found.kept} edited cell{'s' if found.kept != 1 else ''} kept, without our metadata and label")
    if found.locked:
        notes.append(
            f"{found.locked} locked cell{'s' if found.locked != 1 else ''} kept as {'they are' if found.locked != 1 else 'it is'}"
        )
    changed = found.data != file.raw
    return Outcome(
        item.unit,
        data=found.data if changed or not item.in_place else None,
        read=file.sha256,
        cells_written=sum(found.removed.values()) + found.kept,
        notes=tuple(notes),
        diff=_diff(file, found.data, item.unit.name) if job.with_diff else "",
    )


def _finish(job: Job, item: Item, file: NotebookFile) -> Outcome:
    if item.in_place and file.convertible_only and job.writes:
        return Outcome(item.unit, "skipped", read=file.sha256, notes=(_only_new(file),))
    done = finish(file, metadata=job.metadata)
    comments = (
        "1 request turned into a comment" if done.requests == 1 else f"{done.requests} requests turned into comments"
    )
    notes = [comments] if done.requests else []
    notes += [f"{done.labels} label{'s' if done.labels != 1 else ''} removed"] if done.labels else []
    changed = done.data != file.raw
    return Outcome(
        item.unit,
        data=done.data if changed or not item.in_place else None,
        read=file.sha256,
        cells_written=done.requests + done.labels,
        notes=tuple(notes),
        diff=_diff(file, done.data, item.unit.name) if job.with_diff else "",
    )


def _only_new(file: NotebookFile) -> str:
    return f"nbformat {file.version[0]} is written only to a new file: use -o FOLDER"


def divided(job: Job, item: Item) -> list[Item]:
    """The parts of a huge notebook that is documented for the first time, one Item each; [] for any other."""
    if job.command != "document" or item.data is None or item.earlier is not None:
        return []
    if len(item.data) > DIVIDED_BYTES or item.data.count(b'"cell_type"') < HUGE_CELLS:
        return []
    try:
        file = notebooks.loads(item.data, stores.title_path(item.unit.path))
    except NbcopilotError:
        return []
    if item.in_place and file.convertible_only:
        return []
    return [replace(item, part=Part(groups)) for groups in documents.parts(file, PART_GROUPS)]


def generated(file: NotebookFile) -> Iterator[dict[str, Any]]:
    """One row for each cell of ours: place, role, model, checks, `edited` (the cell) and `outdated` (its source).

    Metadata may come from anybody: what is not of the type that we write is left out.
    """
    notebook = file.snapshot()
    for number, cell in enumerate(notebook.cells, start=1):
        record = ours(cell.metadata)
        if record is None:
            continue
        source = notebook.cell(record.get("source_cell"))
        wanted = record.get("source_hash")
        model, checks = (found if isinstance(found := record.get(key), Mapping) else {} for key in ("model", "checks"))
        yield {
            "path": file.name,
            "cell": number,
            "id": cell.id,
            "role": _text(record, "role"),
            "model": _text(model, "id") or "?",
            "model_sha256": _text(model, "sha256") or "",
            "created": _text(record, "created"),
            "version": _text(record, "version"),
            "checks": {str(name): value for name, value in checks.items()},
            "edited": is_edited(cell.metadata, cell.source),
            "outdated": bool(
                source
                and isinstance(wanted, str)
                and wanted != text_hash(source.source)
                and ("span" in record or not is_same(record.get("source_form"), "code", source.source))
            ),
        }


def _text(record: Mapping[str, Any], key: str) -> str | None:
    found = record.get(key)
    return found if isinstance(found, str) else None


def _earlier(data: bytes, file: NotebookFile) -> NotebookFile | None:
    """What stands at the place of the result already, when it can be read."""
    try:
        return notebooks.loads(data, file.path)
    except NbcopilotError:
        return None


def _bare(file: NotebookFile) -> object:
    """The content of a documented notebook without what we wrote."""
    return notebooks.loads(strip(file).data, file.path).content


def _diff(file: NotebookFile, after: bytes, name: str) -> str:
    return notebook_diff(_sources(file), _sources(notebooks.loads(after, file.path)), name)


def _sources(file: NotebookFile) -> list[tuple[str, str]]:
    return [(str(cell.get("cell_type")), source_text(cell)) for cell in file.cells]
