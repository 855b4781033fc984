"""One request of the page as lines of its answer: the pipeline's events, encoded, and an edit for every candidate.

Synchronous generators, run by worker.py. A whole notebook is documented part by part: one task for each code cell
that nothing explains yet.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, cast

from nbcopilot.errors import UsageError
from nbcopilot.events import CheckDone, Done, EditReady, Notice, PromptReady
from nbcopilot.judge import Judged
from nbcopilot.pipeline import Copilot
from nbcopilot.server.wire import Json, write_edit, write_event
from nbcopilot.types import CellEdit, Notebook, Prompt, Target, Task, Usage


def answer(copilot: Copilot, task: Task, notebook: Notebook) -> Iterator[Json]:
    """The lines of one answer. Raises what `Copilot.stream` raises."""
    if task.kind == "document" and not task.target.source.strip():
        return _parts(copilot, task, notebook)
    return _alternatives(copilot, task, notebook)


def _alternatives(copilot: Copilot, task: Task, notebook: Notebook) -> Iterator[Json]:
    attempt = 0
    prompts: list[Prompt] = []
    judged: list[tuple[int, Judged]] = []
    events = copilot.stream(task, notebook)
    with closing(cast("Any", events)):
        for event in events:
            match event:
                case PromptReady():
                    attempt = event.attempt
                    prompts.append(event.prompt)
                case CheckDone(candidate, verdict):
                    judged.append((attempt, (candidate, verdict)))
                case EditReady():
                    yield from _edits(copilot, task, notebook, prompts, judged, event)
                    continue
            yield write_event(event, attempt=attempt)


def _edits(
    copilot: Copilot,
    task: Task,
    notebook: Notebook,
    prompts: list[Prompt],
    judged: list[tuple[int, Judged]],
    best: EditReady,
) -> Iterator[Json]:
    """An edit for every candidate, so that the user may take another than the best."""
    for attempt, (candidate, verdict) in judged:
        is_best = candidate == best.candidate and verdict == best.verdict
        edit = best.edit if is_best else copilot.plan_edit(task, notebook, prompts[attempt], (candidate, verdict))
        yield write_edit(edit, candidate.index, attempt, best=is_best)


# ------------------------------------------------------------------ a whole notebook


def _parts(copilot: Copilot, task: Task, notebook: Notebook) -> Iterator[Json]:
    targets = list(undocumented(notebook))
    if not targets:
        raise UsageError("every code cell has a text above it already", hint="select one cell to document it anew")
    yield {"type": "parts", "cells": [target.cell_id for target in targets]}
    usage, group = Usage(), str(uuid.uuid4())
    for index, target in enumerate(targets):
        part = replace(task, target=target, candidates=1)
        attempt = 0
        events = copilot.stream(part, notebook)
        with closing(cast("Any", events)):
            for event in events:
                match event:
                    case Done(_, used):
                        usage = _sum(usage, used)
                        continue
                    case PromptReady():
                        attempt = event.attempt
                    case Notice(message) if "left out to fit" in message and index:
                        continue  # said once is enough
                    case EditReady():
                        event = replace(event, edit=_in_group(event.edit, group))
                yield write_event(event, attempt=attempt, index=index)
    yield write_event(Done("ok", usage))


def _in_group(edit: CellEdit, group: str) -> CellEdit:
    """The parts of one request are one group: what belongs together is undone together."""
    cells = []
    for cell in edit.cells:
        record = {**cell.metadata.get("nbcopilot", {}), "group": group}
        cells.append(replace(cell, metadata={**cell.metadata, "nbcopilot": record}))
    return replace(edit, group=group, cells=tuple(cells))


def undocumented(notebook: Notebook) -> Iterator[Target]:
    """The code cells with no text right above them, each with the place where its text would go."""
    for index, cell in enumerate(notebook.cells):
        above = notebook.cells[index - 1] if index else None
        if cell.kind == "code" and cell.source.strip() and (above is None or above.kind != "markdown"):
            yield Target(cell.source, cell.id, position=index - 1)


def _sum(total: Usage, used: Usage) -> Usage:
    return Usage(
        total.prompt_tokens + used.prompt_tokens,
        total.completion_tokens + used.completion_tokens,
        total.cached_tokens + used.cached_tokens,
        total.first_token_seconds or used.first_token_seconds,
        total.seconds + used.seconds,
    )
