"""Facts count wherever they are said, false statements are never right, and restated code is no documentation."""

from __future__ import annotations

import pytest

from nbcopilot.evaluation.everyday.prose import judge_documentation, judge_explanation, restatements

CODE = "total_cups = shop['cups'].sum()\nshop_mean = shop['cups'].mean()"
EXPLAIN = {
    "code": CODE,
    "must": [{"say": "total", "re": "total|sum"}, {"say": "mean", "re": "mean|average"}, {"say": "cups", "re": "cups"}],
    "must_not": [{"say": "median", "re": "median"}],
}
DOCUMENT = {
    "cells": [{"source": CODE}],
    "facts": [{"say": "tea", "re": "tea"}, {"say": "12 cups", "re": r"12\b"}],
    "false": [{"say": "coffee", "re": "coffee"}],
    "numbers": ["12"],
}


@pytest.mark.parametrize(
    ("text", "ok", "said"),
    [
        ("The Total and the average of the cups.", True, 3),
        ("The sum of\nall cups.", True, 2),
        ("The average.", False, 1),
        ("The total, the average and the median of the cups.", False, 3),
        ("", False, 0),
    ],
)
def test_two_thirds_of_the_facts_and_nothing_false(text: str, ok: bool, said: int) -> None:
    found = judge_explanation(EXPLAIN, text)
    assert (found["ok"], found["said"], found["of"]) == (ok, said, 3)


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        ("# Tea\nHow much tea is drunk? On a day it is 12 cups.", True),
        ("# Tea\nHow much tea is drunk?", False),
        ("# Tea\nOn a day it is 112 cups of tea.", False),
        ("# Tea\n12 cups of tea, and of coffee.", False),
        ("Sets total_cups to the sum of shop. Sets shop_mean to the mean of shop. The tea: 12 cups.", False),
    ],
)
def test_documentation_needs_facts_a_number_and_few_restatements(text: str, ok: bool) -> None:
    assert judge_documentation(DOCUMENT, text)["ok"] is ok


@pytest.mark.parametrize(
    ("sentence", "restates"),
    [
        ("Sets total_cups to the sum of shop.", True),
        ("First, the code computes `total_cups` of shop.", True),
        ("Computes total_cups because the mean of shop misleads.", False),
        ("Every day is counted once.", False),
    ],
)
def test_a_restatement_has_a_verb_names_and_no_reason(sentence: str, restates: bool) -> None:
    assert bool(restatements(sentence, CODE)) is restates
