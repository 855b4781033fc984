"""A streamed answer on its way from a server: wire events in, chunks out, as the law of `Engine` has them.

Takes off what a server repeats or adds (a prefill, the opening fence), applies the stop strings that it was not
given, and keeps the last chunk of each candidate until the usage has come. Knows no sockets.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nbcopilot.engine import wire
from nbcopilot.inference import Chunk, Prompt, Usage


class Answer:
    """One streamed answer on its way: events in, chunks out; the last chunk of each candidate waits for the usage."""

    def __init__(self, prompt: Prompt, family: wire.Family, candidates: int) -> None:
        self.pieces = 0
        self._trimmers = [Trimmer(prompt, family) for _ in range(candidates)]
        self._finish: dict[int, str] = {}
        self._usages: dict[int, Usage] = {}
        self._counts = [0] * candidates
        self._total: Usage | None = None
        self._started = time.perf_counter()
        self._first = 0.0

    @property
    def finished(self) -> bool:
        """Whether every candidate has come to its end."""
        return len(self._finish) == len(self._trimmers)

    @property
    def stopped(self) -> bool:
        """Whether every candidate has met a stop string on this side, so that the rest is not needed."""
        return all(trimmer.stopped for trimmer in self._trimmers)

    def take(self, event: Mapping[str, Any]) -> Iterator[Chunk]:
        """The chunks that may be shown after this event."""
        self._total = wire.usage(event) or self._total
        for delta in wire.deltas(event):
            if not 0 <= delta.index < len(self._trimmers):
                continue
            trimmer = self._trimmers[delta.index]
            if delta.text:
                self._first = self._first or time.perf_counter() - self._started
                self._counts[delta.index] += 1
                self.pieces += 1
            text = trimmer.feed(delta.text)
            if delta.usage:
                self._usages[delta.index] = delta.usage
            if text or delta.scores:
                yield Chunk(text, delta.index, scores=delta.scores)
            if delta.finish or trimmer.stopped:
                self._finish.setdefault(delta.index, "stop" if trimmer.stopped else _finish(delta.finish))

    def rest(self) -> Iterator[Chunk]:
        """The text that was held back, of an answer that was broken off."""
        for index, trimmer in enumerate(self._trimmers):
            text = trimmer.end()
            if text:
                yield Chunk(text, index)

    def end(self) -> Iterator[Chunk]:
        """The last chunk of every candidate."""
        for index, trimmer in enumerate(self._trimmers):
            rest = trimmer.end()
            finish = "stop" if trimmer.stopped else self._finish[index]
            yield Chunk(rest, index, finish=finish, usage=self._usage(index))

    def _usage(self, index: int) -> Usage:
        if index in self._usages:
            return self._usages[index]
        total, seconds = self._total or Usage(), time.perf_counter() - self._started
        alone = len(self._trimmers) == 1 and total.completion_tokens > 0
        tokens = total.completion_tokens if alone else self._counts[index]
        return replace(total, completion_tokens=tokens, first_token_seconds=self._first, seconds=seconds)


class Trimmer:
    """Takes the prefill that is repeated, and all from the first stop string on, off a streamed answer.

    `feed` and `end` give the text that may be shown; what could still become a stop string is held back.
    """

    def __init__(self, prompt: Prompt, family: wire.Family) -> None:
        self.stopped = False
        self._stops = tuple(stop for stop in prompt.stop if stop)
        self._opening = "fence" if wire.strips_opening(prompt, family) else "echo" if prompt.prefill else ""
        self._prefill = prompt.prefill
        self._held = ""

    def feed(self, text: str) -> str:
        """The part of all that came so far that can be shown now."""
        if self.stopped:
            return ""
        self._held += text
        if self._opening and not self._open(final=False):
            return ""
        for stop in self._stops:
            at = self._held.find(stop)
            if at >= 0:
                self._held, self.stopped = self._held[:at], True
        if self.stopped:
            return self._take(len(self._held))
        return self._take(len(self._held) - max((_overlap(self._held, stop) for stop in self._stops), default=0))

    def end(self) -> str:
        """What was held back, when the answer is over."""
        if self._opening:
            self._open(final=True)
        return self._take(len(self._held)) if not self.stopped else ""

    def _open(self, *, final: bool) -> bool:
        """Take the start of the answer off once it is known; False while it is not."""
        if self._opening == "fence":
            match = re.search(r"```[^\n`]*\n", self._held)
            if match is None and not final:
                return False
            self._held = self._held[match.end() :] if match else self._held
        elif self._held.startswith(self._prefill):
            self._held = self._held[len(self._prefill) :]
        elif self._prefill.startswith(self._held) and not final:
            return False
        self._opening = ""
        return True

    def _take(self, length: int) -> str:
        text, self._held = self._held[:length], self._held[length:]
        return text


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)


def _finish(reason: str | None) -> str:
    return {"length": "length", "cancelled": "cancelled"}.get(reason or "", "stop")
