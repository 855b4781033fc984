"""The one exit for text: an engine that is reached by URL gets nothing that was not redacted first.

`engine_at` is the only place that makes a RemoteEngine for a URL, so no caller (context, repair turns, ghost text,
batch, replay, evaluation) can forget it. For a server on this machine `redact = false` switches it off; for any other
nothing does.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from nbcopilot import urls
from nbcopilot.engine.protocol import Engine
from nbcopilot.engine.remote import RemoteEngine
from nbcopilot.inference import Chunk, ModelInfo, Prompt, Sampling
from nbcopilot.redaction import redact, redact_prompt

# Texts of a session that come again: earlier cells, the system message, the pieces that are counted.
REMEMBERED = 512


def engine_at(url: str, *, model: str = "", api_key: str = "", on: bool = True, personal: bool = False) -> Engine:
    """The engine behind `url`. Its prompts are redacted when `on`, or when it is not on this machine.

    personal: personal data is replaced too. Raises EngineUnavailableError, ConfigError for what is not a URL.
    """
    engine = RemoteEngine(url, model=model, api_key=api_key)
    return RedactingEngine(engine, personal=personal) if on or not urls.is_local(url) else engine


def unreachable(url: str, *, model: str = "", seconds: float = 3.0) -> str:
    """Why the server behind `url` does not answer within so long, asked the way in which requests go; "" when it does."""
    engine = RemoteEngine(url, model=model)
    try:
        return engine.reach(seconds)
    finally:
        engine.close()


class RedactingEngine:
    """`engine`, which sees every prompt and every text to count without its secrets. See `Engine`."""

    def __init__(self, engine: Engine, *, personal: bool = False) -> None:
        self._engine = engine
        self._personal = personal
        self._clean = functools.lru_cache(maxsize=REMEMBERED)(self._cleaned)

    def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Iterator[Chunk]:
        """Stream the answer to the redacted prompt. See `Engine.generate`."""
        return self._engine.generate(self._without_secrets(prompt), sampling, candidates=candidates)

    def generate_batch(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Chunk]]:
        """Answer the redacted prompts side by side. See `Engine.generate_batch`."""
        return self._engine.generate_batch([self._without_secrets(prompt) for prompt in prompts], sampling)

    def count(self, text: str) -> int:
        """Tokens of the redacted `text`: the server may be the one that counts."""
        return self._engine.count(self._clean(text))

    def describe(self) -> ModelInfo:
        """The model as the server names it."""
        return self._engine.describe()

    def close(self) -> None:
        """Close the engine."""
        self._clean.cache_clear()
        self._engine.close()

    def _cleaned(self, text: str) -> str:
        return redact(text, personal=self._personal)[0]

    def _without_secrets(self, prompt: Prompt) -> Prompt:
        return redact_prompt(prompt, personal=self._personal, clean=self._clean)
