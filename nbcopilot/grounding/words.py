"""Words of a request and of names: split the same way, compared by general measures, with no list of words.

A name is split at marks, digits and changes of case. Two words are alike when they are equal without case, when one
begins the other, when one is an abbreviation of the other (its letters in order, without the vowels), or when few
letters differ. Scripts without blanks are compared as runs of characters.
"""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?", re.UNICODE)
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-zß-öø-ÿ]+|\d+|[^\W\d_A-Za-zß-öø-ÿ]+|[^\W\d_]+", re.UNICODE)
# Below this, two words have nothing to do with each other.
FLOOR = 0.55


@dataclass(frozen=True)
class Word:
    """A word of the request with its place."""

    text: str
    start: int
    end: int


def words(text: str) -> list[Word]:
    """The words of a request in order; names in it stay whole (`net_amt_eur`)."""
    return [Word(m[0], m.start(), m.end()) for m in re.finditer(r"[^\W_]+(?:['’_.][^\W_]+)*", text, re.UNICODE)]


@functools.lru_cache(maxsize=20000)
def parts(name: str) -> tuple[str, ...]:
    """The words that a name is made of, without case and accents: `netAmt_EUR2` is net, amt, eur, 2."""
    return tuple(fold(part) for word in _WORD.findall(name.replace("_", " ")) for part in _PART.findall(word))


@functools.lru_cache(maxsize=20000)
def fold(text: str) -> str:
    """Without case and accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


@functools.lru_cache(maxsize=200000)
def alike(part: str, word: str) -> float:
    """How alike a folded part of a name and a folded word of the request are: 1.0 when equal, 0.0 below FLOOR.

    A name may be the beginning or an abbreviation of the word; a word that is the beginning of a name must be longer.
    """
    if part == word:
        return 1.0
    if not part.isalpha() or not word.isalpha() or len(part) < 2 or len(word) < 2:
        return 0.0
    short, long = sorted((part, word), key=len)
    if not short.isascii() and not is_spaced(short):
        if short not in long:
            return 0.0
        return 0.9 if short == part else 0.8 * len(short) / len(long)  # a run of such a script holds many words
    score = 0.0
    if long.startswith(short) and (len(short) >= (3 if short == part else 4) or (len(short) == 3 and len(long) == 4)):
        score = 0.95 if len(long) - len(short) <= 2 else 0.6 + 0.3 * len(short) / len(long)
    elif short == part and _abbreviates(short, long):
        score = 0.75
    elif len(short) >= 4:
        head = _common_head(short, long)
        ratio = difflib.SequenceMatcher(None, short, long, autojunk=False).ratio()
        if head >= 4 and head >= 0.6 * len(long):
            score = 0.85
        elif ratio >= 0.84:
            score = 0.9 * ratio
    return score if score >= FLOOR else 0.0


def is_spaced(text: str) -> bool:
    """Whether the script of the text writes words apart."""
    return not any("CJK" in unicodedata.name(c, "") or "HIRAGANA" in unicodedata.name(c, "") for c in text[:3])


def _abbreviates(short: str, long: str) -> bool:
    """`qty` of quantity, `dt` of date, `ctry` of country: first letter, then consonants in order."""
    if short[0] != long[0] or len(long) < len(short) + 2 or any(c in "aeiou" for c in short[1:]):
        return False
    rest = iter(long[1:])
    return all(char in rest for char in short[1:]) and len(short) / len(long) >= (0.4 if len(short) == 2 else 0.25)


def _common_head(left: str, right: str) -> int:
    count = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        count += 1
    return count


def initials(some: list[str]) -> str:
    """First letters of words."""
    return "".join(word[0] for word in some if word)
