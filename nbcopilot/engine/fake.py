"""An engine without weights: scripted for unit tests, plausible by default so that any flow can be driven.

`FakeEngine(script=[...])` gives back what it was told; `FakeEngine()` looks at the prompt and answers every kind
of task deterministically (`fake_answers`). It keeps the whole law of `Engine`: several chunks, stop strings,
prefill, max_tokens, candidates, cancel on close. It knows nothing of what a real model would say.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from nbcopilot.engine.fake_answers import answer
from nbcopilot.errors import ConfigError, ContextOverflowError, EngineUnavailableError
from nbcopilot.inference import Chunk, ModelInfo, Prompt, Sampling, TokenScore, Usage

Script = Sequence[str | BaseException] | Callable[[Prompt], str]

PIECE = re.compile(r" ?\w{1,6}|\n|[^\S\n]+|[^\w\s]")
CHUNK_PIECES = 3


class FakeEngine:
    """The scripted engine, id "fake". Thread-safe; every request is kept in `prompts` and `samplings`.

    script: answers in order (a request for n candidates takes n of them; an exception is raised when its turn
    comes), or a function of the prompt; None answers plausibly. tokens_per_second: pace of each request (None: at
    once). context_tokens: prompts longer than this are refused.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        tokens_per_second: float | None = None,
        context_tokens: int = 32768,
    ) -> None:
        self.prompts: list[Prompt] = []
        self.samplings: list[Sampling] = []
        self.cancelled = 0
        self._script = script
        self._taken = 0
        self._pace = tokens_per_second
        self._context_tokens = context_tokens
        self._closed = threading.Event()
        self._lock = threading.Lock()

    @classmethod
    def from_id(cls, model: str) -> FakeEngine:
        """The engine that a model id names: "fake", or "fake:20" for 20 tokens per second. Raises ConfigError."""
        name, _, pace = model.partition(":")
        if name != "fake" or (pace and not re.fullmatch(r"\d+(\.\d+)?", pace)):
            raise ConfigError(
                f"`{model}` is not a fake model", hint="use `fake`, or `fake:20` for 20 tokens per second"
            )
        return cls(tokens_per_second=float(pace) if pace else None)

    def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Iterator[Chunk]:
        """Stream the answers, candidate by candidate in turns. See `Engine.generate`."""
        return self._stream(prompt, sampling, self._answers(prompt, sampling, candidates))

    def generate_batch(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Chunk]]:
        """Answer the prompts side by side. See `Engine.generate_batch`."""
        streams = {at: self.generate(prompt, sampling) for at, prompt in enumerate(prompts)}
        while streams:
            for at, stream in list(streams.items()):
                chunk = next(stream, None)
                if chunk is None:
                    del streams[at]
                else:
                    yield at, chunk

    def count(self, text: str) -> int:
        """Pieces of `text`: words cut after six letters, single signs, runs of blanks, newlines."""
        return len(PIECE.findall(text))

    def describe(self) -> ModelInfo:
        """Id "fake"; never a hash, because there are no weights."""
        return ModelInfo(
            id="fake", engine="fake", context_tokens=self._context_tokens, precision="none", detail={"logprobs": True}
        )

    def close(self) -> None:
        """End running requests with finish "cancelled" and refuse new ones."""
        self._closed.set()

    # ------------------------------------------------------------------ what is said

    def _answers(self, prompt: Prompt, sampling: Sampling, candidates: int) -> list[str]:
        if self._closed.is_set():
            raise EngineUnavailableError("the engine is closed", hint="open a new one")
        used = self.count(full_text(prompt))
        if used + 1 > self._context_tokens:
            raise ContextOverflowError(
                f"prompt is {used} tokens, fake takes {self._context_tokens}",
                hint="shorten the prompt, or lower context_tokens",
            )
        with self._lock:
            self.prompts.append(prompt)
            self.samplings.append(sampling)
            if self._script is not None and not callable(self._script):
                return self._next_answers(candidates)
        if callable(self._script):
            return [self._script(prompt) for _ in range(candidates)]
        # Greedy candidates are all alike, as they are for a real model.
        first = 0 if sampling.temperature == 0 else (sampling.seed or 0)
        step = 0 if sampling.temperature == 0 else 1
        return [answer(prompt, variant=first + step * index) for index in range(candidates)]

    def _next_answers(self, candidates: int) -> list[str]:
        assert self._script is not None and not callable(self._script)
        taken = self._script[self._taken : self._taken + candidates]
        if len(taken) == candidates or any(isinstance(item, BaseException) for item in taken):
            self._taken += len(taken)
        for item in taken:
            if isinstance(item, BaseException):
                raise item
        if len(taken) < candidates:
            raise EngineUnavailableError(
                f"the script of the fake engine ended after {len(self._script)} answers", hint="give it more answers"
            )
        return [item for item in taken if isinstance(item, str)]

    # ------------------------------------------------------------------ how it is said

    def _stream(self, prompt: Prompt, sampling: Sampling, answers: list[str]) -> Iterator[Chunk]:
        started, prompt_tokens = time.perf_counter(), self.count(full_text(prompt))
        first_token = 0.0
        waiting = {index: _tokens(text, prompt.stop, sampling.max_tokens) for index, text in enumerate(answers)}
        sent = dict.fromkeys(waiting, 0)
        try:
            while waiting:
                for index, (pieces, finish) in list(waiting.items()):
                    part = pieces[sent[index] : sent[index] + CHUNK_PIECES]
                    self._pause(len(part))
                    first_token = first_token or time.perf_counter() - started
                    sent[index] += len(part)
                    last = self._closed.is_set() or sent[index] >= len(pieces)
                    if last:
                        del waiting[index]
                    yield Chunk(
                        "".join(part),
                        index=index,
                        finish=("cancelled" if sent[index] < len(pieces) else finish) if last else None,
                        usage=Usage(prompt_tokens, sent[index], 0, first_token, time.perf_counter() - started)
                        if last
                        else None,
                        scores=tuple(TokenScore(piece, 0.0) for piece in part) if sampling.logprobs is not None else (),
                    )
        except GeneratorExit:
            self.cancelled += 1
            raise

    def _pause(self, tokens: int) -> None:
        if self._pace:
            self._closed.wait(tokens / self._pace)


def full_text(prompt: Prompt) -> str:
    """All text that a model would read, in order."""
    return "\n".join([*(m.content for m in prompt.messages), prompt.text or "", prompt.suffix or "", prompt.prefill])


def _tokens(text: str, stops: Sequence[str], max_tokens: int) -> tuple[list[str], str]:
    """The pieces of `text` up to the first stop string or the limit, and why it ends there."""
    cut = min((at for stop in stops if stop and (at := text.find(stop)) >= 0), default=len(text))
    pieces = PIECE.findall(text[:cut])
    return (pieces[:max_tokens], "length") if len(pieces) > max_tokens else (pieces, "stop")
