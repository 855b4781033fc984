"""What a value looks like: drawn at random, a placeholder, an expression of the language, an ordinary word."""

from __future__ import annotations

import math
import re
from collections import Counter

from nbcopilot.redaction.rule import words

_PLACEHOLDER = re.compile(
    r"(?ix) [x*.\-_#?0•… ]+ | <.*>? | \[.*\] | \{.*\} | \$[({A-Z_a-z].* | %\(.*\)s | %[sdr]"
    r"| (?:my|your|the|some|an?|insert|enter|put|add|type|choose|please|use|set)(?:\s[\w .'-]*)? "
    r"| (?:my|your|the|some|insert|enter|put|add|replace)[_-].* | .*(?:_here|-here|\.\.\.|…|_goes_here) | change[_-]?(?:me|it|this) "
    r"| (?:example|dummy|fake|test|foo|bar|foobar|none|null|nil|nan|na|n/a|true|false|todo|tbd|string|str|text|placeholder|redacted|hidden|empty|undefined|default|unknown)"
    r"| (?:user[_-]?|new[_-]?|old[_-]?|current[_-]?|db[_-]?|login[_-]?)?(?:password|passwort|passwd|pass|pwd|pw|secret|token|key|api[_-]?key|apikey|access[_-]?token|credentials?)s?[:?]?"
    r"| env(?:ironment)? | (?:os\.|env:|vault:|secret:).* | prompt | required | optional | \w*(?:type|password|text|hidden)input"
)
# Words that say something of a password where one could stand ("Password: incorrect").
_TELLING = words(
    "required optional string incorrect invalid missing hidden encrypted accepted expired changed reset forgotten wrong "
    "correct enabled disabled protected secure insecure strong weak unknown basic bearer digest plain plaintext hashed "
    "masked visible needed mandatory boolean integer number object array bytes secretstr optional[str] stored shown "
    "authentication authenticated authorization login username email private public admin cleared removed saved unset "
    "input getpass token tokens password passwords secret secrets field column value values returns return raises "
    "called given passed inherited computed generated automatic manual ignored allowed denied failed success successful "
    "length contains matches between system default localhost positional keyword argument parameter"
)
_NAME = re.compile(r"[^\W\d][\w.]*")
_SECRET_WORD = re.compile(r"(?i)passw|passwd|secret|token|api_?key|cred|pwd|auth")
_LANGUAGE = re.compile(
    r"""[(\[{<$`]|\bNone\b|\bTrue\b|\bFalse\b|^(?:self|os|sys|config|settings|args|env|st|np|pd)\."""
)


def entropy(text: str) -> float:
    """Bits a character by the counts of the characters of `text` (Shannon)."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def is_placeholder(value: str) -> bool:
    """Whether the value stands for one that is to be filled in: `YOUR_API_KEY`, `<token>`, `****`, `{password}`."""
    stripped = value.strip()
    return not stripped or bool(_PLACEHOLDER.fullmatch(stripped[:120]))


def is_random(value: str, least: int = 16, bits: float = 3.0) -> bool:
    """Whether `value` looks drawn at random: no blanks, letters with digits or mixed case, enough different characters."""
    if len(value) < least or re.search(r"\s", value):
        return False
    digits, low, high = (bool(re.search(kind, value)) for kind in (r"\d", r"[a-z]", r"[A-Z]"))
    if not (low or high) or not (digits or (low and high and len(re.findall(r"[a-z][A-Z]", value[:200])) > 3)):
        return False
    return entropy(value[:200]) >= bits


def is_word_like(value: str) -> bool:
    """Whether `value` reads as words: kebab-case, snake_case, a path, a dotted name, with at most a number at the end."""
    return bool(
        re.fullmatch(r"(?:[A-Za-z]{2,}|\d{1,4})(?:[-_./: ][A-Za-z]{1,}\d{0,3}|[-_./: ]v?\d{1,4})*\d{0,2}", value)
    )


def mixed(value: str) -> bool:
    """Whether letters and digits both occur."""
    return bool(re.search(r"\d", value)) and bool(re.search(r"[^\W\d_]", value))


def is_literal(value: str, *, words: bool, names: bool = True) -> bool:
    """Whether an unquoted `value` is a value, not an expression of the language, a placeholder or a remark.

    words: a word of letters alone counts (what is read is a file of settings, not code). names: a name of the
    language with a digit in it (`hunter2`) counts.
    """
    if len(value) < 3 or is_placeholder(value) or _LANGUAGE.search(value):
        return False
    if re.fullmatch(r"[\d.,:/-]+", value):
        return bool(re.fullmatch(r"\d{6,}", value))
    if _NAME.fullmatch(value):
        if "." in value and not words:
            return False
        if mixed(value):
            return len(value) >= 4 and (words or (names and len(value) >= 6 and not _SECRET_WORD.search(value)))
        return words and len(value) >= 5 and value.lower() not in _TELLING
    return bool(re.search(r"\w", value)) and value.lower().rstrip(".,!?") not in _TELLING
