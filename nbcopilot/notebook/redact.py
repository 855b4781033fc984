"""Secrets out of text, with the shape of the text kept: `key = "AKIA…"` becomes `key = "<redacted:aws-key>"`.

Used before anything is sent to a model and before anything is written. Tokens of known form are found by the
patterns of detect-secrets, used directly because its settings are global, and by our own where it is weak or silent:
newer token forms, whole key blocks, passwords in URLs and connection strings, assignments to secret-looking names,
headers, command lines and `.env` lines. Random-looking text alone is not taken for a secret: hashes, ids, data stay.
"""

from __future__ import annotations

import functools
import importlib
import math
import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple


class _Rule(NamedTuple):
    """Replace the group `secret` of each match that `accept` believes; tried only when one of `hints` occurs."""

    label: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    accept: Callable[[re.Match[str]], bool]


def redact(text: str) -> tuple[str, int]:
    """`text` with every secret replaced by `<redacted:kind>`, and the count of replacements.

    Deterministic, idempotent, thread-safe; some 20 ms for 200 kB.
    """
    count = 0
    lowered = text.lower()
    for rule in _RULES:
        if any(hint in lowered for hint in rule.hints):
            text, replaced = _apply(rule, text)
            count += replaced
    if _TOKEN_LIKE.search(text):
        for rule in _detectors():
            text, replaced = _apply(rule, text)
            count += replaced
    return text, count


def _apply(rule: _Rule, text: str) -> tuple[str, int]:
    parts: list[str] = []
    at = count = 0
    for match in rule.pattern.finditer(text):
        start, end = match.span("secret" if "secret" in rule.pattern.groupindex else 0)
        if start < at or "<redacted:" in text[start:end] or not rule.accept(match):
            continue
        parts += [text[at:start], f"<redacted:{rule.label}>"]
        at, count = end, count + 1
    return ("".join(parts) + text[at:], count) if count else (text, 0)


# --------------------------------------------------------------------------- what is believed


def _always(match: re.Match[str]) -> bool:
    return True


def _random(text: str, bits: float = 3.0) -> bool:
    """Whether `text` looks drawn at random: letters and digits, no blanks, enough different characters."""
    if len(text) < 16 or not re.search(r"\d", text) or not re.search(r"[A-Za-z]", text) or re.search(r"\s", text):
        return False
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts) >= bits


def _random_secret(match: re.Match[str]) -> bool:
    return _random(match["secret"])


def _mixed_case(match: re.Match[str]) -> bool:
    """Digits and both cases: an OpenAI-style key, not a CSS class such as `sk-estimator-id-1`."""
    text = match["secret"]
    return _random(text) and text != text.lower() and text != text.upper()


_PLACEHOLDER = re.compile(
    r"(?ix) [x*.\-_#?0 ]+ | <.*> | \[.*\] | \{.*\} | \$.* | %\(.*\)s | %s | (?:my|your|the|some|an?|insert|enter|put|add)\b.* "
    r"| (?:my|your|the|some|insert|enter|put|add)[_-].* | .*(?:_here|-here|\.\.\.|…) | change[_-]?(?:me|it|this) "
    r"| (?:example|dummy|fake|test|foo|bar|foobar|none|null|nil|true|false|todo|string|str|text|placeholder|redacted|hidden|empty)"
    r"| (?:user_?)?(?:password|passwd|pass|pwd|secret|token|key|api[_-]?key|apikey|access[_-]?token|credentials?)s?[:?]? "
    r"| env(?:ironment)? | (?:os\.|env:).*",
)
# Words after the secret word that say that the value is about a secret, not one.
_ABOUT = re.compile(
    r"(?i)_?(?:path|file|filename|dir|url|uri|endpoint|name|field|column|col|label|id|type|length|len|size|env|var|prefix"
    r"|suffix|format|regex|pattern|hint|prompt|message|msg|text|title|description|index|count|policy|header|class|hash"
    r"|strategy|vocab|map|ids|list|s)\Z"
)


def _named(match: re.Match[str]) -> bool:
    """A quoted value given to a secret-looking name: passwords by any real value, tokens and keys by a random one."""
    value, word, rest = match["secret"], match["word"].lower(), match["rest"]
    if value.lstrip()[:1] in (")", "]", ",", ";"):  # a colon inside a string that ends here: "Password: ")
        return False
    if _PLACEHOLDER.fullmatch(value.strip()) or _ABOUT.search(rest) or value.count(" ") > 1:
        return False
    if "token" in word or word in ("auth", "credential"):
        return _random(value)
    if "key" in word:
        return len(value) >= 8 and " " not in value and bool(re.search(r"\d|[a-z][A-Z]|[A-Z][a-z]+[A-Z]", value))
    return len(value) >= 4


