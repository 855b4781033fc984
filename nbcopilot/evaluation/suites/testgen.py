"""Tests for a correct function (QuixBugs, HumanEval, MBPP): do they pass on it, and do they catch known wrong variants?

Valid: all tests pass on `good` and at least one assertion ran. Strength: share of the `buggy` variants on which a
test fails (or does not end). Mutation score: the same share of small faults put into `good`, some of which may change
nothing. The versions are run in forked children of one interpreter that has pytest loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nbcopilot.evaluation.suites import Judgement, Question
from nbcopilot.evaluation.systems import Answer
from nbcopilot.evaluation.tasks import TestgenItem, load
from nbcopilot.evaluation.trial import run_script
from nbcopilot.testgen.mutation import mutants
from nbcopilot.types import Cell, Notebook, Target, Task

SECONDS_PER_VARIANT = 10
MUTANTS = 24  # for each function, spread over its lines


def read(path: Path, name: str) -> list[TestgenItem]:
    """The items of the file. Raises UsageError."""
    return load(path, TestgenItem)


def questions(item: TestgenItem) -> Iterator[Question]:
    """One question: tests for the good version. There is no reference: the score is how many variants they catch."""

    def judge(answer: Answer) -> Judgement:
        faults = [mutant.source for mutant in mutants(item.good, item.entry_points, limit=MUTANTS)]
        outcome = run_tests(item, answer.text, faults)
        caught, variants = int(outcome["caught"]), len(item.buggy)
        strength = caught / variants if variants and outcome["valid"] else 0.0
        detail = {"valid": outcome["valid"], "asserts": outcome["asserts"], "caught": caught, "variants": variants}
        detail["line_coverage"] = outcome["lines"]
        if faults:
            detail["mutation_score"] = round(int(outcome["killed"]) / len(faults), 4)
        return Judgement(strength > 0, strength, str(outcome["reason"]), detail)

    cell = Cell("cell-0", "code", item.good, executed=1)
    notebook = Notebook((cell,), cursor=0, names=frozenset(item.entry_points), history=(item.good,))
    target = Target(item.good, cell.id, item.entry_points, position=0)
    yield Question(item.id, Task("testgen", target=target), notebook, judge)


def run_tests(item: TestgenItem, tests: str, faults: Sequence[str] = ()) -> dict[str, Any]:
    """{"valid", "reason", "asserts", "lines", "caught", "killed"}: the tests on the good version, every variant and fault."""
    versions = {"good": item.good, "buggy": list(item.buggy), "mutants": list(faults)}
    work = {**versions, "tests": tests, "seconds": SECONDS_PER_VARIANT}
    budget = SECONDS_PER_VARIANT * (len(item.buggy) + len(faults) + 3)
    source = (Path(__file__).parent.parent / "testing.py").read_text(encoding="utf-8")
    trial = run_script(source, seconds=budget, files={"work.json": json.dumps(work)}, keep="outcome.json")
    if trial.kept is None:
        return {"valid": False, "reason": trial.reason, "asserts": 0, "lines": 0.0, "caught": 0, "killed": 0}
    outcome: dict[str, Any] = json.loads(trial.kept)
    return outcome
