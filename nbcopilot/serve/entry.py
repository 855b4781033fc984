"""One request from its arrival until the engine has let go of it: who, what page, what it took. No text of it.

`CallerEngine` is the engine as one request sees it: it puts the caller's mark on prompts, so that the engine keeps
what it remembers apart by caller, and counts tokens, also those of an answer that was broken off.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from starlette.types import Scope

from nbcopilot.engine.protocol import Engine
from nbcopilot.inference import Chunk, ModelInfo, Prompt, Sampling, Usage
from nbcopilot.serve.callers import NOBODY, Caller
from nbcopilot.serve.job import Job

_NAME = "nbcopilot.entry"


@dataclass(eq=False)
class Entry:
    """What is known of one request. Seconds count from its arrival; None: that never came.

    `left`: tokens of the day that the caller still has (None: no limit). `usages`: one for each finished answer.
    """

    page: str
    caller: Caller = NOBODY
    status: int = 0
    model: str = ""
    finish: str = ""
    left: int | None = None
    is_seated: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    queue_seconds: float | None = None
    first_token_seconds: float | None = None
    usages: list[Usage] = field(default_factory=list)
    job: Job[Any] | None = None
    arrived: float = field(default_factory=time.monotonic)

    def engine(self, engine: Engine, info: ModelInfo) -> CallerEngine:
        """`engine` for this request, whose turn it is now."""
        self.model, self.queue_seconds = info.id, self.seconds
        return CallerEngine(engine, self)

    def name(self, given: str) -> str:
        """The client `given` by a request, which no other caller can take for its own."""
        return f"{self.caller.id}/{given}"

    def turn(self, given: str) -> str:
        """Who takes turns with others: a caller is one, however many clients it names."""
        return self.caller.id or given

    @property
    def seconds(self) -> float:
        """Seconds since its arrival."""
        return time.monotonic() - self.arrived


def put(scope: Scope, entry: Entry) -> None:
    """Let all that handle this request find `entry`."""
    scope[_NAME] = entry


def of(scope: Scope) -> Entry:
    """The Entry of this request."""
    return cast("Entry", scope[_NAME])


class CallerEngine:
    """`engine` for one request. See `Engine`."""

    def __init__(self, engine: Engine, entry: Entry) -> None:
        self._engine, self._entry = engine, entry

    def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Iterator[Chunk]:
        """Stream the answer. See `Engine.generate`."""
        chunks = self._engine.generate(self._marked(prompt), sampling, candidates=candidates)
        counted = self._counted(((0, chunk) for chunk in chunks), chunks, [prompt], candidates)
        with contextlib.closing(counted):
            for _, chunk in counted:
                yield chunk

    def generate_batch(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Chunk]]:
        """Answer several prompts together. See `Engine.generate_batch`."""
        stream = self._engine.generate_batch([self._marked(prompt) for prompt in prompts], sampling)
        yield from self._counted(stream, stream, prompts, 1)

    def count(self, text: str) -> int:
        """Tokens of `text`."""
        return self._engine.count(text)

    def describe(self) -> ModelInfo:
        """Which model this is."""
        return self._engine.describe()

    def close(self) -> None:
        """Nothing: the engine is not this request's."""

    def _marked(self, prompt: Prompt) -> Prompt:
        return replace(prompt, owner=self._entry.caller.id)

    def _counted(
        self, items: Iterator[tuple[int, Chunk]], source: object, prompts: Sequence[Prompt], candidates: int
    ) -> Generator[tuple[int, Chunk], None, None]:
        """`items` as they come. Candidates of a prompt share it: it counts once."""
        entry, pieces, read = self._entry, Counter[tuple[int, int]](), set[int]()
        finished: set[tuple[int, int]] = set()
        try:
            with contextlib.closing(cast("Any", source)):
                for position, chunk in items:
                    if entry.first_token_seconds is None:
                        entry.first_token_seconds = entry.seconds
                    pieces[position, chunk.index] += bool(chunk.text)
                    if chunk.finish is not None:
                        finished.add((position, chunk.index))
                        entry.finish = chunk.finish
                        self._add(chunk.usage or Usage(), shares=position in read)
                        read.add(position)
                    yield position, chunk
        except GeneratorExit:
            # The client has gone, or has enough: what was computed counts, as far as it is known.
            entry.completion_tokens += sum(n for at, n in pieces.items() if at not in finished)
            entry.prompt_tokens += sum(self.count(_text(p)) for at, p in enumerate(prompts) if at not in read)
            raise

    def _add(self, usage: Usage, *, shares: bool) -> None:
        entry = self._entry
        entry.usages.append(usage)
        entry.completion_tokens += usage.completion_tokens
        if not shares:
            entry.prompt_tokens += usage.prompt_tokens
            entry.cached_tokens += usage.cached_tokens


def _text(prompt: Prompt) -> str:
    parts = [message.content for message in prompt.messages]
    return "\n".join([*parts, prompt.text or "", prompt.suffix or "", prompt.prefill])
