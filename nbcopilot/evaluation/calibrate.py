"""Fits the table behind the labels from journals of evaluations, and says by cross-validation what it is worth.

Logistic regression with an L2 penalty on standardised features, one model for each kind of task. All questions of a session are left
out together, so that nothing is measured on a notebook that the model has seen. Pure Python: there are hundreds of rows.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbcopilot import confidence
from nbcopilot.errors import NotebookNotFoundError, UsageError
from nbcopilot.evaluation.tasks import Result

PENALTY, STEPS, RATE = 1.0, 2000, 0.5
FOLDS, BINS = 20, 10
# A label is only given where this share of the answers that would have got it, and so many of them, were as it says.
PRECISION, LEAST = 0.9, 20
WRONG_PRECISION = 0.8
# Fewer answers, or fewer of either outcome, than this give no model at all.
ROWS, EACH = 40, 8


@dataclass(frozen=True)
class Row:
    """One answer: its features, whether it was right, and the session (or question) that it belongs to."""

    kind: str
    group: str
    features: Mapping[str, float]
    right: bool


def rows(paths: Sequence[Path], mode: str = "full") -> tuple[list[Row], list[dict[str, Any]]]:
    """The accepted answers of `mode` in journals, and the conditions of each journal.

    Rejected answers are called wrong without a model. Raises NotebookNotFoundError, UsageError.
    """
    found: dict[tuple[str, str], Row] = {}
    conditions = []
    for path in paths:
        if not path.is_file():
            raise NotebookNotFoundError(f"no journal {path}", hint="write one with `nbcopilot eval … --resume FILE`")
        lines = path.read_text(encoding="utf-8").splitlines()
        try:
            head = json.loads(lines[0])["conditions"]
        except (ValueError, KeyError, IndexError, TypeError) as exc:
            raise UsageError(f"{path} is not a journal of an evaluation", hint="give --data a --resume file") from exc
        conditions.append({key: head.get(key) for key in ("suite", "model", "precision", "commit", "data_sha256")})
        for line in lines[1:]:
            if (row := _row(line, mode, str(head.get("model")))) is not None:
                found[path.name, row[0]] = row[1]
    return list(found.values()), conditions


def _row(line: str, mode: str, model: str) -> tuple[str, Row] | None:
    try:
        result = Result.from_json(line)
    except (ValueError, TypeError):
        return None  # seconds, or a line that was cut short
    if result.mode != mode or result.excluded or not result.features or not result.accepted:
        return None
    kind = str(result.detail.get("task") or "generate")
    return result.id, Row(kind, result.id.rpartition("/")[0] or result.id, result.features, result.ok)


def table(found: Sequence[Row], provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The table of `confidence`, with what cross-validation says of each kind; kinds with too few answers have none."""
    kinds: dict[str, Any] = {}
    lacking: dict[str, str] = {}
    for kind in sorted({row.kind for row in found}):
        mine = [row for row in found if row.kind == kind]
        right = sum(row.right for row in mine)
        if len(mine) < ROWS or min(right, len(mine) - right) < EACH:
            lacking[kind] = f"{len(mine)} answers, {right} right: a model takes {ROWS}, and {EACH} of either outcome"
            continue
        predicted = cross_validated(mine)
        likely, wrong = thresholds(predicted)
        kinds[kind] = {**fit(mine), "likely": likely, "wrong": wrong, "measured": measures(predicted, likely, wrong)}
    return {"schema": 1, "kinds": kinds, "lacking": lacking, "provenance": dict(provenance)}


