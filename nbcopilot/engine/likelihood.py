"""Which of several texts would the model rather have written: a choice where runs cannot tell.

Natural code is likelier than what passes by accident (doi:10.1145/2884781.2884848). Asks for no answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import EngineError
from nbcopilot.inference import Prompt, Sampling
from nbcopilot.types import Candidate

# Texts that are read, of those in their given order: each costs the prefill of a cell.
MAX_TEXTS = 16


def likeliest(engine: Engine, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates, the likeliest by the model first; in the given order where the engine cannot tell."""
    some = list(candidates[:MAX_TEXTS])
    found = likelihoods(engine, [candidate.text for candidate in some]) if len(some) > 1 else None
    if found is None:
        return list(candidates)
    order = sorted(range(len(some)), key=lambda i: -found[i])
    return [some[i] for i in order] + list(candidates[MAX_TEXTS:])


def likelihoods(engine: Engine, texts: Sequence[str]) -> list[float] | None:
    """The mean log-probability (natural) of a token of each text as a file; None when the engine gives none.

    The mean and not the sum, by which the shortest text would win.
    """
    if not engine.describe().detail.get("echo"):
        return None
    scores: dict[int, list[float]] = defaultdict(list)
    prompts = [Prompt(text=f"\n{text}\n", answer="text") for text in texts]
    try:
        for at, chunk in engine.generate_batch(prompts, Sampling(max_tokens=1, logprobs=0, echo=True)):
            scores[at] += [score.logprob for score in chunk.scores]
    except EngineError:
        return None
    # The first token is foretold by nothing, the last one was generated.
    return [sum(scores[at][1:-1]) / max(1, len(scores[at]) - 2) for at in range(len(texts))]
