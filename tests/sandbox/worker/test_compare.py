"""Fingerprints and digests: what counts as a change, and what as the same answer."""

from __future__ import annotations

import collections
import threading
import time

import numpy as np
import pandas as pd
import pytest

from nbcopilot.sandbox.worker.compare import close, digest, fingerprints


def prints(**values: object) -> dict[str, object]:
    return dict(fingerprints(values, list(values), seconds=5.0))


def changed(value: object, change: object) -> bool:
    before = prints(v=value)["v"]
    change(value)  # type: ignore[operator]
    return prints(v=value)["v"].differs(before)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "change"),
    [
        ([1, [2]], lambda v: v[1].append(3)),
        ({"a": {"b": 1}}, lambda v: v["a"].update(b=2)),
        ({1, 2}, lambda v: v.add(3)),
        (np.zeros(10), lambda v: v.__setitem__(3, 1.0)),
        (np.zeros((100, 100))[:, ::2], lambda v: v.__setitem__((3, 3), 1.0)),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), lambda v: v.__setitem__("c", 1)),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), lambda v: v.loc.__setitem__((0, "b"), "z")),
        (pd.DataFrame({"a": [1, 2]}), lambda v: v.rename(columns={"a": "b"}, inplace=True)),
        (pd.Series([1.0, 2.0]), lambda v: v.__setitem__(0, 5.0)),
        (collections.Counter("a"), lambda v: v.update("b")),
    ],
)
def test_a_change_in_place_is_seen(value: object, change: object) -> None:
    assert changed(value, change)


@pytest.mark.parametrize(
    ("value", "use"),
    [
        ([1, 2], len),
        (
            pd.DataFrame({"a": [1, 2], "b": [1.5, 2.5], "c": ["x", "y"]}),
            lambda v: (v.values, v.describe(), v.groupby("c").sum(), v.T),
        ),
        (pd.Series(["a", "b"]), lambda v: v.value_counts()),
        (np.arange(10.0), lambda v: v.sum()),
        (threading.Lock(), lambda v: None),
        ({"k": [1]}, lambda v: v.items()),
        (float("nan"), lambda v: None),
    ],
)
def test_mere_use_is_no_change(value: object, use: object) -> None:
    assert not changed(value, use)


def test_large_arrays_take_no_time() -> None:
    value = np.zeros(60_000_000)
    started = time.process_time()  # of the processor, not of the wall
    prints(v=value)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0), (0.1 + 0.2, 0.3), ([1, 2], (1, 2)), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), ({3, 1}, {1, 3}), (np.float64(2.0), 2),
        (np.array([1, 2]), np.array([1.0, 2.0])), (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1.0]})), (object(), object()),
    ],
)  # fmt: skip
def test_equal_answers_have_equal_digests(one: object, other: object) -> None:
    assert digest(one) == digest(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 2), (1, True), ("1", 1), ([1, 2], [2, 1]), (None, False), ([], [[]]),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})), (pd.Series([1, 2]), pd.Series([2, 1])),
    ],
)  # fmt: skip
def test_different_answers_have_different_digests(one: object, other: object) -> None:
    assert digest(one) != digest(other)


def test_what_cannot_be_told_has_no_digest() -> None:
    deep: list[object] = []
    deep.append(deep)
    assert digest(deep) == "" and digest(list(range(200_000))) == ""


def test_close_is_equality_with_room_for_floats() -> None:
    assert close([0.1 + 0.2, {"a": 1.0000000001}], [0.3, {"a": 1}])
    assert close(np.array([1.0, 2.0]), np.array([1.0, 2.0])) and close(float("nan"), float("nan"))
    assert not close([1, 2], (1, 2)) and not close(1.0, 1.1) and not close(1.0, "1.0")
