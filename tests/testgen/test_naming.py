"""Names of tests."""

from __future__ import annotations

from typing import Any

import pytest

from nbcopilot.testgen.naming import is_telling, name_of, of_source, promise_of, vocabulary
from nbcopilot.testgen.split import SingleTest


def case(*traits: str, outcome: str = "") -> dict[str, Any]:
    return {"traits": list(traits), "outcome": outcome, "parameters": ["x"], "names": {}}


@pytest.mark.parametrize(
    ("group", "others", "name"),
    [
        ([case("empty_x", outcome="gives_none")], [case("x_with_digits")], "test_f_gives_none_for_empty_x"),
        ([case("default_k")], [case("given_k")], "test_f_with_default_k"),
        ([case("a_below_b", "zero_a", outcome="raises_value_error")], [case("zero_a")], "test_f_raises_value_error_when_a_below_b"),
        ([case("gaps_in_x", "sorted_x"), case("gaps_in_x")], [case("sorted_x")], "test_f_with_gaps_in_x"),
        ([case("sorted_x")], [case("sorted_x")], "test_total_of_the_numbers"),
        ([case()], [case()], "test_total_of_the_numbers"),
    ],
)  # fmt: skip
def test_a_name_says_the_outcome_and_what_its_inputs_alone_have(group: list[Any], others: list[Any], name: str) -> None:
    assert name_of("f", group, others, "total_of_the_numbers", set()) == name


def test_names_differ_and_never_end_in_a_number() -> None:
    taken: set[str] = set()
    for _ in range(5):
        taken.add(name_of("f", [case("empty_x")], [], "", taken))
    assert len(taken) == 5 and not any(name[-1].isdigit() for name in taken)


def test_the_promise_is_the_beginning_of_the_docstring() -> None:
    assert (
        promise_of('def f(x):\n    """Number of working days from a to b, both included."""\n', "f")
        == "number_of_working_days"
    )
    assert (
        promise_of('class A:\n    def g(self):\n        """Sample variance; nan for one."""\n', "A.g")
        == "sample_variance"
    )
    assert promise_of("def f(x):\n    return x\n", "f") == ""


def test_a_model_s_name_counts_when_it_speaks_of_the_code() -> None:
    known = vocabulary("def rate(kind):\n    return RATES[kind]  # holiday", "'low'")
    assert is_telling("test_holiday_costs_more", ["rate"], known) and is_telling("test_low_rate", ["rate"], known)
    assert not any(
        is_telling(name, ["rate"], known) for name in ("test_rate", "test_rate_basic", "test_case_one", "test_low_2")
    )


def test_a_test_without_a_telling_name_is_named_by_what_it_asserts() -> None:
    test = SingleTest("test_1", "def test_1():\n    train, rest = f([1])\n    assert len(train) == 3")
    assert of_source(test, ["f"], set()) == "test_f_len_train"
