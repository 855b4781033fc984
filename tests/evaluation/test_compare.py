"""Results are compared by value with order; a user's variables may not change in any way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbcopilot.evaluation.compare import changed, difference

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (1, 1.0),
        (0.1 + 0.2, 0.3),
        (1e9, 1e9 + 1e-3),
        (np.int64(3), 3),
        (float("nan"), np.nan),
        (True, np.bool_(True)),
        ("a", "a"),
        ((1, 2), [1, 2]),
        ({"a": [1]}, {"a": [1.0000000001]}),
        (np.array([1, 2]), np.array([1.0, 2.0])),
        (FRAME, FRAME.copy()),
        (FRAME["a"], FRAME["a"].astype(float)),
        (FRAME["a"], FRAME["a"].rename("other")),
        (pd.Index(["a", "b"]), pd.Index(["a", "b"], name="n")),
        (pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-01")),
        (pd.NaT, pd.NaT),
        ([None], [None]),
    ],
)
def test_the_same_values_are_no_difference(expected: Any, found: Any) -> None:
    assert difference(expected, found) == ""


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (1, 2),
        (1, "1"),
        (1, True),
        (1.0, None),
        (1.0, 1.00001),
        ([1, 2], [2, 1]),
        ([1, 2], [1]),
        ({"a": 1}, {"b": 1}),
        (np.array([1, 2]), [1, 2]),
        (np.zeros((2, 1)), np.zeros(2)),
        (FRAME, FRAME["a"]),
        (FRAME, FRAME[["b", "a"]]),
        (FRAME, FRAME.iloc[::-1]),
        (FRAME, FRAME.assign(a=[1, 3])),
        (FRAME["a"], [1, 2]),
        (pd.Index([1, 2]), [1, 2]),
        ("a", "b"),
    ],
)
def test_other_values_types_or_orders_are_a_difference(expected: Any, found: Any) -> None:
    assert difference(expected, found) != ""


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (pd.Index(["a", "b"]), ["a", "b"]),
        (pd.Series([3.5]), 3.5),
        (FRAME[["a"]], np.array([1, 2])),
        ([[7]], 7),
        (FRAME["a"].set_axis(["p", "q"]), FRAME["a"]),
    ],
)
def test_value_only_looks_through_containers(expected: Any, found: Any) -> None:
    assert difference(expected, found) != ""
    assert difference(expected, found, {"value_only": True}) == ""
    assert difference(expected, found, {"compare_fn": {"value_only": True}}) == ""


def test_ignore_order_sorts_rows_and_elements() -> None:
    assert difference([3, 1, 2], [1, 2, 3], {"ignore_order": True}) == ""
    assert difference(FRAME, FRAME.iloc[::-1], {"ignore_order": True}) == ""
    assert difference(FRAME["a"], FRAME["a"][::-1], {"ignore_order": True}) == ""
    assert difference(FRAME, FRAME.iloc[::-1].assign(a=[9, 9]), {"ignore_order": True}) != ""


def test_ignore_index_ignores_row_labels_and_nothing_else() -> None:
    moved = FRAME.set_axis([5, 6])
    assert difference(FRAME, moved) != ""
    assert difference(FRAME, moved, {"ignore_index": True}) == ""
    assert difference(FRAME, moved.iloc[::-1], {"ignore_index": True}) != ""


def test_a_value_that_cannot_be_compared_is_a_difference_not_an_error() -> None:
    class Awkward:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("no")

        __hash__ = None  # type: ignore[assignment]

    assert "cannot be compared: RuntimeError: no" in difference(Awkward(), Awkward())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1, 1.0),
        (FRAME, FRAME.assign(c=1)),
        (FRAME, FRAME.astype({"a": float})),
        (FRAME, FRAME.rename_axis("n")),
        (FRAME["a"], FRAME["a"].rename("z")),
        (np.array([1, 2]), np.array([1, 3])),
        (np.array([1.0]), np.array([1.0 + 1e-12])),
        ([1, [2]], [1, [3]]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.random.RandomState(0), np.random.RandomState(1)),
        (lambda: 1, lambda: 2),
    ],
)
def test_any_change_of_a_variable_is_seen(before: Any, after: Any) -> None:
    assert changed(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (FRAME, FRAME.copy()),
        (float("nan"), float("nan")),
        (np.array([np.nan]), np.array([np.nan])),
        (np.array(["a", None], dtype=object), np.array(["a", None], dtype=object)),
        ({"a": [FRAME]}, {"a": [FRAME.copy()]}),
        (np.random.RandomState(0), np.random.RandomState(0)),
        (pd, pd),
    ],
)
def test_an_equal_copy_is_no_change(before: Any, after: Any) -> None:
    assert not changed(before, after)
