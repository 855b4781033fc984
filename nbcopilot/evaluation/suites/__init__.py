"""The benchmarks: one short file each. A suite turns items into questions; a question knows how to judge.

`SUITES` is the table of them. A system gets `Question.task` and `Question.notebook` and nothing else, so no test and
no reference can reach it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from nbcopilot.errors import UsageError
from nbcopilot.evaluation.systems import Answer
from nbcopilot.types import Notebook, Task

# Suite -> its module. humaneval and mbpp are the items of a generate file that name that suite.
SUITES = {
    "generate": "generate",
    "humaneval": "generate",
    "mbpp": "generate",
    "fix": "fix",
    "crashes": "crashes",
    "testgen": "testgen",
    "complete": "complete",
    "stateful": "stateful",
    "everyday": "everyday",
}


@dataclass(frozen=True)
class Judgement:
    """What the judge says: right or not, a score from 0 to 1, and the reason when it is not right."""

    ok: bool
    score: float = 0.0
    reason: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, ok: bool, reason: str = "", **detail: Any) -> Judgement:
        """A judgement that is all or nothing."""
        return cls(ok, float(ok), "" if ok else reason, detail)


@dataclass(frozen=True)
class Question:
    """One thing to ask. `reference` is the known right answer (None: there is none), for checking the judge itself.

    `excluded` is the reason why it cannot be judged on this machine ("" when it can).
    """

    id: str
    task: Task
    notebook: Notebook
    judge: Callable[[Answer], Judgement]
    reference: Answer | None = None
    excluded: str = ""


@dataclass(frozen=True)
class Suite:
    """A benchmark: `read` gives the items of a file, `questions` the questions of one item, in order.

    Items are independent; the questions of one item are asked one after the other in one thread. `close` ends what
    the items share.
    """

    name: str
    read: Callable[[Path], list[Any]]
    questions: Callable[[Any], Iterator[Question]]
    close: Callable[[list[Any]], None] = lambda items: None


def find(name: str) -> Suite:
    """The suite called `name`. Raises UsageError."""
    if name not in SUITES:
        raise UsageError(f"unknown suite `{name}`", hint="it takes " + ", ".join(SUITES))
    module = import_module(f"nbcopilot.evaluation.suites.{SUITES[name]}")
    close = getattr(module, "close", lambda items: None)
    return Suite(name, lambda path: list(module.read(path, name)), module.questions, close)
