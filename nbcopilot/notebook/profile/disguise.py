"""Text columns that hold numbers or dates: the expression that reads all of them, found by trying, never guessed.

General over marks and formats: a parse counts only when it reads every value that is not blank.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from nbcopilot.live_state import Disguise
from nbcopilot.notebook.inspecting import library

# Distinct texts that a parse is tried on.
SAMPLE = 2000
# Different texts around the number (currencies, units) that one column may have.
AFFIXES = 6
_NUMBER = re.compile(r"^(?P<before>[^\d]*?)(?P<sign>[-+−(]?)(?P<body>\d[\d.,'’\s ]*)(?P<after>[^\d]*)$")
# A number with its thousands mark, by its decimal mark.
_GROUPED = {
    ".": r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?",
    ",": r"(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d*)?",
}
_DAYS = (
    "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d", "%Y%m%d", "%d.%m.%y",
    "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d-%b-%Y", "%d/%b/%Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%Y-%m", "%m/%Y", "%b %Y",
)  # fmt: skip
_HOURS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M", "T%H:%M:%S", "T%H:%M:%S.%f", ":%H:%M:%S")
_ZONES = ("", "Z", "%z", " %z")


def disguise(texts: Sequence[str]) -> Disguise | None:
    """The Disguise of a column with these distinct texts, or None when it is plain text."""
    filled = [text for text in texts if text.strip()]
    if len(filled) < 2 and not (filled and len(texts) > 1):
        return None
    return _date(filled) or _number(filled, blank=len(filled) < len(texts))


# --------------------------------------------------------------------------- numbers


def _number(texts: Sequence[str], *, blank: bool) -> Disguise | None:
    found = [_NUMBER.match(text.strip()) for text in texts]
    good = [match for match in found if match]
    if len(good) < len(texts) or not good:
        return None
    before, after = {m["before"].strip() for m in good}, {m["after"].strip() for m in good}
    if len(before) + len(after) > AFFIXES or any(m["sign"] == "(" for m in good):
        return None
    words = {text for text in after if text and not _is_currency(text)}
    if not all(map(_is_currency, before - {""})) or len(words) > 1:  # A12, item 7, 7a and 7b are names
        return None
    bodies = [re.sub(r"[\s '’]", "", m["body"]) for m in good]
    bare = not any(before | after)
    if bare and _are_codes(bodies):
        return None
    mark = _decimal_mark(bodies)
    if mark is None:
        return None
    if not all(re.fullmatch(_GROUPED[mark], body) for body in bodies):
        return None
    values = [float(_plain(m["sign"] + body, mark)) for m, body in zip(good, bodies, strict=True)]
    simple = (
        bare
        and mark == "."
        and not any("," in body or body != m["body"].strip() for m, body in zip(good, bodies, strict=True))
    )
    parse = _number_parse(mark, simple=simple, blank=blank)
    return Disguise("number", parse, texts[0], f"{min(values):g}", f"{max(values):g}")


def _are_codes(bodies: Sequence[str]) -> bool:
    """Digits that are no amount: with leading zeros, or all of one length."""
    if not all(body.isdigit() for body in bodies):
        return False
    return any(len(body) > 1 and body[0] == "0" for body in bodies) or len({len(body) for body in bodies}) == 1


def _is_currency(text: str) -> bool:
    """A sign such as $ or R$, or a code of three capitals, with the marks around it."""
    letters = text.strip(" .:~≈+")
    return (
        any(unicodedata.category(char) == "Sc" for char in letters)
        or bool(re.fullmatch("[A-Z]{3}", letters))
        or not letters
    )


def _decimal_mark(bodies: Sequence[str]) -> str | None:
    """ "." or ",": which of them ends the whole part; None when the texts contradict each other."""
    votes: set[str] = set()
    for body in bodies:
        dots, commas = body.count("."), body.count(",")
        if dots > 1 and commas > 1:
            return None
        if dots and commas:
            votes.add("." if body.rfind(".") > body.rfind(",") else ",")
        elif dots > 1 or commas > 1:
            votes.add("," if dots > 1 else ".")
        elif (dots or commas) and len(re.split("[.,]", body)[1]) != 3:
            votes.add("." if dots else ",")
    if len(votes) > 1:
        return None
    if votes:
        return votes.pop()
    # Only groups of three: a thousands mark where all have one, as "1,234"; a point is a decimal point.
    return "."


def _plain(text: str, mark: str) -> str:
    text = text.replace("−", "-").replace("." if mark == "," else ",", "").replace(mark, ".")
    return text


def _number_parse(mark: str, *, simple: bool, blank: bool) -> str:
    if simple:
        return "pd.to_numeric({x}, errors='coerce')" if blank else "pd.to_numeric({x})"
    text = "{x}.str.replace(r'[^\\d" + mark + "-]', '', regex=True)"
    if mark == ",":
        text += ".str.replace(',', '.')"
    return f"pd.to_numeric({text})"


# --------------------------------------------------------------------------- dates


def _date(texts: Sequence[str]) -> Disguise | None:
    pandas: Any = library("pandas")
    clean = [text.strip() for text in texts]
    if pandas is None or len(clean[0]) > 40:
        return None
    passed: list[tuple[str, Any]] = []
    for format in _by_skeleton().get(_skeleton(clean[0]), ()):
        try:
            read = pandas.to_datetime(clean, format=format, errors="coerce", utc="%z" in format)
        except Exception:
            continue
        if not read.isna().any():
            passed.append((format, read))
    if not passed or _out_of_range(passed[0][1]):
        return None
    format, read = passed[0]
    parses = [_date_parse(one) for one, _ in passed]
    return Disguise("date", parses[0], texts[0], str(read.min())[:19], str(read.max())[:19], tuple(parses[1:3]))


@functools.cache
def _by_skeleton() -> dict[str, tuple[str, ...]]:
    """Formats by the skeleton of the texts that they may read."""
    found: dict[str, list[str]] = {}
    for format in (day + hour + zone for hour in _HOURS for zone in (_ZONES if hour else ("",)) for day in _DAYS):
        text = re.sub("%[bB]", "a", re.sub("%[YmdyHMSf]", "9", format))
        for form in {text.replace("%z", "+9"), text.replace("%z", "+9:9"), text.replace("%z", "Z")}:
            found.setdefault(_skeleton(form), []).append(format)
    return {skeleton: tuple(dict.fromkeys(formats)) for skeleton, formats in found.items()}


def _skeleton(text: str) -> str:
    """Digits as one 9, words as one a: `12.03.2024` is `9.9.9`."""
    text = re.sub(r"(?<=\d:\d\d)-(?=\d\d:?\d\d\Z)|(?<=\d )-(?=\d{4}\Z)", "+", text)
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", text))


def _date_parse(format: str) -> str:
    zone = ", utc=True" if "%z" in format else ""
    return "pd.to_datetime({x}, format='" + format + "'" + zone + ")"


def _out_of_range(read: Any) -> bool:
    """Eight digits that happen to be a date in a far century are numbers."""
    return bool(read.min().year < 1900 or read.max().year > 2100)
