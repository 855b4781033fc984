"""Results by kind of task: right answers, misses by cause, what the labels are worth, seconds and tokens. Pure.

`everyday` reports with it; shares are fractions from 0 to 1 in the JSON and per cent in the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nbcopilot.evaluation import metrics
from nbcopilot.evaluation.tasks import Result


def by_kind(results: Sequence[Result]) -> dict[str, Any]:
    """Kind of task -> its figures. Excluded questions count nowhere."""
    kinds: dict[str, list[Result]] = {}
    for result in results:
        if not result.excluded:
            kinds.setdefault(str(result.detail.get("task", "")), []).append(result)
    return {kind: _figures(found) for kind, found in kinds.items()}


def _figures(results: Sequence[Result]) -> dict[str, Any]:
    """n, right, score, misses by the judge's cause, labels, seconds (also to the first shown answer), tokens."""
    found: dict[str, Any] = {
        "n": len(results),
        "right": sum(r.ok for r in results),
        "pass_at_1": round(metrics.mean([float(r.ok) for r in results]), 4),
        "score": round(metrics.mean([r.score for r in results]), 4),
        "misses": dict(Counter(str(r.detail.get("kind") or "wrong") for r in results if not r.ok).most_common()),
        "accepted_wrong": sum(not r.ok and r.accepted is True for r in results),
        "seconds": spread([r.seconds for r in results]),
        "tokens_per_request": round(metrics.mean([float(r.completion_tokens) for r in results]), 1),
        "not_shown": sum(r.shown_seconds is None for r in results),
    }
    shown = [r.shown_seconds for r in results if r.shown_seconds is not None]
    if shown:
        found["shown_seconds"] = spread(shown)
    said = labels(results)
    if said:
        found["labels"] = said
    for key in ("facts", "keepable", "valid", "restatement_share"):
        values = [float(r.detail[key]) for r in results if key in r.detail]
        if values:
            found[key] = round(metrics.mean(values), 4)
    false = [len(r.detail["false"]) for r in results if isinstance(r.detail.get("false"), list)]
    if false:
        found["false_statements"] = sum(false)
    return found


def labels(results: Sequence[Result]) -> dict[str, Any]:
    """Label -> how many answers got it, their share of all, and how many of them are right."""
    named = sorted({r.label for r in results if r.label})
    found = {}
    for label in named:
        mine = [r for r in results if r.label == label]
        right = sum(r.ok for r in mine)
        found[label] = {
            "n": len(mine),
            "share": round(len(mine) / len(results), 4),
            "right": right,
            "precision": round(right / len(mine), 4),
        }
    return found


def spread(values: Sequence[float]) -> dict[str, float]:
    """{"median", "p95", "max"}; percentiles by the nearest rank."""
    ranked = sorted(values)
    return {
        "median": round(ranked[(len(ranked) - 1) // 2], 2),
        "p95": round(ranked[max(0, -(-95 * len(ranked) // 100) - 1)], 2),
        "max": round(ranked[-1], 2),
    }


def table(modes: Mapping[str, Mapping[str, Any]]) -> str:
    """A line for each mode and kind of task: mode -> kind -> figures."""
    lines = [
        "| mode | kind | right | score | misses | wrong, accepted | first shown s, median / p95 | seconds, median / p95 | tokens |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for mode, kinds in modes.items():
        for kind, row in kinds.items():
            misses = ", ".join(f"{cause} {count}" for cause, count in row["misses"].items())
            shown = _pair(row["shown_seconds"]) if "shown_seconds" in row else ""
            lines.append(
                f"| {mode} | {kind} | {row['right']} of {row['n']} | {100 * row['score']:.0f} | {misses} "
                f"| {row['accepted_wrong']} | {shown} | {_pair(row['seconds'])} | {row['tokens_per_request']:.0f} |"
            )
            for label, said in row.get("labels", {}).items():
                lines.append(
                    f"| | {label} | {said['right']} of {said['n']} | {100 * said['precision']:.0f} "
                    f"| {100 * said['share']:.0f} % of the answers | | | | |"
                )
    return "\n".join(lines)


def _pair(values: Mapping[str, float]) -> str:
    return f"{values['median']:.1f} / {values['p95']:.1f}"
