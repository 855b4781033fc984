"""What a request may hold: JSON in, frozen requests out. Wrong input is one sentence that names the field.

The OpenAI protocol as far as a local model can keep it; what cannot be kept (tools, images ...) is refused, never
ignored. Our own fields stand in the object `nbcopilot` (prefill, answer, language, beams, priority, client).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nbcopilot.errors import UsageError
from nbcopilot.inference import Message, Prompt, Sampling
from nbcopilot.serve.complete import Gap
from nbcopilot.serve.fair_queue import PRIORITIES

# OpenAI's default for text completions; for chat the server's own setting holds.
TEXT_TOKENS = 16
MAX_CANDIDATES = 32
MAX_PROMPTS = 64
_MISSING = object()


class FieldError(UsageError):
    """A field of the request is wrong; `param` names it."""

    def __init__(self, param: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.param = param


@dataclass(frozen=True)
class Asked:
    """A request for completions: `prompts` times `candidates` answers."""

    model: str
    prompts: tuple[Prompt, ...]
    sampling: Sampling
    candidates: int
    chat: bool
    stream: bool
    include_usage: bool
    priority: str
    client: str

    def within(self, tokens: int | None) -> Asked:
        """The same with answers that take no more than `tokens` together (None: no limit), one token each at least."""
        if tokens is None:
            return self
        most = max(1, tokens // (len(self.prompts) * self.candidates))
        return replace(self, sampling=replace(self.sampling, max_tokens=min(self.sampling.max_tokens, most)))


# Fields that change the answer and that we cannot honour, with the values that mean "not used".
_REFUSED: dict[str, tuple[Any, ...]] = {
    "tools": (None, []), "functions": (None, []), "response_format": (None, {"type": "text"}),
    "logit_bias": (None, {}), "frequency_penalty": (None, 0), "presence_penalty": (None, 0), "audio": (None,),
    "best_of": (None, 1), "modalities": (None, ["text"]),
}  # fmt: skip


def chat(body: Mapping[str, Any], *, max_tokens: int) -> Asked:
    """The request in the body of /v1/chat/completions. `max_tokens` is the default."""
    messages = tuple(_message(item, at) for at, item in enumerate(_list(body, "messages")))
    if not messages:
        raise FieldError("messages", "`messages` is empty", hint="send at least one message")
    own = _own(body)
    prefill = _text(own, "prefill", "")
    if messages[-1].role == "assistant" and not prefill:
        # A started answer at the end is continued, as vLLM and llama-server do.
        prefill, messages = messages[-1].content, messages[:-1]
    logprobs = None
    if _flag(body, "logprobs"):
        logprobs = _integer(body, "top_logprobs", 0, low=0, high=20)
    limit = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    prompt = Prompt(
        messages=messages,
        prefill=prefill,
        stop=_stops(body),
        answer=_choice(own, "answer", ("text", "code", "markdown")),  # type: ignore[arg-type]
        language=_text(own, "language", "python"),
    )
    return _asked(body, own, (prompt,), _integer(body, limit, max_tokens, low=1), logprobs, chat=True, urgent=False)


def completion(body: Mapping[str, Any]) -> Asked:
    """The request in the body of /v1/completions; a `suffix` makes it fill-in-the-middle."""
    own = _own(body)
    raw = body.get("prompt", _MISSING)
    texts = [raw] if isinstance(raw, str) else raw
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise FieldError(
            "prompt", "`prompt` must be a text or a list of texts", hint="lists of token ids are not taken"
        )
    if len(texts) > MAX_PROMPTS:
        raise FieldError("prompt", f"`prompt` holds {len(texts)} texts, at most {MAX_PROMPTS} are taken at once")
    suffix = body.get("suffix")
    if suffix is not None and not isinstance(suffix, str):
        raise FieldError("suffix", "`suffix` must be a text")
    prompts = tuple(
        Prompt(
            text=_clean(text),
            suffix=None if suffix is None else _clean(suffix),
            prefill=_text(own, "prefill", ""),
            stop=_stops(body),
            answer="text",
            language=_text(own, "language", "python"),
        )
        for text in texts
    )
    logprobs = None if body.get("logprobs") is None else _integer(body, "logprobs", 0, low=0, high=20)
    limit = _integer(body, "max_tokens", TEXT_TOKENS, low=1)
    return _asked(body, own, prompts, limit, logprobs, chat=False, urgent=suffix is not None)


def read_gap(body: Mapping[str, Any]) -> Gap:
    """The request in the body of /v1/nbcopilot/complete."""
    before = body.get("before") or []
    if not isinstance(before, list) or not all(isinstance(source, str) for source in before):
        raise FieldError("before", "`before` must be a list of texts")
    multiline = body.get("multiline")
    if multiline is not None and not isinstance(multiline, bool):
        raise FieldError("multiline", "`multiline` must be true, false or absent")
    budget = body.get("budget_seconds")
    return Gap(
        prefix=_text(body, "prefix", ""),
        suffix=_text(body, "suffix", ""),
        before=tuple(_clean(source) for source in before),
        language=_text(body, "language", "python"),
        multiline=multiline,
        max_tokens=_integer(body, "max_tokens", Gap("").max_tokens, low=1, high=2048),
        budget_seconds=None if budget is None else _number(body, "budget_seconds", 0.0, low=0, high=3600),
        client=_text(body, "client", ""),
    )


def _asked(
    body: Mapping[str, Any],
    own: Mapping[str, Any],
    prompts: tuple[Prompt, ...],
    max_tokens: int,
    logprobs: int | None,
    *,
    chat: bool,
    urgent: bool,
) -> Asked:
    for name, unused in _REFUSED.items():
        if body.get(name) not in unused:
            raise FieldError(name, f"`{name}` is not supported by this server", hint="omit it")
    echo = _flag(body, "echo")
    if echo and (chat or urgent):
        raise FieldError("echo", "`echo` is for /v1/completions without a `suffix`", hint="omit it")
    sampling = Sampling(
        temperature=_number(body, "temperature", 1.0, low=0, high=5),
        top_p=_number(body, "top_p", 1.0, low=0, high=1),
        top_k=_integer(body, "top_k", 0, low=0),
        min_p=_number(body, "min_p", 0.0, low=0, high=1),
        repetition_penalty=_number(body, "repetition_penalty", 1.0, low=0.1, high=10),
        beams=_integer(own, "beams", 1, low=1, high=16),
        seed=None if body.get("seed") is None else _integer(body, "seed", 0, low=0, high=2**63 - 1),
        max_tokens=max_tokens,
        logprobs=logprobs,
        echo=echo,
    )
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise FieldError("stream_options", "`stream_options` must be an object")
    return Asked(
        model=_text(body, "model", ""),
        prompts=prompts,
        sampling=sampling,
        candidates=_integer(body, "n", 1, low=1, high=MAX_CANDIDATES),
        chat=chat,
        stream=_flag(body, "stream"),
        include_usage=_flag(options, "include_usage"),
        priority=_choice(own, "priority", PRIORITIES, "inline" if urgent else "interactive"),
        client=_text(own, "client", ""),
    )


# --------------------------------------------------------------------------- fields


def _own(body: Mapping[str, Any]) -> Mapping[str, Any]:
    own = body.get("nbcopilot") or {}
    if not isinstance(own, dict):
        raise FieldError("nbcopilot", "`nbcopilot` must be an object")
    return own


def _message(item: object, at: int) -> Message:
    where = f"messages[{at}]"
    if not isinstance(item, dict):
        raise FieldError(where, f"`{where}` must be an object with role and content")
    role = item.get("role")
    if role not in ("system", "developer", "user", "assistant"):
        raise FieldError(f"{where}.role", f"`{where}.role` is {role!r}", hint="it takes system, user or assistant")
    content = item.get("content")
    if isinstance(content, list):
        parts = [
            part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in content
        ]
        if not all(isinstance(part, str) for part in parts):
            raise FieldError(
                f"{where}.content", f"`{where}.content` holds more than text", hint="this model reads text"
            )
        content = "".join(str(part) for part in parts)
    if not isinstance(content, str):
        raise FieldError(f"{where}.content", f"`{where}.content` must be a text")
    return Message("system" if role == "developer" else role, _clean(content))


def _list(body: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = body.get(name, _MISSING)
    if not isinstance(value, list):
        raise FieldError(name, f"`{name}` {'is missing' if value is _MISSING else 'must be a list'}")
    return value


def _stops(body: Mapping[str, Any]) -> tuple[str, ...]:
    raw = body.get("stop")
    stops = [raw] if isinstance(raw, str) else (raw or [])
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise FieldError("stop", "`stop` must be a text or a list of texts")
    return tuple(_clean(stop) for stop in stops if stop)


def _text(body: Mapping[str, Any], name: str, default: str) -> str:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise FieldError(name, f"`{name}` must be a text")
    return _clean(value)


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise FieldError(name, f"`{name}` must be true or false")
    return bool(value)


def _choice(body: Mapping[str, Any], name: str, choices: Sequence[str], default: str | None = None) -> str:
    value = _text(body, name, default or choices[0])
    if value not in choices:
        raise FieldError(name, f"`{name}` is {value!r}", hint="it takes " + ", ".join(choices))
    return value


def _integer(body: Mapping[str, Any], name: str, default: int, *, low: int, high: int | None = None) -> int:
    return int(_within(body, name, default, low, high, lambda value: isinstance(value, int), "a whole number"))


def _number(body: Mapping[str, Any], name: str, default: float, *, low: float, high: float) -> float:
    return float(_within(body, name, default, low, high, lambda value: isinstance(value, int | float), "a number"))


def _within(
    body: Mapping[str, Any],
    name: str,
    default: float,
    low: float,
    high: float | None,
    fits: Callable[[object], bool],
    what: str,
) -> float:
    value = body.get(name)
    if value is None:
        return default
    if not fits(value) or isinstance(value, bool):
        raise FieldError(name, f"`{name}` is {value!r}", hint=f"it takes {what}")
    if value < low or (high is not None and value > high) or value != value:
        top = f" to {high:g}" if high is not None else " or more"
        raise FieldError(name, f"`{name}` is {value}", hint=f"it takes {low:g}{top}")
    return float(value) if isinstance(value, float) else int(value)


def _clean(text: str) -> str:
    """`text` with lone surrogates replaced: no tokenizer takes them."""
    return text.encode("utf-8", "replace").decode("utf-8")
