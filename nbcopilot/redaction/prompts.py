"""A prompt without secrets: every text of it that a model sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nbcopilot.inference import Message, Prompt
from nbcopilot.redaction.redact import redact, redact_pair


def redact_prompt(prompt: Prompt, *, personal: bool = False, clean: Callable[[str], str] | None = None) -> Prompt:
    """`prompt` with every text redacted. A text with a suffix is looked at as one: the cursor may stand in a secret.

    clean: redacts one text, for callers that remember what they have seen.
    """

    def plain(text: str) -> str:
        return redact(text, personal=personal)[0]

    clean = clean or plain
    text, suffix = prompt.text, prompt.suffix
    if text is not None and suffix is not None:
        text, suffix, _ = redact_pair(text, suffix, personal=personal)
    elif text is not None:
        text = clean(text)
    messages = tuple(Message(message.role, clean(message.content)) for message in prompt.messages)
    return replace(prompt, messages=messages, text=text, suffix=suffix, prefill=clean(prompt.prefill))
