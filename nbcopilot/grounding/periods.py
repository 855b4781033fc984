"""Calendar units that a request speaks of ("per month", "90 days", "je Woche"), by the names that CLDR has for them."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from nbcopilot.grounding.words import Word, fold, is_spaced

# From fine to coarse; pandas's own letters.
ORDER = ("min", "h", "D", "W", "M", "Q", "Y")
NAMES = {"min": "minute", "h": "hour", "D": "day", "W": "week", "M": "month", "Q": "quarter", "Y": "year"}


@dataclass(frozen=True)
class Period:
    """A unit in the request. count: the number before it, None for "per month"."""

    unit: str
    phrase: str
    count: float | None = None


@functools.cache
def _table() -> dict[str, str]:
    data = json.loads((resources.files("nbcopilot.grounding") / "units.json").read_text(encoding="utf-8"))
    return {form: unit for kind in ("many", "one") for unit, forms in data[kind].items() for form in forms}


@functools.cache
def _plurals() -> frozenset[str]:
    """Forms that stand for several: without a number before them they name no period."""
    data = json.loads((resources.files("nbcopilot.grounding") / "units.json").read_text(encoding="utf-8"))
    return frozenset(form for forms in data["many"].values() for form in forms)


def periods(said: Sequence[Word]) -> tuple[Period, ...]:
    """The units of a request in order, each once for each count."""
    found: dict[tuple[str, float | None], Period] = {}
    for word in said:
        for period in _unspaced(word.text):
            found.setdefault((period.unit, period.count), period)
    for i, word in enumerate(said):
        count, rest = _number(fold(word.text))
        unit = _unit(rest)
        if not unit:
            continue
        phrase = word.text
        if count is None and i and said[i - 1].text.replace(".", "", 1).isdigit():
            count, phrase = float(said[i - 1].text), f"{said[i - 1].text} {word.text}"
        if count is None and rest in _plurals():
            continue
        found.setdefault((unit, count), Period(unit, phrase, count))
    return tuple(found.values())


def is_unit(word: str) -> bool:
    """Whether a word is the name of a calendar unit."""
    return bool(_unit(fold(word)))


def _unspaced(text: str) -> Iterator[Period]:
    """Units inside a run of a script that writes no blanks: 每周, 最近90天."""
    if text.isascii():
        return
    for form, unit in _table().items():
        at = text.find(form) if not is_spaced(form) else -1
        if at < 0:
            continue
        digits = re.search(r"(\d+)\s*\Z", text[:at])
        if digits:
            yield Period(unit, digits[1] + form, float(digits[1]))
        elif unit in ("W", "M", "Q"):
            yield Period(unit, form)


def _number(text: str) -> tuple[float | None, str]:
    """`24h` is 24 and h."""
    digits = text[: len(text) - len(text.lstrip("0123456789."))]
    return (float(digits), text[len(digits) :]) if digits.replace(".", "", 1).isdigit() else (None, text)


@functools.lru_cache(maxsize=4096)
def _unit(word: str) -> str:
    table = _table()
    if word in table or not word:
        return table.get(word, "")
    if not word.isascii() and not word.isalpha():
        return ""
    # Made from a unit's name with an ending ("monthly", "wöchentlich"): the whole name at its head.
    near = [
        (len(form), unit)
        for form, unit in table.items()
        if len(form) >= 4 and word.startswith(form) and len(word) - len(form) <= max(4, len(form) + 1)
    ]
    form, unit = max(near, default=(0, ""))
    # "weekday" and "Wochentag" are made of two units and name neither.
    return "" if any(word[form:].endswith(other) for other in table if len(other) >= 3) else unit
