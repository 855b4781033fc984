"""Guesses of the next tokens from what is already there: answers about a notebook repeat its names and lines.

A guess costs rows in the next forward pass and saves passes when it is right. It never changes the answer: the
model's own choice is compared token by token. Prompt lookup after Saxena 2023 (prompt-lookup-decoding).
"""

from __future__ import annotations

from collections.abc import Sequence

# Longest run of tokens that is looked up, and longest guess.
LONGEST_MATCH = 4
MOST = 7
# Cost of a pass with 1 .. 8 rows in passes with one row, before it was measured (int8 kernels, two cores).
_COST = [1.0, 1.08, 1.16, 1.25, 1.4, 1.55, 1.7, 1.85]
# Weight of the newest observation in a running mean, and of what is believed at first, when a guess did not pay: so
# that it is tried again after a few hundred tokens.
_FRESH, _FORGIVEN = 0.1, 0.0005
# In place of the length of a run: the guess is a smaller model's.
BY_MODEL = 0
# What a token of the smaller model costs in passes of the larger one, before it was measured.
_MODEL_COST = 0.4


class PromptLookup:
    """Finds where the last tokens occurred before, for one sequence that grows."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids: list[int] = []
        # The position after the newest occurrence of each run of 2 .. LONGEST_MATCH tokens.
        self._after: dict[tuple[int, ...], int] = {}
        self.extend(ids)

    def extend(self, ids: Sequence[int]) -> None:
        """Take the newest tokens; a run becomes findable when it has a token behind it."""
        for id in ids:
            end = len(self._ids)
            for size in range(2, min(LONGEST_MATCH, end) + 1):
                self._after[tuple(self._ids[end - size :])] = end
            self._ids.append(id)

    def guess(self, count: int) -> tuple[list[int], int]:
        """(up to `count` tokens that followed the longest matching run, length of that run); ([], 0) without one."""
        for size in range(min(LONGEST_MATCH, len(self._ids)), 1, -1):
            at = self._after.get(tuple(self._ids[-size:]))
            if at is not None:
                return self._ids[at : at + count], size
        return [], 0


class SpeculationPolicy:
    """How long a guess should be: measured acceptance against the measured cost of more rows. Shared by all requests."""

    def __init__(self) -> None:
        # Chance that a guessed token is right, by the length of the run that it was found by.
        self._first = {BY_MODEL: 0.8} | {size: 0.5 + 0.1 * size for size in range(2, LONGEST_MATCH + 1)}
        self._right = dict(self._first)
        self._cost = list(_COST)
        self._one_row = 0.0

    @property
    def right(self) -> dict[str, float]:
        """The share of guessed tokens that were right lately, by what the guess came from."""
        names = {BY_MODEL: "model"} | {size: f"run of {size}" for size in range(2, LONGEST_MATCH + 1)}
        return {name: round(self._right[run], 2) for run, name in names.items()}

    def length(self, run: int, other_rows: int) -> int:
        """The guess length with the most tokens per time when `other_rows` rows are computed anyway; 0 is no guess."""
        return self.best(run, other_rows)[0]

    def best(self, run: int, other_rows: int, token_seconds: float = 0.0) -> tuple[int, float]:
        """(best guess length, how many times faster it is than none). A smaller model takes `token_seconds` a token."""
        chance, each = self._right.get(run, 0.0), 0.0
        if run == BY_MODEL:
            each = token_seconds / self._one_row if token_seconds and self._one_row else _MODEL_COST
            each = max(each, _MODEL_COST / 2)  # the two were not measured at the same moment
        best, plain = 0, 1.0 / self._rows_cost(other_rows + 1)
        best_rate, expected, right = plain, 1.0, 1.0
        for count in range(1, MOST + 1):
            right *= chance
            expected += right
            cost = self._rows_cost(other_rows + 1 + count) + count * each
            rate = (other_rows + expected) / (other_rows + 1) / cost
            if rate > best_rate:
                best, best_rate = count, rate
        if not best and run in self._right:
            self._right[run] += _FORGIVEN * (self._first[run] - self._right[run])
        return best, best_rate / plain

    def saw(self, run: int, accepted: int, guessed: int) -> None:
        """Learn from one guess: `accepted` right tokens, then a wrong one unless all were right."""
        tried = min(accepted + 1, guessed)
        for number in range(tried):
            hit = 1.0 if number < accepted else 0.0
            self._right[run] += _FRESH * (hit - self._right[run])

    def took(self, rows: int, seconds: float) -> None:
        """Learn from one pass that computed `rows` rows and no prompt."""
        if rows == 1:
            self._one_row = seconds if not self._one_row else self._one_row + _FRESH * (seconds - self._one_row)
        elif rows <= len(self._cost) and self._one_row:
            ratio = max(1.0, min(seconds / self._one_row, 2.0 * rows))
            self._cost[rows - 1] += _FRESH * (ratio - self._cost[rows - 1])

    def _rows_cost(self, rows: int) -> float:
        if rows <= len(self._cost):
            return self._cost[rows - 1]
        return self._cost[-1] * rows / len(self._cost)
