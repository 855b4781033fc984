"""One request of the page as lines of its answer: the pipeline's events, encoded, and an edit for every candidate.

Synchronous generators, run by worker.py. A whole notebook is documented as `nbcopilot document` does it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

from nbcopilot.batch.open_notebook import Progress, document_open
from nbcopilot.conversation.talk import Mode, reply
from nbcopilot.events import Accepted, CheckDone, Done, EditReady, Event, Meant, Notice, PromptReady
from nbcopilot.inference import Prompt
from nbcopilot.notebook.labels import unlabelled
from nbcopilot.pipeline import Copilot
from nbcopilot.server.wire import Json, write_edit, write_event
from nbcopilot.task import aim
from nbcopilot.turns import Turn
from nbcopilot.types import Candidate, Judged, Notebook, Task
from nbcopilot.verdict import Verdict


def answer(
    copilot: Copilot,
    task: Task,
    notebook: Notebook,
    stopped: threading.Event,
    conversation: tuple[tuple[Turn, ...], Mode] | None = None,
) -> Iterator[Json]:
    """The lines of one answer; `stopped` cancels also between them. Raises what `Copilot.stream` raises.

    conversation: the turns before it and what kind of answer is wanted, of a request that belongs to one.
    """
    if task.kind == "document" and not task.target.source.strip():
        return _whole(copilot, notebook, stopped)
    if conversation is not None and task.kind == "generate":
        turns, mode = conversation
        return _alternatives(copilot, task, notebook, reply(copilot, task, notebook, turns, mode))
    return _alternatives(copilot, task, notebook, copilot.stream(task, notebook))


def _alternatives(copilot: Copilot, task: Task, notebook: Notebook, events: Iterator[Event]) -> Iterator[Json]:
    attempt = 0
    prompts: list[Prompt] = []
    judged: list[tuple[int, Judged]] = []
    with closing(cast("Any", events)):
        for event in events:
            match event:
                case Meant():
                    task = event.task
                case PromptReady():
                    attempt = event.attempt
                    prompts.append(event.prompt)
                case CheckDone(candidate, verdict):
                    judged.append((attempt, (candidate, verdict)))
                case Accepted():
                    continue  # the sidebar has its verdict already
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
    task, _ = aim(task, notebook)
    for attempt, (candidate, verdict) in judged:
        is_best = candidate == best.candidate and verdict == best.verdict
        edit = best.edit if is_best else copilot.plan_edit(task, notebook, prompts[attempt], (candidate, verdict))
        sure = best.confidence.told(task.kind, verdict) if is_best else None
        outcomes = best.outcomes if is_best else None
        yield write_edit(edit, candidate.index, attempt, best=is_best, confidence=sure, outcomes=outcomes)


# ------------------------------------------------------------------ a whole notebook


def _whole(copilot: Copilot, notebook: Notebook, stopped: threading.Event) -> Iterator[Json]:
    """The texts that `nbcopilot document` would write, a part for each place where some go."""
    for update in document_open(notebook, copilot.engine, copilot.config, stopped):
        if isinstance(update, Progress):
            yield {"type": "progress", "done": update.done, "total": update.total}
            continue
        yield {"type": "parts", "cells": [part.about for part in update.parts]}
        for index, part in enumerate(update.parts):
            text = "\n\n".join(unlabelled(cell.kind, cell.source) for cell in part.edit.cells)
            candidate = Candidate(text, "markdown", index=index)
            yield write_event(CheckDone(candidate, Verdict(True, checks=part.checks)))
            yield write_edit(part.edit, index, 0, best=False)
        for note in update.notes:
            yield write_event(Notice(note))
        yield write_event(Done("ok", update.usage))
