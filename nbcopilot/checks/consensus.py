"""The choice among several candidates: what the checks accept first, then what most others agree with.

Agreement is by execution (MBR-exec, arXiv:2204.11454; CodeT, arXiv:2207.10397): two candidates agree when their
runs show the same values. Candidates that raise or were not run agree with nobody.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from nbcopilot.execution import RunReport
from nbcopilot.types import Judged
from nbcopilot.verdict import Verdict

# What the agreement on a value is worth for each doubt about it.
DOUBTED = 0.5


def behaviour(report: RunReport) -> str:
    """A hash of what a run shows to the outside: its result, the values it changes, its examples' values.

    What it makes counts where it shows nothing: `total = f(x)` is as good as `total = f(x)` and `total` below it, and
    helpers on the way to a result are nobody's concern. "" for a run that failed or whose result cannot be compared.
    """
    shows = [report.result] if report.result is not None else [*report.created.values()]
    changes = [*report.changed.values()]
    lost = not all(shown.digest for shown in (*shows, *changes))
    if not report.ok or (lost and (report.result is not None or not report.outcomes)):
        return ""
    parts = [*sorted(shown.digest for shown in shows), "", *sorted(shown.digest for shown in changes)]
    parts += [*(outcome.digest or str(outcome.ok) for outcome in report.outcomes), str(report.plots)]
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]


def agree(reports: Sequence[RunReport | None]) -> tuple[float, ...]:
    """For each report the share of all reports that behave the same, 0 for those that failed or are missing."""
    keys = [behaviour(report) if report is not None else "" for report in reports]
    counts = Counter(key for key in keys if key)
    return tuple(counts[key] / len(keys) if key else 0.0 for key in keys)


def agree_on(outcomes: Sequence[Sequence[str]]) -> tuple[float, ...]:
    """For each version the mean share of inputs on which it gives what another one gives; 0 for one that gave nothing.

    outcomes: for each version one text per input, as `vote.outcomes` has them. Inputs that all versions refuse with
    an error say nothing and do not count.
    """
    telling = [i for i in range(max(map(len, outcomes), default=0)) if any(not _refused(o, i) for o in outcomes)]

    def share(one: Sequence[str], other: Sequence[str]) -> float:
        if not one or not other or not telling:
            return 0.0
        return sum(one[i] == other[i] for i in telling) / len(telling)

    others = max(1, len(outcomes) - 1)
    return tuple(
        sum(share(one, other) for j, other in enumerate(outcomes) if j != i) / others for i, one in enumerate(outcomes)
    )


def _refused(outcome: Sequence[str], place: int) -> bool:
    return place >= len(outcome) or outcome[place].startswith("raise ")


def best(
    judged: Sequence[Judged], reports: Mapping[str, RunReport], votes: Mapping[str, float] | None = None
) -> Judged:
    """The candidate to show: accepted and run before accepted, fewer problems, more agreement, then the earliest.

    A doubt halves the agreement. One that was cut before its end comes after those that were not.

    reports and votes (agreement on generated inputs): by the candidate's text, where there is one.
    """
    # An answer that was cut is nobody's opinion: several that end at the same place agree by chance.
    shares = agree([reports.get(candidate.text) if candidate.complete else None for candidate, _ in judged])
    voted = [(votes or {}).get(candidate.text, 0.0) for candidate, _ in judged]

    def key(i: int) -> tuple[float, ...]:
        *steps, doubts = rank(judged[i][1])
        return (*steps, not judged[i][0].complete, -voted[i], -shares[i] * DOUBTED**doubts, doubts, i)

    return judged[min(range(len(judged)), key=key)]


def tied(judged: Sequence[Judged]) -> list[Judged]:
    """The candidates that the checks find equally good, best ones only; texts that are the same count once."""
    ranks = [rank(verdict) for _, verdict in judged]
    top = min(ranks)
    return list({c.text: (c, v) for (c, v), place in zip(judged, ranks, strict=True) if place == top}.values())


def rank(verdict: Verdict) -> tuple[float, ...]:
    """A sort key, best first: how far the candidate got, then how much of what was promised holds."""
    checks = verdict.checks
    steps = ("syntax", "policy", "names", "imports")
    broken = next((len(steps) - i for i, step in enumerate(steps) if checks.get(step) == "failed"), 0)
    run = {"passed": 0, "not-run": 1, "failed": 2}.get(str(checks.get("run", "not-run")), 1)
    held, of = verdict.evidence.examples or (0, 0)
    missed = 1 - held / of if of else 0.0
    empty = 0 if checks else 1
    spoilt = len(verdict.evidence.deletes)
    return (not verdict.ok, empty, broken, run, missed, len(verdict.errors), spoilt, verdict.doubts)
