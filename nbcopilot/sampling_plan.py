"""How many answers are asked for, in which words and at which temperature: the batches of each round of a request.

Decides nothing about answers and asks for none: `judge` decides, `generation` asks, `repair` says when.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nbcopilot.checks import next_cell
from nbcopilot.examples import functions_of
from nbcopilot.inference import Prompt, Sampling
from nbcopilot.prompts.render import render, render_plainly
from nbcopilot.types import Context, Judged, Notebook, Task

# Temperature of answers that are to differ from the greedy one.
SPREAD = 0.8
# How many times as many are sampled in the second round (what four answers did not hit is hard), and about how many
# tokens these may take together.
MORE = 4
ROUND_TOKENS = 1536
# Tokens of an answer up to which others are drawn beside it to see whether they agree: a few lines, done in a second.
SHORT_TOKENS = 64
# Tokens that another answer may have beyond twice those of the first.
ROOM_TOKENS = 32

# Of code, at least.
CHARACTERS_A_TOKEN = 2
# Openings that are tried side by side where the links are uncertain.
MAX_OPENINGS = 2

# Characters of mere repetition after which an answer is cut: a ruler of dashes or a row of zeros is shorter.
LOOP = 200


@dataclass(frozen=True)
class SampleBatch:
    """`count` answers to one prompt."""

    prompt: Prompt
    sampling: Sampling
    count: int


def sample_batches(context: Context, task: Task, failed: Judged | None, attempt: int, length: int) -> list[SampleBatch]:
    """What is asked of the engine in this attempt; `length` are the tokens that an answer has had so far.

    First the candidates: a greedy one and the others spread, so that there is something to choose from. Then repairs:
    one answer to what the checks found, and beside it new answers, some of them to the request in the user's own words.
    A small model seldom mends what it wrote but often does it right the second time or when asked in another way
    (docs/measuring.md), and four rows take hardly longer than one.
    """
    if failed is None:
        ways = openings(context)
        first = SampleBatch(render(context, opening=ways[0]), task.sampling, task.candidates)
        if task.candidates == 1 or task.sampling.temperature > 0 or task.sampling.beams > 1:
            others = ways[1:] if task.check and task.sampling.beams == 1 else []
            return [first, *(SampleBatch(render(context, opening=way), task.sampling, 1) for way in others)]
        return [replace(first, count=1), SampleBatch(first.prompt, _spread(task.sampling, 0), task.candidates - 1)]
    repair = SampleBatch(render(context, failed=[failed]), task.sampling, 1)
    if not task.retry_samples or task.kind not in ("generate", "fix"):
        return [repair]
    more = min(task.retry_samples * MORE, ROUND_TOKENS // max(1, length)) if attempt > 1 else 0
    count = max(task.retry_samples, more)
    plain = -(-count // 3) if task.kind == "generate" and not task.think else 0
    spread = _spread(task.sampling, attempt)
    batches = [
        repair,
        SampleBatch(render_plainly(context), task.sampling if plain == 1 else spread, plain),
        SampleBatch(render(context, opening=openings(context)[0]), spread, count - plain),
    ]
    return [batch for batch in batches if batch.count]


def openings(context: Context) -> list[str]:
    """Ways to begin the answer, likeliest first; [""] where the request is linked to nothing."""
    return list(context.grounding.openings[:MAX_OPENINGS]) or [""]


def _spread(sampling: Sampling, attempt: int) -> Sampling:
    """`sampling` as it is when it draws at random, else at a temperature; every attempt has a seed of its own."""
    seed = None if sampling.seed is None else sampling.seed + attempt
    if sampling.temperature > 0:
        return replace(sampling, seed=seed)
    return replace(sampling, temperature=SPREAD, top_p=0.95, beams=1, seed=seed)


def consensus_batches(
    context: Context, task: Task, notebook: Notebook, judged: Sequence[Judged], length: int
) -> list[SampleBatch]:
    """More answers to a short request for a next cell that nothing in it proves, so that the choice is by agreement.

    A wrong cell that runs shows nothing of it; of several answers the value that most of them give is right more often
    than the greedy one (self-consistency, arXiv:2203.11171, held against what runs show, arXiv:2204.11454). [] where
    an example proves the answer, where nothing ran or a function is made (its runs show no value), for long answers, and
    where the settings draw several anyway.
    length: tokens of an answer so far.
    """
    wanted = task.consensus_samples - (len(judged) - 1)
    plainly = task.candidates == 1 and task.sampling.temperature == 0 and task.sampling.beams == 1
    if (
        wanted <= 0
        or not task.check
        or not plainly
        or length > SHORT_TOKENS
        or not next_cell.is_next_cell(task, notebook)
    ):
        return []
    good = [(candidate, verdict) for candidate, verdict in judged if verdict.ok]
    shown = all(v.checks.get("run") == "passed" and v.evidence.examples is None for _, v in good)
    if not good or not shown or any(functions_of(candidate.text) for candidate, _ in good):
        return []
    # One that rambles would be waited for, and it agrees with nobody.
    sampling = replace(_spread(task.sampling, 0), max_tokens=min(task.sampling.max_tokens, 2 * length + ROOM_TOKENS))
    # Some begin as the links say, the others as the model likes: where both lead to the same value it is likelier right.
    ways = list(dict.fromkeys([openings(context)[0], ""]))
    shares = [wanted // len(ways)] * len(ways)
    shares[0] += wanted - sum(shares)
    # What begins with nothing has to write those lines itself.
    more = min(task.sampling.max_tokens, sampling.max_tokens + len(ways[0]) // CHARACTERS_A_TOKEN)
    longer = replace(sampling, max_tokens=more)
    batches = [
        SampleBatch(render(context, opening=way), sampling if way else longer, share)
        for way, share in zip(ways, shares, strict=True)
    ]
    return [batch for batch in batches if batch.count]


def is_looping(text: str) -> bool:
    """True when the end of `text` repeats itself over LOOP characters: a small model has lost its way."""
    if len(text) < LOOP:
        return False
    tail = text[-2 * LOOP :]
    if any(tail.endswith(tail[-unit:] * max(6, -(-LOOP // unit))) for unit in range(1, LOOP // 3)):
        return True
    # "# Test case 17: ...", then 18, 19: the same lines but for a number, eight times over.
    lines = [re.sub(r"\d+", "0", line) for line in text[-12 * LOOP :].split("\n")[1:-1]]
    return any(
        lines[-8 * size :] == lines[-size:] * 8 and len("".join(lines[-8 * size :])) > 2 * LOOP for size in range(1, 6)
    )
