"""The rules put together: a text -> its secrets -> the text without them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from nbcopilot.redaction import detectors, forms, named, tables, tokens
from nbcopilot.redaction.rule import MARK, Span, lower, merged
from nbcopilot.redaction.values import is_word_like, mixed

# A text is looked at in windows: the interpreter's lock is let go between them, and a window overlaps its neighbours by
# more than what a secret and its name take.
WINDOW, OVERLAP = 64_000, 8_000
# Values that were found under a name are looked for in the rest of the text too.
MOST_VALUES, LEAST_CHARACTERS = 64, 6
PASSES = 3

Finder = Callable[[str, str], Iterator[Span]]
FINDERS: tuple[Finder, ...] = (
    *(rule.spans for rule in (*tokens.RULES, *forms.RULES)),
    detectors.spans,
    named.spans,
    tables.spans,
)


def redact(text: str, *, personal: bool = False) -> tuple[str, int]:
    """`text` with every secret replaced by `<redacted:kind>`, and the count of replacements.

    personal: personal data too (e-mail addresses, telephone numbers, IBANs, payment cards, national identity numbers).
    Deterministic, idempotent, thread-safe; time grows with the length of the text alone (some 0.1 s for 200 kB).
    """
    count = 0
    for _ in range(PASSES):
        found = find(text, personal=personal)
        if not found:
            break
        text, count = _without(text, found), count + len(found)
    return text, count


def redact_pair(before: str, after: str, *, personal: bool = False) -> tuple[str, str, int]:
    """The texts on both sides of a cursor without secrets, also those that the cursor stands in; and the count."""
    cursor = len(before)
    found = find(before + after, personal=personal)
    left = [span._replace(end=min(span.end, cursor)) for span in found if span.start < cursor]
    right = [Span(max(0, s.start - cursor), s.end - cursor, s.label) for s in found if s.end > cursor]
    return _without(before, left), _without(after, right), len(found)


def find(text: str, *, personal: bool = False) -> list[Span]:
    """The secrets of `text`, in order, none within another."""
    finders: Sequence[Finder] = FINDERS
    if personal:
        from nbcopilot.redaction import personal as data

        finders = (*finders, data.spans)
    lowered = lower(text)
    found: list[Span] = []
    for start in range(0, max(1, len(text)), WINDOW):
        first, last = max(0, start - OVERLAP), min(len(text), start + WINDOW + OVERLAP)
        part, low = text[first:last], lowered[first:last]
        for finder in finders:
            for span in finder(part, low):
                if start <= span.start + first < start + WINDOW:
                    found.append(Span(span.start + first, span.end + first, span.label))
    found = [span for span in found if span.end > span.start and MARK not in text[span.start : span.end]]
    return merged([*found, *_again(text, found)])


def _again(text: str, found: Sequence[Span]) -> Iterator[Span]:
    """Other places where a value stands that was found to be secret."""
    values: dict[str, str] = {}
    for span in found:
        value = text[span.start : span.end]
        if LEAST_CHARACTERS <= len(value) <= 200 and mixed(value) and not is_word_like(value):
            values.setdefault(value, span.label)
    for value in list(values)[:MOST_VALUES]:
        at = text.find(value)
        while at >= 0:
            end = at + len(value)
            if not re.match(r"\w", text[end : end + 1]) and not re.match(r"\w", text[at - 1 : at] if at else ""):
                yield Span(at, end, values[value])
            at = text.find(value, end)


def _without(text: str, found: Sequence[Span]) -> str:
    parts, at = [], 0
    for span in found:
        parts += [text[at : span.start], f"{MARK}{span.label}>"]
        at = span.end
    return "".join([*parts, text[at:]])
