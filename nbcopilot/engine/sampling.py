"""From logits to the next token of one row. Every candidate has its own random generator.

So an answer depends on its prompt, its settings and its seed, never on what was generated beside it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import torch
from torch import Tensor

from nbcopilot.types import Sampling

# Candidate i of seed s draws from generator s + i * this: an odd constant, so seeds and indices do not collide.
_STRIDE = 0x9E3779B97F4A7C15


class Sampler:
    """Picks tokens for one candidate."""

    def __init__(self, sampling: Sampling, index: int = 0) -> None:
        self._sampling = sampling
        self.is_plain = sampling.temperature <= 0 and sampling.repetition_penalty == 1.0
        seed = secrets.randbits(62) if sampling.seed is None else sampling.seed
        self._generator = torch.Generator().manual_seed((seed + index * _STRIDE) % 2**63)

    def pick(self, logits: Tensor, seen: Sequence[int]) -> int:
        """The next token id. logits: (vocab,) float32 on the CPU; seen: ids of prompt and answer so far.

        Temperature 0 is argmax (the lowest id wins a tie). Exactly one random number is drawn per sampled token.
        """
        sampling = self._sampling
        if sampling.repetition_penalty != 1.0:
            logits = penalized(logits, seen, sampling.repetition_penalty)
        if sampling.temperature <= 0:
            return int(logits.argmax())
        probabilities, ids = kept(logits / sampling.temperature, sampling)
        point = torch.rand((), generator=self._generator, dtype=torch.float64)
        cumulative = probabilities.double().cumsum(0)
        place = int(torch.searchsorted(cumulative, point * cumulative[-1], right=True))
        return int(ids[min(place, len(ids) - 1)])


def penalized(logits: Tensor, seen: Sequence[int], penalty: float) -> Tensor:
    """Logits with those of `seen` tokens divided (or multiplied, when negative) by `penalty` (arXiv:1909.05858)."""
    ids = torch.tensor(sorted(set(seen)), dtype=torch.int64)
    logits = logits.clone()
    values = logits[ids]
    logits[ids] = torch.where(values > 0, values / penalty, values * penalty)
    return logits


def kept(logits: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """(probabilities, ids) that top-k, then top-p, then min-p leave, likeliest first; at least one."""
    if sampling.top_k > 0:
        logits, ids = logits.topk(min(sampling.top_k, len(logits)))
    else:
        logits, ids = logits.sort(descending=True, stable=True)
    probabilities = logits.softmax(0)
    keep = torch.ones(len(ids), dtype=torch.bool)
    if sampling.top_p < 1:
        # A token stays when those before it do not reach top_p yet (Holtzman et al., arXiv:1904.09751).
        keep &= probabilities.cumsum(0) - probabilities < sampling.top_p
    if sampling.min_p > 0:
        keep &= probabilities >= sampling.min_p * probabilities[0]
    keep[0] = True
    return probabilities[keep], ids[keep]