def _not_placeholder(match: re.Match[str]) -> bool:
    return not _PLACEHOLDER.fullmatch(match["secret"])


def _plain_value(match: re.Match[str]) -> bool:
    """An unquoted value (`.env`, command line): not a placeholder, not a name or call of the language."""
    value = match["secret"]
    return not _PLACEHOLDER.fullmatch(value) and bool(re.search(r"\d", value)) and bool(re.search(r"[A-Za-z]", value))


def _environment(match: re.Match[str]) -> bool:
    """`NAME=value` as in `.env` files and shells, with a name that says secret."""
    if match["sign"] == " " and not match["lead"]:
        return False
    return bool(re.search(_WORDS, match["name"], re.IGNORECASE)) and _plain_value(match)


# --------------------------------------------------------------------------- the rules

_WORDS = (
    r"passw(?:or)?d|passwd|passphrase|pwd|secret|client_?secret|api[_-]?key|access[_-]?key|secret[_-]?key|auth[_-]?key"
    r"|service[_-]?key|account[_-]?key|private[_-]?key|encryption[_-]?key|subscription[_-]?key|token|credential"
)
_NAME_HINTS = ("passw", "passphrase", "pwd", "secret", "key", "token", "credential")
_VALUE = r"(?P<quote>[\"'`])(?P<secret>(?:(?!(?P=quote))[^\\\n]|\\.){4,400})(?P=quote)"


def _rule(
    label: str, hints: tuple[str, ...], pattern: str, accept: Callable[[re.Match[str]], bool] = _always, flags: int = 0
) -> _Rule:
    return _Rule(label, hints, re.compile(pattern, flags), accept)


_RULES = (
    _rule(
        "private-key",
        ("private key",),
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?P<secret>(?:(?!-----(?:END|BEGIN)).)+)"
        r"(?=-----END|(?P<unclosed>\Z))",
        _always,
        re.DOTALL,
    ),
    _rule("aws-key", ("akia", "asia", "a3t", "abia", "acca"), r"\b(?P<secret>(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16})\b"),
    _rule("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"), r"\b(?P<secret>gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_\w{22,255})\b"),
    _rule("gitlab-token", ("glpat-",), r"\b(?P<secret>glpat-[A-Za-z0-9_-]{20,})"),
    _rule("slack-token", ("xox", "xapp-"), r"\b(?P<secret>(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,})"),
    _rule("openai-key", ("sk-",), r"\b(?P<secret>sk-(?:proj-|svcacct-|admin-|ant-|or-)?[A-Za-z0-9_-]{20,})", _mixed_case),
    _rule("huggingface-token", ("hf_", "api_org_"), r"\b(?P<secret>(?:hf|api_org)_[A-Za-z0-9]{30,})\b"),
    _rule("google-key", ("aiza", "ya29."), r"\b(?P<secret>AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,})"),
    _rule("npm-token", ("npm_",), r"\b(?P<secret>npm_[A-Za-z0-9]{36})\b"),
    _rule("databricks-token", ("dapi",), r"\b(?P<secret>dapi[a-f0-9]{32}(?:-\d)?)\b"),
    _rule("digitalocean-token", ("_v1_",), r"\b(?P<secret>do[opr]_v1_[a-f0-9]{64})\b"),
    _rule("replicate-token", ("r8_",), r"\b(?P<secret>r8_[A-Za-z0-9]{37})\b"),
    _rule("jwt", ("eyj",), r"\b(?P<secret>eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?)"),
    _rule(
        "password",
        ("://",),
        r"[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@'\"`<>{}]*:(?P<secret>[^\s@'\"`/]{1,200})@(?=[\w\[{%$<])",
        _not_placeholder,
    ),
    _rule(
        "password",
        ("password", "pwd", "accountkey", "sharedaccesskey"),
        r"(?<=[;'\"`])\s?(?:password|pwd|AccountKey|SharedAccessKey)=(?P<secret>[^\s;'\"`{}<>,]{3,200})(?=;|['\"`])",
        _not_placeholder,
        re.IGNORECASE,
    ),
    _rule(
        "bearer-token",
        ("bearer", "authorization"),
        r"\b(?:Bearer|Authorization['\"]?\s*[:=]\s*['\"]?(?:Basic|Token|Bearer))\s+(?P<secret>[A-Za-z0-9._~+/-]{12,}={0,2})",
        lambda match: bool(re.search(r"\d|[a-z][A-Z]|=\Z", match["secret"])),
        re.IGNORECASE,
    ),
    _rule(
        "password",
        ("auth",),
        r"\bauth\s*=\s*\(\s*['\"][^'\"\n]{1,100}['\"]\s*,\s*['\"](?P<secret>[^'\"\n]{4,200})['\"]",
        _not_placeholder,
    ),
    _rule("kaggle-key", ("username",), r"['\"]username['\"]\s*:\s*['\"][^'\"]+['\"]\s*,\s*['\"]key['\"]\s*:\s*['\"](?P<secret>[0-9a-f]{32})['\"]"),
    _rule(
        "secret",
        _NAME_HINTS,
        # name (possibly quoted, subscripted or annotated), then = : => == or !=, then a quoted value
        rf"(?P<word>{_WORDS})(?P<rest>[\w-]{{0,40}})['\"`\])]{{0,3}}(?:\s*:\s*[A-Za-z][\w.\[\]| ]{{0,30}}?)?"
        rf"\s*(?::=|=>|[=!]==?|[:=])\s*[rbufRBUF@]{{0,2}}{_VALUE}",
        _named,
        re.IGNORECASE,
    ),
    _rule(
        "secret",
        _NAME_HINTS,
        rf"(?:getenv|environ\.get|setdefault|setenv|putenv|set_key|set_secret)\(\s*['\"]\w*(?P<word>{_WORDS})(?P<rest>\w{{0,40}})['\"]\s*,\s*{_VALUE}",
        _named,
        re.IGNORECASE,
    ),
    _rule(
        "secret",
        _NAME_HINTS,
        r"^[ \t]*(?P<lead>!?export[ \t]+|%(?:set_)?env[ \t]+|!?set[ \t]+)?(?P<name>[A-Z_][A-Z0-9_]{2,80})(?P<sign>[= ])"
        r"(?P<secret>[^\s'\"#$(){}\[\]]{6,400})[ \t]*$",
        _environment,
        re.IGNORECASE | re.MULTILINE,
    ),
    _rule(
        "secret",
        ("--",),
        r"(?<!\w)--(?:password|passwd|token|api-key|apikey|secret|access-token|auth-token)[= ](?P<secret>[^\s'\"$`{}<>-][^\s'\"`{}<>]{5,})",
        _plain_value,
        re.IGNORECASE,
    ),
)  # fmt: skip

