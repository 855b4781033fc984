"""What every engine can do. LocalEngine (torch, this process), RemoteEngine (HTTP) and FakeEngine are peers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from nbcopilot.inference import Chunk, ModelInfo, Prompt, Sampling


@runtime_checkable
class Engine(Protocol):
    """A model that answers prompts. Thread-safe: concurrent calls are queued or batched by the engine."""

    def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Iterator[Chunk]:
        """Stream the answer as chunks; `Chunk.index` names the candidate (0 .. candidates-1).

        The last chunk of each candidate has `finish` set and carries its `usage`. Stop strings, the prefill
        and special tokens never appear in the text. Closing the iterator cancels at the next token.

        Raises ContextOverflowError when prompt + 1 token do not fit, OutOfMemoryError,
        EngineUnavailableError when the engine goes away (the text so far has been yielded).
        """
        ...

    def generate_batch(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Chunk]]:
        """Answer several prompts together; yields (position of the prompt, chunk). Same law as `generate`."""
        ...

    def count(self, text: str) -> int:
        """Tokens of `text` by the model's own tokenizer, without special tokens around it."""
        ...

    def describe(self) -> ModelInfo:
        """Which model this is, its context length, device and precision."""
        ...

    def close(self) -> None:
        """Free the model. Running requests are cancelled."""
        ...
