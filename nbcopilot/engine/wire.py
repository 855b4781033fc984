"""The OpenAI-compatible protocol as the asking side sees it: request bodies, events, errors. Pure, no sockets.

Servers differ in what they take beyond the protocol (a prefilled answer, several candidates, top_k ...);
`Family` says what each one is known to take. How text is carried is `remote`'s business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbcopilot import errors
from nbcopilot.errors import (
    ContextOverflowError,
    EngineError,
    EngineUnavailableError,
    NbcopilotError,
    UnknownModelError,
)
from nbcopilot.inference import Prompt, Sampling, TokenScore, Usage

# OpenAI's own limit; some servers refuse more. The rest is applied on this side.
MAX_STOPS = 4


@dataclass(frozen=True)
class Family:
    """What a kind of server takes. `prefill` is how it continues a started answer: "field", "flags", "last" or "".

    `many`: several candidates in one request. `suffix`: fill-in-the-middle by that field; without it the model's own
    tokens are tried first.
    """

    name: str
    prefill: str = ""
    many: bool = False
    suffix: bool = True
    more: Mapping[str, str] = field(default_factory=dict)


_MORE = {"top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repetition_penalty"}
_LLAMA = {"top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repeat_penalty"}
OURS = Family("nbcopilot", prefill="field", many=True, more=_MORE)
UNKNOWN = Family("unknown")
# `owned_by` in the answer of /v1/models -> what is known of that server.
FAMILIES = {
    "nbcopilot": OURS,
    "vllm": Family("vLLM", prefill="flags", many=True, more=_MORE),
    "sglang": Family("SGLang", prefill="flags", many=True, more=_MORE),
    "llamacpp": Family("llama-server", prefill="last", more=_LLAMA),
    "library": Family("Ollama", prefill="last"),
    # Takes a suffix, and puts it where the Qwen models do not expect it (0.3.36).
    "me": Family("llama-cpp-python", suffix=False, more=_LLAMA),
}
# Fill-in-the-middle for servers that know no `suffix`: model family -> prefix, suffix and middle token.
FIM_TOKENS = {
    "qwen": ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    "starcoder": ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    "deepseek": ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    "codellama": ("<PRE> ", " <SUF>", " <MID>"),
}


# --------------------------------------------------------------------------- what is asked


def request(
    prompt: Prompt,
    sampling: Sampling,
    family: Family,
    *,
    model: str,
    candidates: int = 1,
    extra: Mapping[str, Any] = {},
) -> tuple[str, dict[str, Any]]:
    """(path below /v1, body) of the streaming request. `extra` are fields for our own server."""
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if candidates > 1:
        body["n"] = candidates
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    defaults = Sampling()
    for name, theirs in family.more.items():
        if getattr(sampling, name) != getattr(defaults, name):
            body[theirs] = getattr(sampling, name)
    if prompt.stop and not strips_opening(prompt, family):
        body["stop"] = list(prompt.stop if family is OURS else prompt.stop[:MAX_STOPS])
    if family is OURS:
        own = {"prefill": prompt.prefill, "answer": prompt.answer, "language": prompt.language}
        body["nbcopilot"] = {**own, "beams": sampling.beams, **extra}
    elif sampling.beams > 1:
        raise EngineError(f"{family.name} servers take no beam search", hint="omit --beams")
    if prompt.text is not None:
        return "/completions", body | _text(prompt, sampling, family)
    messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
    if prompt.prefill and family.prefill in ("flags", "last"):
        messages.append({"role": "assistant", "content": prompt.prefill})
        if family.prefill == "flags":
            body |= {"continue_final_message": True, "add_generation_prompt": False}
    if sampling.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": sampling.logprobs}
    return "/chat/completions", body | {"messages": messages}


def _text(prompt: Prompt, sampling: Sampling, family: Family) -> dict[str, Any]:
    # Only our own server can put the start of the answer behind the suffix.
    body: dict[str, Any] = {"prompt": (prompt.text or "") + ("" if family is OURS else prompt.prefill)}
    if prompt.suffix is not None:
        body["suffix"] = prompt.suffix
    if sampling.logprobs is not None:
        body["logprobs"] = sampling.logprobs
    if sampling.echo:
        body["echo"] = True
    return body


def without_suffix(body: Mapping[str, Any], model: str) -> dict[str, Any] | None:
    """The fill-in-the-middle request with the model's own tokens in the prompt; None when they are not known."""
    tokens = next((tokens for name, tokens in FIM_TOKENS.items() if name in model.lower()), None)
    if tokens is None or "suffix" not in body:
        return None
    before, after, middle = tokens
    rest = {name: value for name, value in body.items() if name != "suffix"}
    return rest | {"prompt": f"{before}{body['prompt']}{after}{body['suffix']}{middle}"}


