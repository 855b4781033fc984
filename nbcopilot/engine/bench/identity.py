"""Whether drafts, kept prefixes and company leave every answer as it is: token by token, score by score.

Each setting answers the same prompts as plain decoding does: one request at a time, nothing guessed, nothing kept.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from nbcopilot.engine.bench import prompts
from nbcopilot.engine.bench.prompts import Notes
from nbcopilot.engine.local import LocalEngine
from nbcopilot.inference import Prompt, Sampling

Answer = tuple[tuple[str, float], ...]
Open = Callable[["Setting"], LocalEngine]


@dataclass(frozen=True)
class Setting:
    """How the prompts are answered: `together` all at once beside sampled strangers, `twice` with the first run kept."""

    name: str
    draft: bool = False
    cache_mb: int = 0
    threads: int = 2
    together: bool = False
    twice: bool = False


PLAIN = Setting("plain")
SETTINGS = (
    Setting("drafts", draft=True),
    Setting("kept prefixes", cache_mb=256, twice=True),
    Setting("batched", together=True),
    Setting("another number of threads", threads=1),
    Setting("all at once", draft=True, cache_mb=256, together=True, twice=True),
)


def fifty(notes: Notes, count: int = 50) -> list[Prompt]:
    """Prompts of all kinds: questions about a part of the notebook, answers that copy it, free text, gaps in code."""
    found = []
    for number in range(count):
        size = 1 + number * 7 % len(notes.cells)
        part = Notes(notes.cells[:size], mark=f"Notebook {number % 4}")
        kinds = [
            Prompt(text=part.ask(prompts.SUMMARY)),
            Prompt(text=part.ask(prompts.EXPLAIN.format(number=size))),
            Prompt(text=prompts.grounded(part)[number % 3]),
            Prompt(text=prompts.FREE.format(mark=number)),
            _gap(part.cells[-1], number),
        ]
        found.append(kinds[number % len(kinds)])
    return found


def _gap(cell: str, number: int) -> Prompt:
    at = 1 + (len(cell) * (3 + number % 4)) // 10
    return Prompt(text=cell[:at], suffix=cell[at + len(cell) // 5 :])


def compare(
    open: Open, asked: Sequence[Prompt], max_tokens: int, settings: Sequence[Setting] = SETTINGS
) -> dict[str, dict[str, Any]]:
    """For each setting, how many answers are those of plain decoding: their tokens, and bit for bit their scores."""
    wanted = _answered(open, PLAIN, asked, max_tokens)
    report: dict[str, dict[str, Any]] = {}
    for setting in settings:
        got = _answered(open, setting, asked, max_tokens)
        same = [_texts(a) == _texts(b) for a, b in zip(wanted, got, strict=True)]
        exact = sum(a == b for a, b in zip(wanted, got, strict=True))
        report[setting.name] = {
            "answers": len(asked),
            "same_tokens": sum(same),
            "same_scores": exact,
            "tokens": sum(map(len, wanted)),
            "different": [number for number, is_same in enumerate(same) if not is_same],
        }
    return report


def _answered(open: Open, setting: Setting, asked: Sequence[Prompt], max_tokens: int) -> list[Answer]:
    with closing(open(setting)) as engine:
        found: list[Answer] = []
        for _ in range(2 if setting.twice else 1):
            found = (
                _together(engine, asked, max_tokens)
                if setting.together
                else [_one(engine, prompt, max_tokens) for prompt in asked]
            )
        return found


def _one(engine: LocalEngine, prompt: Prompt, max_tokens: int) -> Answer:
    chunks = engine.generate(prompt, Sampling(max_tokens=max_tokens, logprobs=0))
    return tuple((score.text, score.logprob) for chunk in chunks for score in chunk.scores)


def _together(engine: LocalEngine, asked: Sequence[Prompt], max_tokens: int) -> list[Answer]:
    """All at once in an order of chance, while strangers come and go."""
    order = list(range(len(asked)))
    random.Random(len(asked)).shuffle(order)
    stranger = Sampling(temperature=1.0, seed=1, max_tokens=2 * max_tokens)
    beside = engine.generate(asked[order[0]], stranger, candidates=3)
    next(beside)
    found: dict[int, list[tuple[str, float]]] = {number: [] for number in order}
    sampling = Sampling(max_tokens=max_tokens, logprobs=0)
    for count, (at, chunk) in enumerate(engine.generate_batch([asked[number] for number in order], sampling)):
        found[order[at]] += [(score.text, score.logprob) for score in chunk.scores]
        if count == len(asked):
            beside.close()
    return [tuple(found[number]) for number in range(len(asked))]


def _texts(answer: Answer) -> list[str]:
    return [text for text, _ in answer]
