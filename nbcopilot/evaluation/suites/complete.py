"""Fill in the middle (HumanEval-Infilling): what inline completion writes at the cursor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nbcopilot.evaluation.suites import Judgement, Question
from nbcopilot.evaluation.systems import Answer
from nbcopilot.evaluation.tasks import CompleteItem, load
from nbcopilot.evaluation.trial import run_script
from nbcopilot.types import Cell, Notebook, Target, Task


def read(path: Path, name: str) -> list[CompleteItem]:
    """The items of the file. Raises UsageError."""
    return load(path, CompleteItem)


def questions(item: CompleteItem) -> Iterator[Question]:
    """One question: the gap. Right when prefix + answer + suffix + test runs; `exact` says that it is the original."""

    def judge(answer: Answer) -> Judgement:
        trial = run_script(f"{item.prefix}{answer.text}{item.suffix}\n\n{item.test}")
        exact = answer.text.rstrip() == item.reference.rstrip()
        return Judgement.of(trial.ok, trial.reason, kind=item.kind, exact=exact)

    # The cursor stands after the prefix: `target.source` is what is before it, the cell holds both sides.
    cell = Cell("cell-0", "code", item.prefix + item.suffix)
    task = Task("complete", instruction=item.suffix, target=Target(item.prefix, cell.id, position=0))
    yield Question(item.id, task, Notebook((cell,), cursor=0), judge, Answer(item.reference))
