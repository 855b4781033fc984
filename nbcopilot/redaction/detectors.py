"""What detect-secrets knows: the patterns of its plugins, used directly because its settings are global.

Loaded when a text first needs them: detect-secrets imports a web client (0.3 s).
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator

from nbcopilot.redaction.rule import MARK, Rule, Span
from nbcopilot.redaction.values import is_random

# Only a text with a run like this can hold a token that the plugins know.
_TOKEN_LIKE = re.compile(r"(?<![\w-])(?=[A-Za-z_-]{0,40}\d)(?=[\d_-]{0,40}[A-Za-z])[\w-]{20,60}")

# Plugins whose whole match is the secret: module, class, label, words without which it is not tried.
_PLUGINS = (
    ("stripe", "StripeDetector", "payment-key", ("_live_",)),
    ("pypi_token", "PypiTokenDetector", "package-token", ("pypi-",)),
    ("square_oauth", "SquareOAuthDetector", "payment-key", ("sq0",)),
    ("telegram_token", "TelegramBotTokenDetector", "telegram-token", (":",)),
    ("mailchimp", "MailchimpDetector", "mail-key", ("-us",)),
    ("openai", "OpenAIDetector", "openai-key", ("t3blbkfj",)),
    ("discord", "DiscordBotTokenDetector", "discord-token", (".",)),
)


def spans(text: str, lowered: str) -> Iterator[Span]:
    """The tokens in `text` that detect-secrets knows."""
    if _TOKEN_LIKE.search(text):
        for rule in rules():
            yield from rule.spans(text, lowered)


@functools.cache
def rules() -> tuple[Rule, ...]:
    """A rule for each pattern of the plugins, bounded: inside base64 data anything matches somewhere."""
    found = []
    for module, name, label, hints in _PLUGINS:
        detector = getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)
        for pattern in detector.denylist:
            bounded = rf"(?<![A-Za-z0-9+/=_-])(?P<secret>{pattern.pattern})(?![A-Za-z0-9+/=_-])"
            found.append(Rule(label, hints, re.compile(bounded, pattern.flags), _random_enough))
    return tuple(found)


def _random_enough(match: re.Match[str]) -> bool:
    return is_random(match["secret"], 16, 2.5) and MARK not in match[0]
