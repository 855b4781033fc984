"""Answers and errors in the OpenAI protocol's shape. Pure: values in, JSON objects out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import accumulate
from typing import Any

from nbcopilot.errors import (
    ContextOverflowError,
    EngineUnavailableError,
    ModelNotFoundError,
    NbcopilotError,
    QuotaError,
    UnknownModelError,
    UsageError,
)
from nbcopilot.inference import Chunk, ModelInfo, TokenScore, Usage
from nbcopilot.serve.schema import Asked, FieldError

# The one table from errors to HTTP status; what is not here is 500.
STATUS: tuple[tuple[type[NbcopilotError], int], ...] = (
    (UnknownModelError, 404),
    (ModelNotFoundError, 404),
    (ContextOverflowError, 400),
    (UsageError, 400),
    (QuotaError, 429),
    (EngineUnavailableError, 503),
)
DONE = b"data: [DONE]\n\n"


class Shape:
    """The objects of one request. `index` of a choice is prompt times candidates, as the protocol has it."""

    def __init__(self, asked: Asked, identity: str, created: int) -> None:
        kind = ("chat.completion" if asked.chat else "text_completion", "chatcmpl-" if asked.chat else "cmpl-")
        self._asked = asked
        self._said: Counter[int] = Counter()  # characters of the scored tokens of each choice so far
        self._head = {"id": kind[1] + identity, "object": kind[0], "created": created, "model": asked.model}

    def named(self, model: str) -> None:
        """Say which model answers; it may not be loaded when the request comes."""
        self._head["model"] = model

    def part(self, chunk: Chunk, *, first: bool) -> dict[str, Any]:
        """The event for one chunk; `first` of its choice."""
        choice: dict[str, Any] = {"index": chunk.index, "finish_reason": _reason(chunk.finish)}
        if self._asked.chat:
            choice["delta"] = ({"role": "assistant"} if first else {}) | (
                {"content": chunk.text} if chunk.text or first else {}
            )
        else:
            choice["text"] = chunk.text
        choice["logprobs"] = self._logprobs(chunk.index, chunk.scores)
        if chunk.usage is not None:
            choice["nbcopilot"] = asdict(chunk.usage)
        kind = "chat.completion.chunk" if self._asked.chat else self._head["object"]
        return {**self._head, "object": kind, "choices": [choice]}

    def usage(self, usages: Sequence[Usage]) -> dict[str, Any]:
        """The last event, with the totals."""
        kind = "chat.completion.chunk" if self._asked.chat else self._head["object"]
        return {**self._head, "object": kind, "choices": [], "usage": self._totals(usages)}

    def whole(self, texts: Mapping[int, Sequence[Chunk]]) -> dict[str, Any]:
        """The answer that is not streamed."""
        choices = []
        for index, chunks in sorted(texts.items()):
            text, last = "".join(chunk.text for chunk in chunks), chunks[-1]
            choice: dict[str, Any] = {"index": index, "finish_reason": _reason(last.finish) or "stop"}
            choice |= {"message": {"role": "assistant", "content": text}} if self._asked.chat else {"text": text}
            choice["logprobs"] = self._logprobs(index, [score for chunk in chunks for score in chunk.scores])
            choice["nbcopilot"] = asdict(last.usage or Usage())
            choices.append(choice)
        usages = [chunks[-1].usage or Usage() for _, chunks in sorted(texts.items())]
        return {**self._head, "choices": choices, "usage": self._totals(usages)}

    def _totals(self, usages: Sequence[Usage]) -> dict[str, Any]:
        # The candidates of one prompt share it.
        once = usages[:: self._asked.candidates]
        prompt, answer = sum(u.prompt_tokens for u in once), sum(u.completion_tokens for u in usages)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
            "prompt_tokens_details": {"cached_tokens": sum(u.cached_tokens for u in once)},
        }

    def _logprobs(self, index: int, scores: Sequence[TokenScore]) -> dict[str, Any] | None:
        if self._asked.sampling.logprobs is None:
            return None
        if not self._asked.chat:
            sizes = [len(score.text) for score in scores]
            offsets = list(accumulate(sizes, initial=self._said[index]))
            self._said[index] = offsets.pop()
            return {
                "tokens": [score.text for score in scores],
                "token_logprobs": [max(score.logprob, -9999.0) for score in scores],
                "top_logprobs": [dict(score.top) for score in scores],
                "text_offset": offsets,
            }
        return {
            "content": [
                _token(score.text, score.logprob)
                | {"top_logprobs": [_token(text, logprob) for text, logprob in score.top]}
                for score in scores
            ]
        }


def _token(text: str, logprob: float) -> dict[str, Any]:
    # JSON has no minus infinity; this is what OpenAI gives for it.
    return {"token": text, "logprob": max(logprob, -9999.0), "bytes": list(text.encode("utf-8", "replace"))}


def _reason(finish: str | None) -> str | None:
    return finish if finish in (None, "length") else "stop"


def model(info: ModelInfo, created: int) -> dict[str, Any]:
    """An entry of /v1/models, with all that our own clients need."""
    own = asdict(info)
    return {"id": info.id, "object": "model", "created": created, "owned_by": "nbcopilot", "nbcopilot": own}


def error(exc: NbcopilotError) -> tuple[int, dict[str, Any]]:
    """(HTTP status, body) of an error: the protocol's fields for everybody, code and hint for our own clients."""
    status = next((status for kind, status in STATUS if isinstance(exc, kind)), 500)
    codes: dict[type[NbcopilotError], str] = {
        ContextOverflowError: "context_length_exceeded",
        UnknownModelError: "model_not_found",
        QuotaError: "rate_limit_exceeded",
    }
    kind = "rate_limit_error" if status == 429 else "invalid_request_error" if status < 500 else "server_error"
    return status, {
        "error": {
            "message": str(exc),
            "type": kind,
            "param": exc.param if isinstance(exc, FieldError) else None,
            "code": codes.get(type(exc), exc.code.replace("-", "_")),
            "nbcopilot": {"code": exc.code, "message": exc.message, "hint": exc.hint},
        }
    }


def event(value: object) -> bytes:
    """One server-sent event."""
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode("utf-8", "replace")
