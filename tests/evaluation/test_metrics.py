"""The numbers are the textbook's: checked against closed forms and known cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.evaluation import metrics


@pytest.mark.parametrize(
    ("samples", "correct", "k", "expected"),
    [(1, 1, 1, 1.0), (1, 0, 1, 0.0), (10, 3, 1, 0.3), (4, 2, 2, 1 - 1 / 6), (5, 5, 3, 1.0), (5, 4, 2, 1.0)],
)
def test_pass_at_k_is_the_unbiased_estimator(samples: int, correct: int, k: int, expected: float) -> None:
    assert metrics.pass_at_k(samples, correct, k) == pytest.approx(expected)


@pytest.mark.parametrize(("samples", "correct", "k"), [(3, 4, 1), (3, 1, 4), (3, -1, 1), (3, 1, 0)])
def test_pass_at_k_refuses_counts_that_cannot_be(samples: int, correct: int, k: int) -> None:
    with pytest.raises(ValueError, match="right among"):
        metrics.pass_at_k(samples, correct, k)


def test_interval_of_a_share_is_close_to_the_normal_approximation() -> None:
    low, high = metrics.interval([1.0] * 60 + [0.0] * 40)
    # 0.6 +- 1.96 * sqrt(0.24 / 100) = 0.504 .. 0.696; the bootstrap moves in steps of 0.01.
    assert low == pytest.approx(0.504, abs=0.02)
    assert high == pytest.approx(0.696, abs=0.02)


def test_interval_is_the_same_every_time() -> None:
    values = [0.0, 1.0, 1.0, 0.5]
    assert metrics.interval(values) == metrics.interval(values)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_interval_lies_within_the_values(values: list[float]) -> None:
    low, high = metrics.interval(values)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


def test_no_values_give_zero() -> None:
    assert metrics.mean([]) == 0.0
    assert metrics.interval([]) == (0.0, 0.0)


def test_paired_interval_of_equal_results_is_zero() -> None:
    values = [0.0, 1.0, 1.0, 0.0]
    assert metrics.paired_interval(values, values) == (0.0, 0.0)


def test_paired_interval_needs_the_same_questions() -> None:
    with pytest.raises(ValueError, match="zip"):
        metrics.paired_interval([1.0], [1.0, 0.0])
