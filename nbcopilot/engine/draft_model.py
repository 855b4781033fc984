"""Guesses by a smaller model of the same family, for what is nowhere in the prompt: it reads along and writes ahead.

One sequence at a time. Whether a guess pays is `drafting.SpeculationPolicy`'s to say; the answers are the same without.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from nbcopilot.engine.model import Cache, Model, Segment
from nbcopilot.errors import ModelCorruptError, OutOfMemoryError

# What it reads in one step: a tenth of a second or so, that the next token waits.
PIECE = 64
# A prompt that is longer is not read: that would cost more than the answer's guesses save (benchmarks/results).
LONGEST_LAG = 448


class DraftModel:
    """A small model that guesses for a larger one; knows what a guessed token costs it."""

    def __init__(self, name: str, model: Model) -> None:
        self.name, self.model = name, model
        self.token_seconds = 0.0

    def start_session(self, token_budget: int) -> DraftSession:
        """A reader of one sequence of up to `token_budget` tokens."""
        return DraftSession(self, token_budget)

    def close(self) -> None:
        """Free the model."""
        self.model.close()


class DraftSession:
    """What the small model has read of one sequence."""

    def __init__(self, draft: DraftModel, token_budget: int) -> None:
        self._draft, self._token_budget = draft, token_budget
        self._cache: Cache | None = None
        self._read: list[int] = []
        self._sure = 0

    def guess(self, ids: Sequence[int], count: int) -> list[int]:
        """Up to `count` tokens that may follow `ids`; [] while the model is still reading, or is too far behind."""
        same = self._sure
        while same < min(len(self._read), len(ids) - 1) and self._read[same] == ids[same]:
            same += 1
        self._sure = same
        if len(ids) - same > LONGEST_LAG or len(ids) + count > self._token_budget:
            return []
        try:
            return self._guess(ids, same, count)
        except (OutOfMemoryError, MemoryError, ModelCorruptError):
            self._token_budget = 0  # from now on without; an id beyond its own rows is the larger model's alone
            return []

    def _guess(self, ids: Sequence[int], same: int, count: int) -> list[int]:
        model = self._draft.model
        if self._cache is None:
            self._cache = model.new_cache(self._token_budget)
        self._cache.truncate(same)
        piece = list(ids[same : same + PIECE])
        self._read[same:] = piece
        done = same + len(piece) == len(ids)
        logits = model.forward([Segment(self._cache, piece, wanted=int(done))])
        if not done:
            return []
        found: list[int] = []
        began = time.monotonic()
        while True:
            found.append(int(logits[-1].argmax()))
            if len(found) == count:
                break
            logits = model.forward([Segment(self._cache, found[-1:])])
            self._read.append(found[-1])
        if count > 1:
            seconds = (time.monotonic() - began) / (count - 1)
            known = self._draft.token_seconds
            self._draft.token_seconds = seconds if not known else known + 0.1 * (seconds - known)
        return found
