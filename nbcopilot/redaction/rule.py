"""What a rule is: a pattern with a left boundary, the words without which it is not tried, and a judgement.

Every rule takes time in proportion to the text: a pattern begins at a boundary or at a literal word, and each of its
repeats has an upper limit. tests/redaction/test_growth.py holds every rule to that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

MARK = "<redacted:"


class Span(NamedTuple):
    """A secret in a text: its first character, the one after its last, and its kind ("github-token")."""

    start: int
    end: int
    label: str


Judgement = Callable[[re.Match[str]], bool]


def believe(match: re.Match[str]) -> bool:
    """The judgement of a rule whose form is proof enough."""
    return True


class Rule(NamedTuple):
    """Finds the groups that are named `secret…`, or the whole match; tried only where one of `hints` occurs."""

    label: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    accept: Judgement = believe

    def spans(self, text: str, lowered: str) -> Iterator[Span]:
        """The secrets of this kind in `text`; `lowered` is the text in lower case, of the same length."""
        if self.hints and not any(hint in lowered for hint in self.hints):
            return
        groups: list[str | int] = [name for name in self.pattern.groupindex if name.startswith("secret")]
        for match in self.pattern.finditer(text):
            if self.accept(match):
                for group in groups or [0]:
                    start, end = match.span(group)
                    if end > start >= 0 and MARK not in text[start:end]:
                        yield Span(start, end, self.label)


def rule(label: str, hints: str, pattern: str, accept: Judgement = believe, flags: int = 0) -> Rule:
    """A Rule; `hints` are words in lower case with blanks between."""
    return Rule(label, tuple(hints.split()), re.compile(pattern, flags), accept)


def words(text: str) -> frozenset[str]:
    """The words of `text`, parted by blanks."""
    return frozenset(text.split())


def lower(text: str) -> str:
    """`text` in lower case and of the same length, so that positions hold in both."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def merged(spans: Iterable[Span]) -> list[Span]:
    """The spans in order; those that overlap become one, with the label of the first."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):  # stable: of two alike the earlier rule's
        if found and span.start < found[-1].end:
            found[-1] = found[-1]._replace(end=max(found[-1].end, span.end))
        else:
            found.append(span)
    return found
