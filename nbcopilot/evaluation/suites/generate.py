"""Code from an instruction (HumanEval, MBPP): the prompt as a user types it below `%%generate` in a new notebook."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nbcopilot.errors import UsageError
from nbcopilot.evaluation.suites import Judgement, Question
from nbcopilot.evaluation.systems import Answer
from nbcopilot.evaluation.tasks import GenerateItem, load
from nbcopilot.evaluation.trial import run_script
from nbcopilot.types import Notebook, Task


def read(path: Path, name: str) -> list[GenerateItem]:
    """The items of the file; only those of one suite when `name` is not "generate". Raises UsageError."""
    items = [item for item in load(path, GenerateItem) if name in ("generate", item.suite)]
    if not items:
        raise UsageError(f"{path} has no {name} items", hint="use the suite `generate` to take all of them")
    return items


def questions(item: GenerateItem) -> Iterator[Question]:
    """One question: the prompt. Right when the answer and then the test run without an error in 10 s."""

    def judge(answer: Answer) -> Judgement:
        trial = run_script(f"{answer.text}\n\n{item.test}")
        return Judgement.of(trial.ok, trial.reason)

    notebook = Notebook(namespace=())
    yield Question(item.id, Task("generate", item.prompt), notebook, judge, Answer(item.reference))