# Only a text with a run like this can hold a token that detect-secrets knows and the rules above do not.
_TOKEN_LIKE = re.compile(r"(?<![\w-])(?=[A-Za-z_-]{0,40}\d)(?=[\d_-]{0,40}[A-Za-z])[\w-]{20,}|hooks\.slack\.com")

# Detectors of detect-secrets whose whole match is the secret: module, class, label.
_DETECTORS = (
    ("gitlab_token", "GitLabTokenDetector", "gitlab-token"),
    ("slack", "SlackDetector", "slack-token"),
    ("stripe", "StripeDetector", "stripe-key"),
    ("sendgrid", "SendGridDetector", "sendgrid-key"),
    ("pypi_token", "PypiTokenDetector", "pypi-token"),
    ("square_oauth", "SquareOAuthDetector", "square-key"),
    ("telegram_token", "TelegramBotTokenDetector", "telegram-token"),
    ("discord", "DiscordBotTokenDetector", "discord-token"),
    ("mailchimp", "MailchimpDetector", "mailchimp-key"),
    ("openai", "OpenAIDetector", "openai-key"),
    ("twilio", "TwilioKeyDetector", "twilio-key"),
)


@functools.cache
def _detectors() -> tuple[_Rule, ...]:
    """The patterns of detect-secrets, loaded when a text first needs them: it imports a web client (0.3 s)."""
    rules = []
    for module, name, label in _DETECTORS:
        detector = getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)
        for pattern in detector.denylist:
            # Its patterns have no boundaries: inside base64 data anything matches somewhere.
            bounded = re.compile(
                rf"(?<![A-Za-z0-9+/=_-])(?P<secret>{pattern.pattern})(?![A-Za-z0-9+/=_-])", pattern.flags
            )
            rules.append(_Rule(label, (), bounded, _random_enough))
    return tuple(rules)


def _random_enough(match: re.Match[str]) -> bool:
    return _random(match["secret"], 2.5) or "hooks.slack.com" in match["secret"]
