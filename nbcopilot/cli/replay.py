"""`nbcopilot replay NOTEBOOK…`: ask the same model the same again, and say which generated cells would come out another way.

Same prompt (kept on this machine, or rendered anew from the notebook when that gives the same bytes), same settings, same
seed, same weights; what is compared is the model's answer before any check. Writes nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from nbcopilot.answers.extract import extract
from nbcopilot.batch import stores
from nbcopilot.batch.discover import discover
from nbcopilot.cli import configured, terminal
from nbcopilot.config_schema import FIELDS, convert
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import ConfigError, ModelNotFoundError, NbcopilotError, UnknownModelError
from nbcopilot.events import PromptReady
from nbcopilot.hashing import text_hash
from nbcopilot.inference import Completion, Prompt, Sampling
from nbcopilot.models.catalog import entries
from nbcopilot.notebook import document
from nbcopilot.notebook.labels import unlabelled
from nbcopilot.pipeline import Copilot
from nbcopilot.sampling_plan import is_looping
from nbcopilot.session import Session
from nbcopilot.task import make_task
from nbcopilot.types import Cell, Notebook, Target, TaskKind
from nbcopilot.write import diff, kept
from nbcopilot.write.provenance import ours, public_id

KINDS: dict[str, TaskKind] = {"tests": "testgen", "explanation": "explain", "fix": "fix", "summary": "document"}
# More answers than are ever drawn together for one cell.
MOST_DRAWN = 256
SAME, DRIFT, OTHER, UNKNOWN = "same", "drift", "another model", "not replayed"


@dataclass(frozen=True)
class Row:
    """What became of one generated cell. `diff` shows a drift, from the cell as it stands to the new answer."""

    path: str
    cell: int
    role: str
    model: str
    state: str
    reason: str = ""
    diff: str = ""


def add_parser(commands: Any) -> None:
    """Add the command."""
    sub = commands.add_parser(
        "replay",
        help="generate the cells of notebooks again and report drift",
        description="Asks the same model for every generated cell again, with the same prompt, settings and seed. Exit "
        "code: 0 no drift, 1 drift, 3 the model that wrote a cell cannot be had.",
    )
    sub.add_argument("paths", nargs="+", metavar="NOTEBOOK", help="notebooks, folders, or globs")
    sub.add_argument("--model", help="ask this model (its weights must be those that wrote the cell)")
    sub.add_argument("--engine")
    sub.add_argument("--precision")
    sub.add_argument("--diff", action="store_true", help="show what differs")
    sub.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")


def run(args: argparse.Namespace) -> int:
    """Replay and report. Raises NotebookNotFoundError; a notebook that cannot be read is one row."""
    replay = Replay(args)
    rows: list[Row] = []
    for unit in discover(args.paths)[0]:
        try:
            notebook = replace(
                document.loads(stores.read(unit.path, unit.within), Path(unit.path)).snapshot(),
                path=Path(unit.path).resolve(),
            )
        except NbcopilotError as exc:
            rows.append(Row(str(unit.path), 0, "", "", UNKNOWN, str(exc)))
            continue
        rows += [replay.row(notebook, cell, str(unit.path)) for cell in notebook.cells if ours(cell.metadata)]
    replay.close()
    counts = {state: sum(row.state == state for row in rows) for state in (SAME, DRIFT, OTHER, UNKNOWN)}
    if args.json:
        print(json.dumps({"cells": len(rows), **counts, "rows": [vars(row) for row in rows]}))
    else:
        _show(rows, counts, with_diff=args.diff)
    return 1 if counts[DRIFT] else 3 if counts[OTHER] else 0


def _show(rows: Sequence[Row], counts: Mapping[str, int], *, with_diff: bool) -> None:
    for row in rows:
        what = f"cell #{row.cell} {row.role} by {row.model}: " if row.cell else ""
        print(f"{row.path} {what}{row.state}" + (f" ({row.reason})" if row.reason else ""))
        if with_diff and row.diff:
            print(row.diff, end="")
    print(f"{len(rows)} generated cells: " + ", ".join(f"{count} {state}" for state, count in counts.items() if count))


class Replay:
    """Answers again with the engines that the cells name; one is open at a time."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._overrides = {name: getattr(args, name) for name in ("engine", "precision")}
        self._model: str | None = args.model
        self._session: Session | None = None
        self._name = ""

    def row(self, notebook: Notebook, cell: Cell, path: str) -> Row:
        """What became of one cell of ours."""
        record = ours(cell.metadata) or {}
        model = _part(record, "model")
        number = (notebook.index(cell.id) or 0) + 1
        blank = Row(path, number, str(record.get("role", "")), str(model.get("id", "")), UNKNOWN)
        if not record.get("answer_sha256"):
            batch = record.get("role") == "summary"
            why = "`nbcopilot document --check` tells what is outdated" if batch else "its answer was not recorded"
            return replace(blank, reason=why)
        try:
            sampling, place = _sampling(record), _place(record)
        except ConfigError as exc:
            return replace(blank, reason=f"its record cannot be read: {exc}")
        try:
            copilot = self._copilot(str(model.get("id", "")))
        except (ModelNotFoundError, UnknownModelError) as exc:
            return replace(blank, state=OTHER, reason=str(exc))
        here = copilot.engine.describe()
        wanted = str(model.get("sha256", "")).removeprefix("sha256:")  # written bare by older versions
        if here.sha256.removeprefix("sha256:") != wanted:
            wrote = f"{model.get('id')} ({wanted[:12] or 'no hash'})"
            asked = f"{public_id(here.id)} ({here.sha256.removeprefix('sha256:')[:12] or 'no hash'})"
            return replace(blank, state=OTHER, reason=f"it was written by {wrote}; asked is {asked}")
        prompt = kept.find(str(record.get("prompt_sha256", ""))) or self._rendered(copilot, notebook, cell, record)
        if prompt is None:
            return replace(blank, reason="its prompt is not kept here, and the notebook has changed since")
        answers = _again(copilot.engine, prompt, sampling, place)
        if any(text_hash(answer.text) == record["answer_sha256"] for answer in answers):
            return replace(blank, state=SAME)
        if prompt.hash != record.get("prompt_sha256"):
            return replace(blank, reason="its prompt was kept without the secrets in it, so the answer may differ")
        new = extract(answers[0], prompt).text
        shown = diff.cell_diff(unlabelled(cell.kind, cell.source), new, f"{path} cell #{number}", "generated now")
        return replace(blank, state=DRIFT, reason="the model answers in another way now", diff=shown)

    def close(self) -> None:
        """Let the engine go."""
        if self._session is not None:
            self._session.close()
        self._session = None

    def _copilot(self, wrote: str) -> Copilot:
        name = self._model or _of_catalog(wrote)
        if self._session is None or name != self._name:
            self.close()
            self._session = Session(configured.load({**self._overrides, "model": name}))
            self._session.ask, self._name = terminal.asker(), name
        with terminal.Bar() as bar:
            self._session.progress = bar
            return self._session.copilot()

    def _rendered(self, copilot: Copilot, notebook: Notebook, cell: Cell, record: Mapping[str, Any]) -> Prompt | None:
        """The prompt as the notebook gives it without what was generated since; None unless it has the same hash."""
        kind = KINDS.get(str(record.get("role")))
        source = notebook.cell(record.get("source_cell"))
        if kind is None or source is None:
            return None
        created = str(record.get("created"))
        earlier = tuple(c for c in notebook.cells if str((ours(c.metadata) or {}).get("created", "")) < created)
        book = replace(notebook, cells=earlier)
        names = record.get("names", ())
        known = tuple(name for name in names if isinstance(name, str)) if isinstance(names, list | tuple) else ()
        target = Target(source.source, source.id, known, book.index(source.id))
        task = make_task(kind, replace(copilot.config, max_tokens=_sampling(record).max_tokens), "", target)
        events = copilot.stream(task, book)
        prompt = next((event.prompt for event in events if isinstance(event, PromptReady)), None)
        return prompt if prompt is not None and prompt.hash == record.get("prompt_sha256") else None


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = record.get(name)
    return found if isinstance(found, Mapping) else {}


