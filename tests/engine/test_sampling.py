from __future__ import annotations

import numpy as np
import pytest

from nbcopilot.engine.sampling import Sampler, kept, log_softmax, penalized
from nbcopilot.inference import Sampling

LOGITS = np.log(np.array([0.4, 0.3, 0.2, 0.1], np.float32))


def test_temperature_0_is_the_largest_and_the_lowest_id_wins_a_tie() -> None:
    assert Sampler(Sampling()).pick(np.array([1, 3, 3, 2], np.float32), []) == 1


@pytest.mark.parametrize(
    ("sampling", "ids"),
    [
        (Sampling(top_k=2), [0, 1]),
        (Sampling(top_p=0.4), [0]),
        (Sampling(top_p=0.41), [0, 1]),
        (Sampling(top_p=0.0), [0]),
        (Sampling(min_p=0.49), [0, 1, 2]),
        (Sampling(top_k=3, top_p=0.7), [0, 1]),
        (Sampling(), [0, 1, 2, 3]),
        (Sampling(top_k=99), [0, 1, 2, 3]),
    ],
)
def test_cuts_keep_the_likeliest(sampling: Sampling, ids: list[int]) -> None:
    probabilities, found = kept(LOGITS, sampling)
    assert found.tolist() == ids
    assert all(np.diff(probabilities) <= 0)


def test_tokens_are_drawn_by_their_probability() -> None:
    """20,000 draws: each share is within five standard deviations, a chance of one in a million."""
    sampler = Sampler(Sampling(temperature=1.0, seed=5))
    counts = np.bincount([sampler.pick(LOGITS, []) for _ in range(20_000)], minlength=4) / 20_000
    wanted = np.exp(LOGITS)
    assert np.all(np.abs(counts - wanted) < 5 * np.sqrt(wanted * (1 - wanted) / 20_000))


def test_a_low_temperature_sharpens() -> None:
    sampler = Sampler(Sampling(temperature=0.02, seed=1))
    assert {sampler.pick(LOGITS, []) for _ in range(200)} == {0}


def test_the_seed_and_the_index_say_what_is_drawn() -> None:
    def draws(seed: int | None, index: int) -> list[int]:
        sampler = Sampler(Sampling(temperature=1.0, seed=seed), index)
        return [sampler.pick(LOGITS, []) for _ in range(30)]

    assert draws(1, 0) == draws(1, 0)
    assert len({tuple(draws(1, 0)), tuple(draws(1, 1)), tuple(draws(2, 0)), tuple(draws(None, 0))}) == 4


def test_repetition_is_penalised_on_both_sides_of_zero() -> None:
    logits = np.array([2.0, -2.0, 1.0], np.float32)
    np.testing.assert_allclose(penalized(logits, [0, 1, 1], 2.0), [1.0, -4.0, 1.0])
    assert Sampler(Sampling(repetition_penalty=4.0)).pick(logits, [0]) == 2


def test_log_probabilities_sum_to_one() -> None:
    assert np.exp(log_softmax(np.array([[1000.0, 999.0], [-1000.0, 3.0]]))).sum(axis=1) == pytest.approx([1, 1])
