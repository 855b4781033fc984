"""Pieces of context into a budget of tokens: the most useful first, thinner forms before none, nothing silently.

Counts with the model's own tokenizer, handed in as `count`. Knows nothing of notebooks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nbcopilot.types import Snippet

# What the headings, fences and labels around a snippet cost; the renderer's longest are fourteen tokens.
AROUND = 14


@dataclass(frozen=True)
class Level:
    """One form of a piece: its text, and how useful it is to have it in this form (higher stays)."""

    text: str
    priority: float


@dataclass(frozen=True)
class Piece:
    """A candidate for the prompt: `levels` from its full text to its thinnest form, priorities rising.

    Thin forms have the higher priority: they are cheaper, so they are given room first.
    """

    kind: str
    source: str
    reason: str
    levels: tuple[Level, ...]


def fit(
    pieces: Sequence[Piece], budget: int, count: Callable[[str], int]
) -> tuple[tuple[Snippet, ...], tuple[Snippet, ...]]:
    """The pieces that fit into `budget` tokens as snippets, in the given order, and what was left out or shortened.

    Room is given by priority. A piece that does not fit is passed over for a smaller one of less use. In the second
    tuple a shortened piece stands with its full text and the reason "shortened to N of M tokens".
    """
    costs = [[count(level.text) + AROUND for level in piece.levels] for piece in pieces]
    offers = sorted(
        ((level.priority, -i, i, j) for i, piece in enumerate(pieces) for j, level in enumerate(piece.levels)),
        reverse=True,
    )
    chosen: dict[int, int] = {}
    left = budget
    for _, _, i, j in offers:
        held = costs[i][chosen[i]] if i in chosen else 0
        if (i not in chosen or j < chosen[i]) and costs[i][j] - held <= left:
            left -= costs[i][j] - held
            chosen[i] = j
    kept, dropped = [], []
    for i, piece in enumerate(pieces):
        full = costs[i][0]
        if i in chosen:
            kept.append(_snippet(piece, chosen[i], costs[i][chosen[i]], piece.reason))
            if chosen[i] > 0:
                dropped.append(_snippet(piece, 0, full, f"shortened to {costs[i][chosen[i]]} of {full} tokens"))
        else:
            dropped.append(_snippet(piece, 0, full, f"{piece.reason}; no room for {full} tokens"))
    return tuple(kept), tuple(dropped)


def _snippet(piece: Piece, level: int, tokens: int, reason: str) -> Snippet:
    chosen = piece.levels[level]
    return Snippet(piece.kind, piece.source, chosen.text, reason, chosen.priority, tokens)
