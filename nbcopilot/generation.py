"""Asks the engine: all batches of a round together, their tokens as they come, then the finished answers."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

from nbcopilot.deadline import ROWS_AT_HALF_SPEED, Deadline
from nbcopilot.engine.protocol import Engine
from nbcopilot.events import Token
from nbcopilot.inference import Chunk, Completion, Usage
from nbcopilot.sampling_plan import SampleBatch, is_looping

Answers = list[tuple[SampleBatch, Completion]]


def generate(
    engine: Engine,
    batches: Sequence[SampleBatch],
    attempt: int,
    answers: Answers,
    deadline: Deadline | None = None,
    *,
    needed: bool = False,
) -> Generator[Token, None, None]:
    """The tokens of all batches; fills `answers` with theirs, numbered in one row. The engine decodes them together.

    Closing the generator cancels at the next token. So does the deadline: answers that have no end then are
    "cancelled", and `usable` tells which may be used. needed: there is no answer yet, so the first one gets time to be
    written however long its prompt took to be read. Raises EngineError.
    """
    deadline = deadline or Deadline()
    owners = [batch for batch in batches for _ in range(batch.count)]
    total = len(owners)
    texts = [""] * total
    done: dict[int, Completion] = {}
    begun: float | None = None
    scores: list[list[float]] = [[] for _ in owners]
    scored = bool(engine.describe().detail.get("logprobs")) and not any(b.sampling.beams > 1 for b in batches)
    started = deadline.clock()
    with ExitStack() as stack:
        streams = []
        for batch in batches:
            sampling = replace(batch.sampling, logprobs=0) if scored else batch.sampling
            stream = _as_generator(engine.generate(batch.prompt, sampling, candidates=batch.count))
            stack.enter_context(closing(stream))
            # The first chunk is waited for here, so that every request is under way before any is read to its end.
            streams.append(itertools.chain([first] if (first := next(stream, None)) else [], stream))
        start = 0
        for batch, chunks in zip(batches, streams, strict=True):
            for chunk in chunks:
                index = start + chunk.index
                texts[index] += chunk.text
                scores[index] += [score.logprob for score in chunk.scores]
                if chunk.text:
                    yield Token(chunk.text, index, attempt)
                if chunk.finish:
                    done[index] = Completion(texts[index], index, chunk.finish, chunk.usage or Usage())
                elif total == 1 and is_looping(texts[0]):
                    done[0] = Completion(texts[0], 0, "length", chunk.usage or Usage())
                    break
                begun = deadline.spent() if begun is None else begun
                if (deadline.left_to_write(begun) if needed and not done else deadline.left_to_generate()) <= 0:
                    break
            start += batch.count
    seconds = deadline.clock() - started
    for i, (batch, text) in enumerate(zip(owners, texts, strict=True)):
        spent = Usage(completion_tokens=engine.count(text) if text and i not in done else 0, seconds=seconds)
        answer = done.get(i) or Completion(text, i, "cancelled", spent)
        answers.append((batch, replace(answer, logprobs=tuple(scores[i]))))


def usable(answers: Answers) -> Answers:
    """The answers that came to an end; what there is of the longest where none did."""
    ended = [(batch, completion) for batch, completion in answers if completion.finish != "cancelled"]
    return ended or sorted(answers, key=lambda answer: -len(answer[1].text))[:1]


def _as_generator(chunks: Iterator[Chunk]) -> Generator[Chunk, None, None]:
    yield from chunks


def add_usage(total: Usage, answers: Sequence[tuple[SampleBatch, Completion]]) -> Usage:
    """The total with these answers; a prompt that was read once for several answers counts once."""
    asked: list[SampleBatch] = []
    for batch, done in answers:
        first = not any(batch is other for other in asked)
        asked.append(batch)
        total = replace(
            total,
            prompt_tokens=total.prompt_tokens + (done.usage.prompt_tokens if first else 0),
            completion_tokens=total.completion_tokens + done.usage.completion_tokens,
            cached_tokens=total.cached_tokens + (done.usage.cached_tokens if first else 0),
            first_token_seconds=total.first_token_seconds or done.usage.first_token_seconds,
        )
    return replace(total, seconds=total.seconds + max((done.usage.seconds for _, done in answers), default=0.0))


def alone_speed(usages: Sequence[Usage]) -> float:
    """Tokens a second of one answer without others beside it, from answers that were decoded together; 0: not known."""
    longest = max(usages, key=lambda usage: usage.completion_tokens, default=Usage())
    seconds = longest.seconds - longest.first_token_seconds
    if seconds <= 0:
        return 0.0
    return longest.completion_tokens / seconds * (1 + (len(usages) - 1) / ROWS_AT_HALF_SPEED)
