"""Token healing: a text that ends in the middle of a word is cut before its last tokens, and the model spells them anew.

`max(are` is read as `max`, `(`, `are`, and after `are` no model says `a`: `area` is a token of its own. So the last
tokens, in which a longer one could begin, are taken away, and the answer must begin by spelling them. Bytes and ids, no model. For
byte-level vocabularies, which all models of the catalog have; with another one a text stays as it is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np

from nbcopilot.engine.model import Array

# Tokens that are taken away at most: the pieces of a rare word, and the bytes in which a longer one is looked for.
MOST_BACK, MOST_BYTES = 6, 32


def _table() -> dict[int, int]:
    """Characters of a byte-level vocabulary -> bytes: visible ones stand for themselves, the rest from 256 on."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: byte for byte in visible} | {256 + number: byte for number, byte in enumerate(hidden)}


_BYTES = _table()


def spelled(token: str) -> bytes:
    """The bytes that a token of a byte-level vocabulary stands for; b"" for one that is none."""
    try:
        return token.translate(_BYTES).encode("latin-1")
    except UnicodeEncodeError:
        return b""


class Vocabulary:
    """All tokens in the order of their bytes: which ones begin with a text, and which ones a text begins with.

    texts: the bytes of every token by its id, b"" for special ones. Holds 2.5 MB for 150,000 tokens; never changes.
    """

    def __init__(self, texts: Sequence[bytes]) -> None:
        order = sorted(range(len(texts)), key=texts.__getitem__)
        self._ids = np.array(order, np.int32)
        self._lengths = np.fromiter(map(len, texts), np.int32, len(texts))
        self._text = b"".join(texts[id] for id in order)
        self._ends = np.concatenate([[0], np.cumsum(self._lengths[self._ids])]).astype(np.int32)
        self._single = frozenset(text[0] for text in texts if len(text) == 1)

    def back(self, texts: Sequence[bytes]) -> tuple[int, bytes]:
        """(how many tokens at the end are not sure yet, their bytes): a token begins in them that goes on after them.

        texts: the bytes of the last tokens of a text, b"" for special ones. (0, b"") where nothing could go on.
        """
        texts = texts[-MOST_BACK:]
        texts = texts[next((at for at in range(len(texts), 0, -1) if not texts[at - 1]), 0) :]
        tail = b"".join(texts)
        if not self._single.issuperset(tail):
            return 0, b""
        places = range(max(0, len(tail) - MOST_BYTES), len(tail))
        first = next((at for at in places if self._goes_on(tail[at:])), len(tail))
        taken = b""
        for count, text in enumerate(reversed(texts)):
            if len(tail) - len(taken) <= first and _is_text(taken):
                return count, taken
            taken = text + taken
        return (len(texts), tail) if _is_text(tail) else (0, b"")

    def only(self, logits: Array, rest: bytes) -> Array:
        """`logits` (vocab,) with -inf for all tokens but those that begin with `rest` or that `rest` begins with."""
        spans = [self._span(rest), *(self._span(rest[:size], whole=True) for size in range(1, len(rest)))]
        ids = np.concatenate([self._ids[first:last] for first, last in spans])
        ids = ids[ids < len(logits)]  # a tokenizer may know more than the model was made for
        kept = np.full_like(logits, -np.inf)
        kept[ids] = logits[ids]
        return kept

    def after(self, rest: bytes, id: int) -> bytes:
        """What of `rest` is still to be spelled when the token `id`, one of those that fit, has been said."""
        return rest[self._lengths[id] :]

    def _goes_on(self, text: bytes) -> bool:
        """Whether a token begins with `text` and is longer: in this order it comes after `text` itself."""
        first, last = self._span(text)
        return last > first and self._at(last - 1) != text

    def _span(self, text: bytes, *, whole: bool = False) -> tuple[int, int]:
        """The places first .. last-1 of the tokens that begin with `text`; `whole`: of the one that it is."""
        places = range(len(self._ids))
        first = bisect_left(places, text, key=self._at)
        if whole:
            return first, first + (first < len(places) and self._at(first) == text)
        return first, bisect_right(places, text, lo=first, key=lambda place: self._at(place)[: len(text)])

    def _at(self, place: int) -> bytes:
        return self._text[self._ends[place] : self._ends[place + 1]]


def _is_text(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True