def encode(body: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8; a lone surrogate becomes a question mark, because no tokenizer takes it."""
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def strips_opening(prompt: Prompt, family: Family) -> bool:
    """Whether the opening fence of the prefill must be found in the answer, because the server cannot be given it."""
    return "```" in prompt.prefill and not family.prefill


# --------------------------------------------------------------------------- what comes back


@dataclass(frozen=True)
class Delta:
    """One piece of one candidate as it came over the wire."""

    index: int
    text: str
    finish: str | None = None
    usage: Usage | None = None
    scores: tuple[TokenScore, ...] = ()


def events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The JSON objects of a server-sent event stream, up to `[DONE]` (which is yielded as {"done": True})."""
    for line in lines:
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            yield {"done": True}
            return
        if data:
            value = json.loads(data)
            yield value if isinstance(value, dict) else {}


def deltas(event: Mapping[str, Any]) -> Iterator[Delta]:
    """The pieces of one event or of one whole answer, chat or text."""
    for choice in event.get("choices") or ():
        message = choice.get("delta") or choice.get("message") or {}
        own = choice.get("nbcopilot") or {}
        yield Delta(
            index=choice.get("index") or 0,
            text=choice.get("text") or message.get("content") or "",
            finish=choice.get("finish_reason"),
            usage=Usage(**own) if own else None,
            scores=tuple(_scores(choice.get("logprobs") or {})),
        )


def _scores(logprobs: Mapping[str, Any]) -> Iterator[TokenScore]:
    if logprobs.get("content"):
        for item in logprobs["content"]:
            top = tuple((other["token"], other["logprob"]) for other in item.get("top_logprobs") or ())
            yield TokenScore(item["token"], item["logprob"], top)
    elif logprobs.get("tokens"):
        tops = logprobs.get("top_logprobs") or [None] * len(logprobs["tokens"])
        for token, logprob, others in zip(logprobs["tokens"], logprobs["token_logprobs"], tops, strict=False):
            yield TokenScore(token, logprob or 0.0, tuple((others or {}).items()))


def usage(event: Mapping[str, Any]) -> Usage | None:
    """The totals of the request, when this event carries them."""
    found = event.get("usage")
    if not found:
        return None
    cached = (found.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Usage(found.get("prompt_tokens") or 0, found.get("completion_tokens") or 0, cached)


# --------------------------------------------------------------------------- what goes wrong


def error(status: int, body: str, *, where: str, model: str, models: Sequence[str] = ()) -> NbcopilotError:
    """The error that an HTTP status (0: an event within the stream) and its body stand for."""
    detail = _detail(body)
    own = detail.get("nbcopilot")
    known = of_code(str(own.get("code")), str(own.get("message")), str(own.get("hint") or "")) if own else None
    if known is not None:
        return known
    said = str(detail.get("message") or "").strip().rstrip(".")
    if status in (401, 403):
        what = "key" if status == 401 else "request"
        return EngineUnavailableError(
            f"{where} refuses the {what} ({status}): {said or 'no reason given'}",
            hint="set api_key (NBCOPILOT_API_KEY)",
        )
    if status == 404:
        return UnknownModelError(
            f"{where} has no model `{model}`", hint=f"it has {', '.join(models[:8])}" if models else "check the URL"
        )
    if detail.get("code") == "context_length_exceeded" or re.search(
        r"context.{0,20}(length|window|size)|too long", said, re.I
    ):
        return ContextOverflowError(said or f"the prompt is too long for {model}", hint="lower context_tokens")
    if status == 429:
        return EngineUnavailableError(f"{where} is busy (429): {said or 'too many requests'}", hint="try again later")
    if status >= 500 or status == 0:
        return EngineUnavailableError(f"{where} failed ({status or 'in the answer'}): {said or 'no reason given'}")
    return EngineError(f"{where} refused the request ({status}): {said or 'no reason given'}")


def _detail(body: str) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {"message": re.sub(r"<[^>]+>|\s+", " ", body)[:200]}
    if not isinstance(value, dict):
        return {"message": str(value)[:200]}
    found = value.get("error", value.get("detail", value))
    return found if isinstance(found, dict) else {"message": str(found)[:200]}


def of_code(code: str, message: str, hint: str) -> NbcopilotError | None:
    """The error of our own tree that `code` names, or None."""
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, NbcopilotError)]
    kind = next((cls for cls in found if cls.code == code), None)
    return kind(message, hint=hint) if kind else None
