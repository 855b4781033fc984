"""Tests that nobody would keep are told why; reasonable ones are kept."""

from __future__ import annotations

from typing import Any

import pytest

from nbcopilot.evaluation.everyday.keeping import keepability
from nbcopilot.evaluation.everyday.recording import record_calls

GOOD = "def test_clamp_keeps_what_is_inside():\n    assert clamp(2, 1, 3) == 2\n"


def call(**changes: Any) -> dict[str, Any]:
    fact = {
        "call": 0,
        "function": "clamp",
        "parameter": "x",
        "type": "int",
        "confused": False,
        "rich": None,
        "fits": None,
    }
    return {**fact, **changes}


CALLS = [call()]


def test_a_reasonable_test_is_kept() -> None:
    assert keepability(GOOD, ["clamp"], CALLS) == {"keepable": True, "score": 1.0, "why": [], "lines": 2, "tests": 1}


@pytest.mark.parametrize(
    ("tests", "calls", "why"),
    [
        ("x = 1", CALLS, "no test function"),
        ("def f(:", CALLS, "no Python"),
        ("def test_clamp_values_2():\n    assert clamp(2, 1, 3) == 2\n", CALLS, "says nothing"),
        ("def test_clamp():\n    assert clamp(2, 1, 3) == 2\n", CALLS, "says nothing"),
        (GOOD + "    assert clamp(2, 1, 3) == 2\n", CALLS, "an assertion twice"),
        (GOOD + "".join(f"    assert clamp({n}, 1, 3)\n" for n in range(6)), CALLS, "7 asserts in one test"),
        (GOOD + "    # assert clamp(9, 1, 3) == 3\n", CALLS, "commented-out code"),
        (GOOD + "    x = 1\n" * 60, CALLS, "62 lines"),
        (GOOD, [], "not called"),
        (GOOD, "no end in time", "could not be recorded"),
        (GOOD, [call(confused=True, type="str")], "type-confused arguments: clamp(x=str)"),
        (GOOD, [call(call=n, rich=n == 0) for n in range(4)], "3 of 4 calls have an argument"),
        (GOOD, [call(call=n, parameter="!", fits=n == 0) for n in range(4)], "3 of 4 calls are not like"),
    ],
)
def test_what_one_would_throw_away_is_told(tests: str, calls: Any, why: str) -> None:
    found = keepability(tests, ["clamp"], calls)
    assert not found["keepable"]
    assert why in "; ".join(found["why"])


def test_calls_are_recorded_with_types_sizes_and_the_rule(tmp_path: Any) -> None:
    class Bag:
        def add(self, items: list[int]) -> int:
            return len(items)

    module: dict[str, Any] = {"total": lambda x: x, "Bag": Bag}
    path = tmp_path / "calls"
    record_calls(module, {"total": {"x": ["int"], "!": "a['x'] > 1"}, "Bag.add": {"items": ["list"]}}, path)
    assert module["total"](3) == 3
    module["total"](True)
    module["Bag"]().add([1, 2])
    import json

    facts = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(f["call"], f["parameter"], f["confused"], f["rich"], f["fits"]) for f in facts] == [
        (0, "!", False, None, True),
        (0, "x", False, None, None),
        (1, "!", False, None, False),
        (1, "x", True, None, None),
        (2, "items", False, True, None),
    ]
