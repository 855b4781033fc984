"""How likely a checked answer is to do what was asked: features of the request -> a probability -> a label.

The table `confidence.json` is fitted by `nbcopilot eval calibrate` on answers that a judge has seen, and says on which.
A kind of task without a table, and a label that was not right often enough in cross-validation, are never claimed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from nbcopilot.types import Candidate, Notebook, Task
from nbcopilot.verdict import Verdict

TABLE = Path(__file__).with_name("confidence.json")
LIKELY, UNSURE, WRONG = "likely right", "unsure", "probably wrong"


@dataclass(frozen=True)
class Samples:
    """What the answers to one request show together.

    answers: how many were judged, rejected ones too; agreeing: how many others behave like the chosen one; repairs: the
    rounds that were needed. logprob: mean natural log-probability of a token of the chosen answer, lowest: of its
    least likely token (None: the engine gives none).
    """

    answers: int = 1
    rejected: int = 0
    agreeing: int = 0
    repairs: int = 0
    logprob: float | None = None
    lowest: float | None = None


@dataclass(frozen=True)
class Confidence:
    """A label, the probability behind it (None: there is no table for it), and the features that gave it."""

    label: str = UNSURE
    probability: float | None = None
    features: Mapping[str, float] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The label as a user reads it."""
        if self.label == LIKELY and self.probability is not None:
            return f"{LIKELY} ({min(9, int(10 * self.probability))} in 10)"
        return "unsure whether it does what was asked" if self.label == UNSURE else self.label

    @property
    def state(self) -> str:
        """How it is coloured: "ok", "none" or "bad"."""
        return {LIKELY: "ok", UNSURE: "none"}.get(self.label, "bad")

    def told(self, kind: str, verdict: Verdict) -> Confidence | None:
        """Itself where a user is told: of code that was checked and accepted, where nothing else says more."""
        tells = kind == "generate" or self.probability is not None
        return self if tells and verdict.ok and verdict.checks else None


def features(
    task: Task, notebook: Notebook, candidate: Candidate, verdict: Verdict, samples: Samples
) -> dict[str, float]:
    """What the probability is made from; every value is finite, and 0 where there is nothing to measure."""
    others = max(0, samples.answers - 1)
    held, of = verdict.evidence.examples or (0, 0)
    return {
        "alone": float(others == 0),
        "agreement": samples.agreeing / others if others else 0.0,
        "rejected": samples.rejected / samples.answers if samples.answers else 0.0,
        "repairs": float(samples.repairs),
        "logprob": samples.logprob if samples.logprob is not None else 0.0,
        "lowest_logprob": max(-20.0, samples.lowest) if samples.lowest is not None else 0.0,
        "ran": float(verdict.checks.get("run") == "passed"),
        "examples": held / of if of else 0.0,
        "has_examples": float(of > 0),
        "doubts": float(verdict.doubts),
        "mended": float(bool(verdict.evidence.mended)),
        "complete": float(candidate.complete),
        "code_lines": math.log1p(len(candidate.text.splitlines())),
        "request_words": math.log1p(len(task.instruction.split())),
        "variables": math.log1p(len(notebook.namespace or ())),
        "next_cell": float(bool(notebook.cells)),
    }


def judge(
    kind: str, verdict: Verdict, found: Mapping[str, float], table: Mapping[str, Any] | None = None
) -> Confidence:
    """The label of an answer to a task of this kind. One that is rejected or was cut is probably wrong, whatever the table says."""
    row = (load() if table is None else table).get("kinds", {}).get(kind)
    chance = probability(row, found) if row else None
    if not verdict.ok or not found.get("complete", 1.0):
        return Confidence(WRONG, chance, found)
    if row is None or chance is None:
        return Confidence(UNSURE, None, found)
    label = UNSURE
    if row["likely"] is not None and chance >= row["likely"]:
        label = LIKELY
    elif row["wrong"] is not None and chance < row["wrong"]:
        label = WRONG
    return Confidence(label, round(chance, 3), found)


def probability(row: Mapping[str, Any], found: Mapping[str, float]) -> float:
    """The logistic model of one kind: weights over standardised features; a feature that is not there is average."""
    total = float(row["bias"])
    for name, (mean, scale, weight) in row["features"].items():
        total += weight * (found.get(name, mean) - mean) / scale
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total))))


@cache
def load(path: Path = TABLE) -> Mapping[str, Any]:
    """The table that is shipped; {} where there is none."""
    if not path.is_file():
        return {}
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
