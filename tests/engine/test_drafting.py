from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.engine.drafting import BY_MODEL, LONGEST_MATCH, MOST, PromptLookup, SpeculationPolicy


def test_the_tokens_after_the_last_occurrence_are_guessed() -> None:
    assert PromptLookup([1, 2, 3, 4, 9, 1, 2, 3, 5, 8, 1, 2, 3]).guess(2) == ([5, 8], 3)


def test_longer_runs_win_over_newer_ones() -> None:
    assert PromptLookup([1, 2, 3, 4, 7, 0, 3, 4, 8, 1, 2, 3, 4]).guess(1) == ([7], 4)


def test_without_a_match_there_is_no_guess() -> None:
    assert PromptLookup([1, 2, 3, 4]).guess(5) == ([], 0)
    assert PromptLookup([]).guess(5) == ([], 0)
    assert PromptLookup([1, 2, 1, 2]).guess(0)[0] == []


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 59))
def test_a_lookup_that_grew_is_the_one_made_at_once(ids: list[int], cut: int) -> None:
    grown = PromptLookup(ids[:cut])
    grown.extend(ids[cut:])
    assert grown.guess(5) == PromptLookup(ids).guess(5)


def test_guesses_grow_with_their_success_and_end_with_their_failure() -> None:
    policy = SpeculationPolicy()
    for _ in range(60):
        policy.saw(2, 5, 5)
    assert policy.length(2, 0) == MOST
    for _ in range(60):
        policy.saw(2, 0, 5)
    assert policy.length(2, 0) == 0
    assert policy.length(LONGEST_MATCH, 0) > 0, "what was learned of short matches says nothing of long ones"


def test_guesses_are_given_up_where_rows_are_dear() -> None:
    policy = SpeculationPolicy()
    for _ in range(200):
        policy.took(1, 1.0)
        for rows in range(2, 9):
            policy.took(rows, float(rows))
    assert policy.length(3, 0) == 0
    assert SpeculationPolicy().length(3, 0) > 0


def test_a_guess_that_failed_is_tried_again_much_later() -> None:
    policy = SpeculationPolicy()
    for _ in range(60):
        policy.saw(2, 0, 5)
    tries = [policy.length(2, 0) for _ in range(2000)]
    assert not any(tries[:100]) and any(tries)


def test_a_dear_small_model_is_not_asked() -> None:
    policy = SpeculationPolicy()
    policy.took(1, 0.040)
    assert policy.best(BY_MODEL, 0, token_seconds=0.012)[0] > 0
    assert policy.best(BY_MODEL, 0, token_seconds=0.040)[0] == 0
    assert policy.best(BY_MODEL, 8, token_seconds=0.012)[0] == 0, "rows beside others are dear already"


def test_a_small_model_that_guesses_wrong_is_switched_off() -> None:
    policy = SpeculationPolicy()
    for _ in range(30):
        policy.saw(BY_MODEL, 0, 2)
    assert policy.best(BY_MODEL, 0, token_seconds=0.012) == (0, 1.0)
