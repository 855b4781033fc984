"""Several prompts to the engine together, cancellable: prompts -> answers. Knows nothing of notebooks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from nbcopilot.engine.protocol import Engine
from nbcopilot.inference import Prompt, Sampling, TokenScore, Usage


class Cancelled(Exception):
    """The run was stopped in the middle of a notebook; nothing of it is written."""


class Asker:
    """Puts prompts to `engine`, `at_once` together, greedily. `usage` sums up the tokens.

    stop: when set, Cancelled is raised at the next token. on_progress: gets (answers that are there, answers to come).
    """

    def __init__(
        self, engine: Engine, at_once: int, stop: threading.Event, on_progress: Callable[[int, int], None]
    ) -> None:
        self.engine, self.at_once, self.stop, self.on_progress = engine, at_once, stop, on_progress
        self.usage = Usage()

    def answers(self, prompts: Sequence[Prompt], max_tokens: int) -> list[str]:
        """The answers, each with its prefill in front, in order. Raises EngineError and Cancelled."""
        sampling = Sampling(temperature=0.0, seed=0, max_tokens=max_tokens)
        found: list[str] = []
        for start in range(0, len(prompts), self.at_once):
            self.on_progress(start, len(prompts))
            some = prompts[start : start + self.at_once]
            texts, _ = self._batch(some, sampling)
            found += [_continued(prompt.prefill, text) for prompt, text in zip(some, texts, strict=True)]
        return found

    def first_tokens(self, prompts: Sequence[Prompt], alternatives: int) -> list[list[TokenScore]]:
        """The first token of each answer with its likeliest alternatives, in order; [] where the engine gives none."""
        sampling = Sampling(temperature=0.0, seed=0, max_tokens=1, logprobs=alternatives)
        found: list[list[TokenScore]] = []
        for start in range(0, len(prompts), self.at_once):
            found += self._batch(prompts[start : start + self.at_once], sampling)[1]
        return found

    def _batch(self, prompts: Sequence[Prompt], sampling: Sampling) -> tuple[list[str], list[list[TokenScore]]]:
        texts = [""] * len(prompts)
        scores: list[list[TokenScore]] = [[] for _ in prompts]
        chunks = self.engine.generate_batch(prompts, sampling)
        try:
            for at, chunk in chunks:
                if self.stop.is_set():
                    raise Cancelled
                texts[at] += chunk.text
                scores[at] += chunk.scores
                if chunk.usage:
                    self.usage = replace(
                        self.usage,
                        prompt_tokens=self.usage.prompt_tokens + chunk.usage.prompt_tokens,
                        completion_tokens=self.usage.completion_tokens + chunk.usage.completion_tokens,
                    )
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        return texts, scores


def _continued(prefill: str, text: str) -> str:
    """The answer with its prefill, unless the model began anew instead of going on from it."""
    return text if text[:1].isupper() else prefill + text
