"""What speaks for an end, and for one answer rather than another."""

from __future__ import annotations

import pytest

from nbcopilot.serve.end_of_suggestion import Place, best_end, is_doubtful, is_wrong, worth

SUM = Place("def f(values):\n", "    for v in values:\n        total += v\n    return total\n")
LOOP = Place("def f(s):\n    n = 0\n", "        n += 1\n    return n\n")


def test_name_that_the_rest_needs_makes_an_answer_worth_more() -> None:
    assert worth("    total = 0\n", SUM) > worth("    count = 0\n", SUM)
    assert worth("    total = 0\n", SUM) > worth("    total += 1\n", SUM)


@pytest.mark.parametrize(
    "binding",
    ["import os as x", "from m import x", "def x(): pass", "class x: pass", "for x in []: pass", "x: int = 1", "(x := 1)",
     "with open('f') as x: pass", "[x] = [1]", "try: pass\nexcept OSError as x: pass"],
)  # fmt: skip
def test_every_way_to_give_a_name_a_value_counts(binding: str) -> None:
    place = Place("", "print(x)\n")
    assert worth(f"{binding}\n", place) == worth("print(1)\n", place) + 0.5


def test_answer_that_makes_a_program_is_worth_more() -> None:
    assert worth("    for c in s:\n", LOOP) > worth("    if s: n = 1\n", LOOP)


@pytest.mark.parametrize("leaving", ["return total", "raise ValueError(values)", "return"])
def test_answer_that_leaves_before_the_rest_is_wrong(leaving: str) -> None:
    assert is_wrong(f"    {leaving}\n", SUM) and is_doubtful(f"    {leaving}\n", SUM)
    assert not is_wrong(f"    if not values:\n        {leaving}\n", SUM)


def test_leaving_before_else_is_not_wrong() -> None:
    place = Place("def f(x):\n    if x:\n", "    else:\n        return 2\n")
    assert not is_wrong("        return 1\n", place)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", SUM),
        ("    # Test cases\n", SUM),
        ("    for v in values:\n", SUM),
        ("    if s: n = 1\n", LOOP),
    ],
)
def test_answer_that_hardly_fits_is_doubtful(text: str, place: Place) -> None:
    assert is_doubtful(text, place)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("    total = 0\n", SUM),
        ("    for c in s:\n", LOOP),
        ("anything", Place("x = ", " # note")),
        ("    y = 1\n", Place("def f(:\n", "    return y\n")),  # the user's code does not parse either
        ("  y <- 1\n", Place("f <- function(x) {\n", "}\n")),
        ("", Place("x = 1\n", "")),
    ],
)
def test_answer_that_fits_or_cannot_be_judged_is_not_doubtful(text: str, place: Place) -> None:
    assert not is_doubtful(text, place)


def test_what_follows_already_is_no_answer() -> None:
    lines = ("    for v in values:", "        total += v", "    return total")
    assert best_end(lines, SUM, ended=False) == 0


def test_model_that_ends_by_itself_is_believed_when_both_ends_fit() -> None:
    place = Place("def f(a):\n", "    return a + b\n")
    lines = ("    b = 1", "    k = 7")
    assert best_end(lines, place, ended=True) == 2
    assert best_end(lines, place, ended=False) == 1


def test_very_long_text_is_judged_without_parsing() -> None:
    place = Place("x = 1\n" * 10_000, "y = 2\n")
    assert not is_doubtful("z = 3\n", place)
