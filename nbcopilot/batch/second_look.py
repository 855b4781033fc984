"""Does the model stand by a sentence when it is asked again? One token, yes or no, by its probability.

A small model writes false sentences that it does not believe when it reads them beside the code and the output.
An engine that gives no probabilities keeps every sentence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from nbcopilot.batch.asking import Asker
from nbcopilot.inference import Prompt, TokenScore

# Alternatives of the first token among which "yes" and "no" are looked for.
ALTERNATIVES = 12
# A sentence goes where "no" is likelier than "yes". Not fitted to anything.
THRESHOLD = 0.5


def agreed(asker: Asker, prompts: Sequence[Prompt]) -> list[bool]:
    """For each prompt, which asks a question of yes or no, whether the model says yes."""
    if not asker.engine.describe().detail.get("logprobs"):
        return [True] * len(prompts)
    return [
        (chance := yes(scores)) is None or chance >= THRESHOLD for scores in asker.first_tokens(prompts, ALTERNATIVES)
    ]


def yes(scores: Sequence[TokenScore]) -> float | None:
    """The probability of "yes" against "no" at the first token; None where neither is among its alternatives."""
    weights = {"yes": 0.0, "no": 0.0}
    for text, logprob in scores[0].top if scores else ():
        word = text.strip().lower()
        if word in weights:
            weights[word] += math.exp(logprob)
    total = sum(weights.values())
    return weights["yes"] / total if total else None
