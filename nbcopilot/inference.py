"""What goes to a model and what comes back: sampling, messages and prompts; chunks, usage and whole completions.

Frozen values of the seam between the stages and every engine. Nothing here does work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nbcopilot.hashing import text_hash

AnswerFormat = Literal["code", "markdown", "text"]


@dataclass(frozen=True)
class Sampling:
    """How the next token is picked. Temperature 0 is greedy; `top_k` 0, `top_p` 1 and `min_p` 0 are off.

    `beams` > 1 is beam search (greedy scores; temperature is not used). `seed` None draws a new one.
    `logprobs` asks for `Chunk.scores` with so many alternatives each (None: no scores); an engine that gives
    them says so in `ModelInfo.detail["logprobs"]`.
    `echo` begins the answer with the prompt itself, so that its tokens are scored; `detail["echo"]` says who can.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    beams: int = 1
    seed: int | None = None
    max_tokens: int = 1024
    logprobs: int | None = None
    echo: bool = False


@dataclass(frozen=True)
class Message:
    """One chat turn; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True)
class Prompt:
    """What the engine gets. Either `messages` (chat) or `text` (raw, fill-in-the-middle).

    `prefill` is the start of the answer that the model continues (it is not part of the completion's text);
    `stop` ends the answer when it appears in the text (and is left out of it). `language` is the fence's.
    `owner`: whose earlier prompts the engine may begin from; set by a server with several users, never by a client.
    """

    messages: tuple[Message, ...] = ()
    text: str | None = None
    suffix: str | None = None
    prefill: str = ""
    stop: tuple[str, ...] = ()
    answer: AnswerFormat = "code"
    language: str = "python"
    owner: str = field(default="", compare=False)

    @property
    def hash(self) -> str:
        """Hash of all that the model sees; goes into the provenance in place of the text."""
        parts = [f"{m.role}\x00{m.content}" for m in self.messages]
        parts += [self.text or "", self.suffix or "", self.prefill]
        return text_hash("\x01".join(parts))


@dataclass(frozen=True)
class Usage:
    """Tokens and seconds of one generation. `cached_tokens` of the prompt needed no prefill."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    first_token_seconds: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class TokenScore:
    """One token of an answer with its natural-log probability, and the likeliest alternatives."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Chunk:
    """A piece of streamed text of candidate `index`; the last one of each has `finish` and `usage`.

    `finish` is "stop" (end of turn or stop string), "length" (max_tokens) or "cancelled".
    `scores` are those of the tokens of `text`, when `Sampling.logprobs` asked for them.
    """

    text: str
    index: int = 0
    finish: str | None = None
    usage: Usage | None = None
    scores: tuple[TokenScore, ...] = ()


@dataclass(frozen=True)
class Completion:
    """A whole answer, as generated."""

    text: str
    index: int = 0
    finish: str = "stop"
    usage: Usage = Usage()
    logprobs: tuple[float, ...] = ()


@dataclass(frozen=True)
class ModelInfo:
    """Which model answers, and how. `sha256` is of the source weights, "" when it has no single file."""

    id: str
    sha256: str = ""
    engine: str = "local"
    context_tokens: int = 32768
    device: str = "cpu"
    precision: str = "float32"
    detail: Mapping[str, Any] = field(default_factory=dict)
