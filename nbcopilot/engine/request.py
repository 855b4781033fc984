"""What was asked, as ids, and the way back: tokens of an answer -> chunks of text in the request's queue.

The jobs (`jobs`, `beam`) choose the tokens; `Writer` knows when the answer ends.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from nbcopilot.engine.stopping import StopFilter
from nbcopilot.engine.tokens import TextStream, Tokens
from nbcopilot.inference import Chunk, Sampling, TokenScore, Usage


@dataclass(eq=False)
class Request:
    """What was asked, as ids. `out` gets (position, Chunk) pairs, or one exception; `cancelled` is set by the asker.

    `token_budget` is the tokens that its caches may come to hold, over all candidates. `begins` is what every answer begins
    with, whatever the tokens: it was taken from the end of the text (`healing`) and is not part of the answer.
    """

    ids: list[int]
    sampling: Sampling
    stops: tuple[str, ...]
    out: queue.SimpleQueue[tuple[int, Chunk] | BaseException]
    position: int = 0
    candidates: int = 1
    urgent: bool = False
    cancelled: bool = False
    token_budget: int = 0
    begins: bytes = b""
    owner: str = ""
    started: float = field(default_factory=time.monotonic)


class Writer:
    """Turns the tokens of one candidate into chunks in the request's queue, and knows when the answer ends."""

    def __init__(self, request: Request, index: int, tokens: Tokens, limit: int, cached: int) -> None:
        self.finish: str | None = None
        self.count = 0
        self._request, self._index, self._tokens, self._limit, self._cached = request, index, tokens, limit, cached
        self._text = TextStream(tokens, request.ids)
        self._filter = StopFilter(request.stops)
        self._scores: list[TokenScore] = []
        self._first = 0.0
        self._hidden = len(request.begins.decode())

    def write(self, id: int, score: TokenScore | None = None) -> bool:
        """Take one token; False when it was the last. Tokens that only spell `Request.begins` count for nothing."""
        is_end, was_hidden = id in self._tokens.ends, self._hidden > 0
        text = "" if is_end else self._visible(self._text.push(id))
        if was_hidden and not text:
            return True
        self.count += 1
        if not self._first:
            self._first = time.monotonic() - self._request.started
        if is_end:
            self.end("stop")
            return False
        if score is not None:
            self._scores.append(score)
        text = self._filter.push(text)
        if self._filter.stopped:
            self.end("stop", text)
        elif self.count >= self._limit:
            self.end("length", text)
        elif text:
            self._emit(text)
        return self.finish is None

    def echo(self, prompt: str, scores: Sequence[TokenScore]) -> None:
        """Begin the answer with the prompt; stop strings in it count for nothing."""
        self._scores += scores
        self._emit(prompt)

    def end(self, finish: str, text: str = "") -> None:
        """Emit the last chunk, with what was held back."""
        if self.finish is not None:
            return
        self.finish = finish
        if not self._filter.stopped:
            text += self._filter.push(self._visible(self._text.flush())) + self._filter.flush()
        usage = Usage(
            prompt_tokens=len(self._request.ids),
            completion_tokens=self.count,
            cached_tokens=self._cached,
            first_token_seconds=self._first,
            seconds=time.monotonic() - self._request.started,
        )
        self._emit(text, usage)

    def _visible(self, text: str) -> str:
        """`text` without what the answer had to begin with."""
        hidden = min(self._hidden, len(text))
        self._hidden -= hidden
        return text[hidden:]

    def _emit(self, text: str, usage: Usage | None = None) -> None:
        chunk = Chunk(text, self._index, self.finish, usage, tuple(self._scores))
        self._scores = []
        self._request.out.put((self._request.position, chunk))
