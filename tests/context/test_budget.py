"""The budget holds, the most useful stays, and nothing is left out silently."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.context.budget import AROUND, Level, Piece, fit


def piece(name: str, *levels: tuple[int, float]) -> Piece:
    return Piece("cell", name, "why", tuple(Level("x" * length, priority) for length, priority in levels))


def sources(snippets: object) -> list[str]:
    return [snippet.source for snippet in snippets]  # type: ignore[attr-defined]


def test_everything_is_kept_in_the_given_order_when_it_fits() -> None:
    kept, dropped = fit([piece("b", (5, 1)), piece("a", (5, 9))], 100, len)
    assert sources(kept) == ["b", "a"] and dropped == ()
    assert kept[0].tokens == 5 + AROUND


def test_the_least_useful_goes_first_and_is_named() -> None:
    kept, dropped = fit([piece("low", (50, 1)), piece("high", (50, 9))], 70, len)
    assert sources(kept) == ["high"] and sources(dropped) == ["low"]
    assert f"no room for {50 + AROUND} tokens" in dropped[0].reason and len(dropped[0].text) == 50


def test_a_thin_form_is_taken_before_none_and_the_loss_is_named() -> None:
    kept, dropped = fit([piece("table", (500, 3), (20, 6)), piece("cell", (50, 5))], 100, len)
    assert sources(kept) == ["table", "cell"] and len(kept[0].text) == 20
    assert dropped[0].reason == f"shortened to {20 + AROUND} of {500 + AROUND} tokens" and len(dropped[0].text) == 500


def test_what_does_not_fit_makes_room_for_something_smaller() -> None:
    kept, dropped = fit([piece("big", (500, 9)), piece("small", (5, 1))], 100, len)
    assert sources(kept) == ["small"] and sources(dropped) == ["big"]


PIECES = st.lists(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 100)), min_size=1, max_size=3).map(
        lambda levels: piece("p", *((length, priority) for length, priority in levels))
    ),
    max_size=8,
)


@given(PIECES, st.integers(0, 300))
def test_the_budget_is_never_passed_and_every_piece_is_accounted_for(pieces: list[Piece], budget: int) -> None:
    kept, dropped = fit(pieces, budget, len)
    assert sum(snippet.tokens for snippet in kept) <= budget
    assert len(kept) + sum("no room" in snippet.reason for snippet in dropped) == len(pieces)
    shortened = sum(snippet.reason.startswith("shortened") for snippet in dropped)
    assert shortened + sum("no room" in snippet.reason for snippet in dropped) == len(dropped)
