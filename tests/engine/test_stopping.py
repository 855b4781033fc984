from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.engine.stopping import StopFilter


def run(stops: list[str], pieces: list[str]) -> tuple[str, bool]:
    found = StopFilter(stops)
    shown = "".join(found.push(piece) for piece in pieces)
    return shown + found.flush(), found.stopped


def test_a_stop_string_over_several_pieces_is_found_and_left_out() -> None:
    assert run(["\n```"], ["x = 1", "\n", "``", "`\nprose"]) == ("x = 1", True)


def test_what_only_began_like_a_stop_string_is_shown() -> None:
    assert run(["\n```"], ["a\n``", "b"]) == ("a\n``b", False)
    assert run(["\n```"], ["a\n``"]) == ("a\n``", False)


def test_nothing_is_held_back_without_need() -> None:
    found = StopFilter(["END"])
    assert [found.push(piece) for piece in ("abc", "E", "N", "x")] == ["abc", "", "", "ENx"]


def test_the_earliest_of_several_wins() -> None:
    assert run(["cd", "b"], ["abcd"]) == ("a", True)


@given(st.lists(st.text("ab`\n", max_size=4), max_size=12), st.lists(st.text("ab`\n", max_size=3), max_size=3))
def test_any_cutting_gives_the_text_before_the_first_stop(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    found = [text.index(stop) for stop in stops if stop and stop in text]
    shown, stopped = run(stops, pieces)
    assert stopped == bool(found)
    # Cut into pieces, an earlier but longer stop string may lose to a later one that is complete sooner.
    assert shown == text[: len(shown)]
    assert not any(stop and stop in shown for stop in stops)
    if not found:
        assert shown == text
