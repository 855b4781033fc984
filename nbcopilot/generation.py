"""Asks the engine: all batches of a round together, their tokens as they come, then the finished answers."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

from nbcopilot.engine.protocol import Engine
from nbcopilot.events import Token
from nbcopilot.sampling_plan import SampleBatch, is_looping
from nbcopilot.types import Chunk, Completion, Usage

Answers = list[tuple[SampleBatch, Completion]]


def generate(
    engine: Engine, batches: Sequence[SampleBatch], attempt: int, answers: Answers
) -> Generator[Token, None, None]:
    """The tokens of all batches; fills `answers` with theirs, numbered in one row. The engine decodes them together.

    Closing the generator cancels at the next token. Raises EngineError.
    """
    owners = [batch for batch in batches for _ in range(batch.count)]
    total = len(owners)
    texts = [""] * total
    done: dict[int, Completion] = {}
    with ExitStack() as stack:
        streams = []
        for batch in batches:
            stream = _as_generator(engine.generate(batch.prompt, batch.sampling, candidates=batch.count))
            stack.enter_context(closing(stream))
            # The first chunk is waited for here, so that every request is under way before any is read to its end.
            streams.append(itertools.chain([first] if (first := next(stream, None)) else [], stream))
        start = 0
        for batch, chunks in zip(batches, streams, strict=True):
            for chunk in chunks:
                index = start + chunk.index
                texts[index] += chunk.text
                if chunk.text:
                    yield Token(chunk.text, index, attempt)
                    if total == 1 and is_looping(texts[0]):
                        answers.append((batch, Completion(texts[0], 0, "length", chunk.usage or Usage())))
                        return
                if chunk.finish:
                    done[index] = Completion(texts[index], index, chunk.finish, chunk.usage or Usage())
            start += batch.count
    answers += [(owners[i], done.get(i) or Completion(texts[i], i, "cancelled")) for i in range(total)]


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
