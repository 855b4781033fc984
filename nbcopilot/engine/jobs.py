"""One request while it is answered: which rows it wants computed next, and what it makes of their logits.

A job never runs the model and never waits: the scheduler asks for `segments`, computes them together with those
of other jobs, and hands the logits back to `take`. `Candidates` samples; `beam.BeamSearch` is the other kind.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from nbcopilot.engine.sampling import Sampler
from nbcopilot.engine.stopping import StopFilter
from nbcopilot.engine.tokens import TextStream, Tokens
from nbcopilot.engine.transformer import Cache, Segment
from nbcopilot.types import Chunk, Sampling, TokenScore, Usage

# Prompt tokens computed in one step: long enough for full speed, short enough (about a second on two cores)
# for an inline completion to get in between and for an interrupt to be felt.
PREFILL_ROWS = 256


@dataclass(eq=False)
class Request:
    """What was asked, as ids. `out` gets (position, Chunk) pairs, or one exception; `cancelled` is set by the asker."""

    ids: list[int]
    sampling: Sampling
    stops: tuple[str, ...]
    out: queue.SimpleQueue[tuple[int, Chunk] | BaseException]
    position: int = 0
    candidates: int = 1
    urgent: bool = False
    cancelled: bool = False
    started: float = field(default_factory=time.monotonic)


class Model(Protocol):
    """One forward pass over rows of many sequences. `transformer.Transformer` and `generic.GenericModel` are two."""

    context: int

    def new_cache(self, capacity: int) -> Any: ...

    def forward(self, segments: Sequence[Segment[Any]]) -> Tensor: ...


class Job(Protocol):
    """What the scheduler drives."""

    request: Request
    finished: bool

    @property
    def rows(self) -> int:
        """Rows that a decoding step of this job takes, at most."""
        ...

    def segments(self, prefill_rows: int) -> list[Segment[Any]]: ...

    def take(self, logits: Tensor) -> None: ...

    def cancel(self) -> None: ...


class Writer:
    """Turns the tokens of one candidate into chunks in the request's queue, and knows when the answer ends."""

    def __init__(self, request: Request, index: int, tokens: Tokens, limit: int) -> None:
        self.finish: str | None = None
        self.count = 0
        self.cached = 0
        self._request, self._index, self._tokens, self._limit = request, index, tokens, limit
        self._text = TextStream(tokens, request.ids)
        self._filter = StopFilter(request.stops)
        self._scores: list[TokenScore] = []
        self._first = 0.0

    def write(self, id: int, score: TokenScore | None = None) -> bool:
        """Take one token; False when it was the last."""
        self.count += 1
        if not self._first:
            self._first = time.monotonic() - self._request.started
        if id in self._tokens.ends:
            self.end("stop")
            return False
        if score is not None:
            self._scores.append(score)
        text = self._filter.push(self._text.push(id))
        if self._filter.stopped:
            self.end("stop", text)
        elif self.count >= self._limit:
            self.end("length", text)
        elif text:
            self._emit(text)
        return self.finish is None

    def end(self, finish: str, text: str = "") -> None:
        """Emit the last chunk, with what was held back."""
        if self.finish is not None:
            return
        self.finish = finish
        if not self._filter.stopped:
            text += self._filter.push(self._text.flush()) + self._filter.flush()
        usage = Usage(
            prompt_tokens=len(self._request.ids),
            completion_tokens=self.count,
            cached_tokens=self.cached,
            first_token_seconds=self._first,
            seconds=time.monotonic() - self._request.started,
        )
        self._emit(text, usage)

    def _emit(self, text: str, usage: Usage | None = None) -> None:
        chunk = Chunk(text, self._index, self.finish, usage, tuple(self._scores))
        self._scores = []
        self._request.out.put((self._request.position, chunk))


@dataclass(eq=False)
class _Candidate:
    ids: list[int]
    cache: Cache
    sampler: Sampler
    writer: Writer


class Candidates:
    """A request for one or several sampled (or greedy) answers. The prompt is computed once for all."""

    def __init__(self, request: Request, model: Model, tokens: Tokens) -> None:
        self.request = request
        self.finished = False
        self._model, self._tokens = model, tokens
        self._limit = min(request.sampling.max_tokens, model.context - len(request.ids))
        self._room = len(request.ids) + self._limit
        self._prompt = model.new_cache(self._room)
        self._live: list[_Candidate] = []
        self._reading = True

    @property
    def rows(self) -> int:
        """One row a candidate."""
        return self.request.candidates

    def segments(self, prefill_rows: int) -> list[Segment[Any]]:
        """The next piece of the prompt, or the newest token of every candidate."""
        if self._reading:
            start = self._prompt.length
            ids = self.request.ids[start : start + prefill_rows]
            return [Segment(self._prompt, ids, wanted=int(start + len(ids) == len(self.request.ids)))] if ids else []
        return [Segment(c.cache, c.ids[c.cache.length :]) for c in self._live]

    def take(self, logits: Tensor) -> None:
        """Pick the next token of every candidate from its row of logits."""
        if self._reading:
            if not len(logits):
                return
            self._reading = False
            self._fork()
            logits = logits.expand(len(self._live), -1)
        best = logits.argmax(1).tolist()
        host = None
        for row, candidate in enumerate(self._live):
            id = best[row]
            if not candidate.sampler.is_plain:
                host = logits.cpu() if host is None else host
                id = candidate.sampler.pick(host[row], candidate.ids)
            candidate.ids.append(id)
            candidate.writer.write(id, self._score(logits[row], id))
        self._live = [c for c in self._live if c.writer.finish is None]
        self.finished = not self._live

    def cancel(self) -> None:
        """End all candidates where they are."""
        if self._reading:
            self._fork()
        for candidate in self._live:
            candidate.writer.end("cancelled")
        self._live, self._reading, self.finished = [], False, True

    def _fork(self) -> None:
        """Give every candidate its own copy of the prompt's cache; the last one takes the original."""
        length = self._prompt.length
        for index in range(self.request.candidates):
            cache = self._prompt
            if index < self.request.candidates - 1:
                cache = self._model.new_cache(self._room)
                cache.copy_from(self._prompt, 0, length)
            sampler = Sampler(self.request.sampling, index)
            writer = Writer(self.request, index, self._tokens, self._limit)
            self._live.append(_Candidate(list(self.request.ids), cache, sampler, writer))

    def _score(self, logits: Tensor, id: int) -> TokenScore | None:
        count = self.request.sampling.logprobs
        if count is None:
            return None
        logprobs = logits.float().log_softmax(0)
        values, ids = logprobs.topk(min(count, len(logprobs)))
        top = tuple((self._tokens.piece(int(i)), float(v)) for i, v in zip(ids, values, strict=True))
        return TokenScore(self._tokens.piece(id), float(logprobs[id]), top)


Factory = Callable[[Request], Job]