def fit(found: Sequence[Row]) -> dict[str, Any]:
    """{"bias", "features": {name: [mean, scale, weight]}} by gradient descent; features that never vary are left out."""
    names = sorted({name for row in found for name in row.features})
    stats = {name: _spread([row.features.get(name, 0.0) for row in found]) for name in names}
    names = [name for name in names if stats[name][1] > 1e-9]
    data = [[(row.features.get(n, 0.0) - stats[n][0]) / stats[n][1] for n in names] for row in found]
    weights, bias, count = [0.0] * len(names), 0.0, len(found)
    for step in range(STEPS):
        slope, base = [PENALTY * weight / count for weight in weights], 0.0
        for values, row in zip(data, found, strict=True):
            score = bias + sum(w * v for w, v in zip(weights, values, strict=True))
            error = 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score)))) - row.right
            base += error / count
            for i, value in enumerate(values):
                slope[i] += error * value / count
        weights = [weight - RATE * part for weight, part in zip(weights, slope, strict=True)]
        bias -= RATE * base
        if step > 50 and max(map(abs, [base, *slope])) < 1e-4:
            break
    fitted = zip(names, weights, strict=True)
    return {
        "bias": round(bias, 5),
        "features": {n: [round(stats[n][0], 5), round(stats[n][1], 5), round(weight, 5)] for n, weight in fitted},
    }


def _spread(values: Sequence[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def cross_validated(found: Sequence[Row]) -> list[tuple[float, bool]]:
    """(probability, right) of every row by a model that has seen nothing of its session; at most FOLDS models."""
    groups = sorted({row.group for row in found})
    random.Random(0).shuffle(groups)
    fold = {group: number % min(FOLDS, len(groups)) for number, group in enumerate(groups)}
    predicted = []
    for number in sorted(set(fold.values())):
        seen = [row for row in found if fold[row.group] != number]
        model = fit(seen)
        held = [row for row in found if fold[row.group] == number]
        predicted += [(confidence.probability(model, row.features), row.right) for row in held]
    return predicted


def thresholds(predicted: Sequence[tuple[float, bool]]) -> tuple[float | None, float | None]:
    """(likely from, wrong below), each None where no threshold keeps its promise on answers that were held out."""
    likely = wrong = None
    for limit in sorted({chance for chance, _ in predicted}, reverse=True):
        above = [right for chance, right in predicted if chance >= limit]
        if len(above) >= LEAST and sum(above) / len(above) >= PRECISION:
            likely = limit
    for limit in sorted({chance for chance, _ in predicted}):
        below = [right for chance, right in predicted if chance < limit]
        if len(below) >= LEAST and 1 - sum(below) / len(below) >= WRONG_PRECISION:
            wrong = limit
    if likely is not None and wrong is not None and wrong > likely:
        wrong = likely
    return (None if likely is None else round(likely, 5)), (None if wrong is None else round(wrong, 5))


def measures(predicted: Sequence[tuple[float, bool]], likely: float | None, wrong: float | None) -> dict[str, Any]:
    """n, right, expected calibration error, AUROC, and what the labels would have been worth."""
    total = len(predicted)
    named = [right for chance, right in predicted if likely is not None and chance >= likely]
    doubted = [right for chance, right in predicted if wrong is not None and chance < wrong]
    missed = sum(not right for _, right in predicted)
    return {
        "n": total,
        "right": sum(right for _, right in predicted),
        "expected_calibration_error": round(calibration_error(predicted), 4),
        "auroc": round(auroc(predicted), 4),
        "likely_share": round(len(named) / total, 4),
        "likely_precision": round(sum(named) / len(named), 4) if named else None,
        "wrong_recall": round(sum(not right for right in doubted) / missed, 4) if missed else None,
        "wrong_precision": round(1 - sum(doubted) / len(doubted), 4) if doubted else None,
    }


def calibration_error(predicted: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error over BINS bins of equal width (arXiv:1706.04599)."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for chance, right in predicted:
        bins.setdefault(min(BINS - 1, int(chance * BINS)), []).append((chance, right))
    gaps = (abs(sum(chance - right for chance, right in some)) for some in bins.values())
    return sum(gaps) / len(predicted) if predicted else 0.0


def auroc(predicted: Sequence[tuple[float, bool]]) -> float:
    """The chance that a right answer has a higher probability than a wrong one; 0.5 where there are not both."""
    good = [chance for chance, right in predicted if right]
    bad = [chance for chance, right in predicted if not right]
    if not good or not bad:
        return 0.5
    won = sum((g > b) + 0.5 * (g == b) for g in good for b in bad)
    return won / (len(good) * len(bad))
