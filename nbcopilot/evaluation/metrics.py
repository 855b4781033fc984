"""Numbers from results: pass@k, bootstrap confidence intervals, paired differences. Pure; reads no files."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import comb

RESAMPLES = 4000


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; 0 for no values."""
    return sum(values) / len(values) if values else 0.0


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Chance that at least one of `k` samples is right, given `correct` right ones among `samples`.

    Unbiased estimator of Chen et al. 2021, arXiv:2107.03374. Needs 0 <= correct <= samples and 1 <= k <= samples.
    """
    if not (0 <= correct <= samples and 1 <= k <= samples):
        raise ValueError(f"pass@{k} of {correct} right among {samples}")
    return 1.0 - comb(samples - correct, k) / comb(samples, k)


def interval(values: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean; the same values and seed give the same interval."""
    if not values:
        return (0.0, 0.0)
    draw = random.Random(seed)
    means = sorted(mean(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return (means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1])


def paired_interval(ours: Sequence[float], theirs: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of the mean difference on the same questions (`ours` minus `theirs`)."""
    return interval([a - b for a, b in zip(ours, theirs, strict=True)], seed=seed)
