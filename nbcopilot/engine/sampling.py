"""From logits to the next token of one row. Every candidate has its own random generator.

So an answer depends on its prompt, its settings and its seed, never on what was generated beside it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np

from nbcopilot.engine.model import Array
from nbcopilot.inference import Sampling


class Sampler:
    """Picks tokens for one candidate; candidate `index` of a seed has a stream of its own."""

    def __init__(self, sampling: Sampling, index: int = 0) -> None:
        self._sampling = sampling
        seed = secrets.randbits(62) if sampling.seed is None else sampling.seed
        self._random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, index])))

    def pick(self, logits: Array, seen: Sequence[int]) -> int:
        """The next token id. logits: (vocab,) float32; seen: ids of prompt and answer so far.

        Temperature 0 is argmax (the lowest id wins a tie). Exactly one random number is drawn per sampled token.
        """
        sampling = self._sampling
        if sampling.repetition_penalty != 1.0:
            logits = penalized(logits, seen, sampling.repetition_penalty)
        if sampling.temperature <= 0:
            return int(logits.argmax())
        probabilities, ids = kept(logits / np.float32(sampling.temperature), sampling)
        cumulative = probabilities.cumsum()
        place = int(cumulative.searchsorted(self._random.random() * cumulative[-1], side="right"))
        return int(ids[min(place, len(ids) - 1)])


def penalized(logits: Array, seen: Sequence[int], penalty: float) -> Array:
    """Logits with those of `seen` tokens divided (or multiplied, when negative) by `penalty` (arXiv:1909.05858)."""
    ids = np.unique(np.asarray(seen, dtype=np.int64))
    logits = logits.copy()
    values = logits[ids]
    logits[ids] = np.where(values > 0, values / penalty, values * penalty)
    return logits


def kept(logits: Array, sampling: Sampling) -> tuple[Array, Array]:
    """(probabilities, ids) that top-k, then top-p, then min-p leave, likeliest first; at least one."""
    if 0 < sampling.top_k < len(logits):
        ids = np.argpartition(-logits, sampling.top_k - 1)[: sampling.top_k]
        ids = ids[np.lexsort((ids, -logits[ids]))]
    else:
        ids = np.argsort(-logits, kind="stable")
    shifted = (logits[ids] - logits[ids[0]]).astype(np.float64)
    probabilities = np.exp(shifted)
    probabilities /= probabilities.sum()
    keep = np.ones(len(ids), dtype=bool)
    if sampling.top_p < 1:
        # A token stays when those before it do not reach top_p yet (Holtzman et al., arXiv:1904.09751).
        keep &= probabilities.cumsum() - probabilities < sampling.top_p
    if sampling.min_p > 0:
        keep &= probabilities >= sampling.min_p * probabilities[0]
    keep[0] = True
    return probabilities[keep], ids[keep]


def log_softmax(logits: Array) -> Array:
    """Natural-log probabilities along the last axis, in float64."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=-1, keepdims=True)
    wide -= np.log(np.exp(wide).sum(axis=-1, keepdims=True))
    return wide