def _sampling(record: Mapping[str, Any]) -> Sampling:
    """The settings as they were recorded; what is not recorded had its default. Raises ConfigError."""
    found = _part(record, "sampling")
    known = [field.name for field in fields(Sampling) if field.name in FIELDS and found.get(field.name) is not None]
    return replace(Sampling(), **{name: convert(name, found[name], "the cell's metadata") for name in known})


def _place(record: Mapping[str, Any]) -> int:
    """Which of the answers drawn together the cell holds, from 0. Raises ConfigError."""
    place = record.get("drawn", 0)
    if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < MOST_DRAWN:
        raise ConfigError(f"`drawn` is {place!r:.40}", hint=f"it takes 0 to {MOST_DRAWN - 1}")
    return place


def _of_catalog(name: str) -> str:
    """A model that a notebook may have opened here: its metadata can name no folder, file, hub or server."""
    if name.partition(":")[0] != "fake" and name not in entries():
        raise UnknownModelError(
            f"the notebook names the model `{name}`, which is not in the catalog",
            hint="if you want to ask it, say so: --model NAME",
        )
    return name


def _again(engine: Engine, prompt: Prompt, sampling: Sampling, place: int) -> list[Completion]:
    """The answers to the prompt, as many as it takes to come to the one at `place` among those drawn together."""
    count = 1 if sampling.temperature == 0 else place + 1
    texts, ends = [""] * count, ["stop"] * count
    for chunk in engine.generate(prompt, sampling, candidates=count):
        texts[chunk.index] += chunk.text
        ends[chunk.index] = chunk.finish or ends[chunk.index]
        if count == 1 and is_looping(texts[0]):
            return [Completion(texts[0], 0, "length")]
    return [Completion(text, index, end) for index, (text, end) in enumerate(zip(texts, ends, strict=True))]
