"""A label is only given where answers like this one were right, or wrong, often enough; running is no proof."""

from __future__ import annotations

import math

import pytest

from nbcopilot.confidence import LIKELY, UNSURE, WRONG, Confidence, Samples, features, judge, load, probability
from nbcopilot.types import Candidate, Cell, Notebook, Task
from nbcopilot.verdict import Diagnostic, Evidence, Verdict

RAN = Verdict(True, checks={"run": "passed"})
TABLE = {
    "kinds": {"generate": {"bias": 0.0, "features": {"agreement": [0.5, 0.25, 1.0]}, "likely": 0.85, "wrong": 0.2}}
}


@pytest.mark.parametrize(("agreement", "label"), [(1.0, LIKELY), (0.5, UNSURE), (0.0, WRONG)])
def test_the_label_follows_from_the_probability(agreement: float, label: str) -> None:
    found = judge("generate", RAN, {"agreement": agreement}, TABLE)
    assert found.label == label and found.probability is not None
    assert found.probability == pytest.approx(1 / (1 + math.exp(-(agreement - 0.5) / 0.25)), abs=0.001)


def test_what_only_ran_is_never_likely_without_a_table_or_a_threshold() -> None:
    assert judge("generate", RAN, {"agreement": 1.0}, {}).label == UNSURE
    assert judge("fix", RAN, {"agreement": 1.0}, TABLE).label == UNSURE
    row = {**TABLE["kinds"]["generate"], "likely": None}
    assert judge("generate", RAN, {"agreement": 1.0}, {"kinds": {"generate": row}}).label == UNSURE


def test_a_rejected_answer_is_probably_wrong_whatever_the_table_says() -> None:
    rejected = Verdict(False, checks={"run": "failed"})
    assert judge("generate", rejected, {"agreement": 1.0}, TABLE).label == WRONG


def test_an_answer_that_was_cut_is_probably_wrong_though_it_ran() -> None:
    assert judge("generate", RAN, {"agreement": 1.0, "complete": 0.0}, TABLE).label == WRONG


def test_a_user_is_told_of_code_that_was_accepted() -> None:
    sure = Confidence(LIKELY, 0.93)
    assert sure.words == "likely right (9 in 10)" and sure.told("generate", RAN) is sure
    assert Confidence(LIKELY, 0.999).words == "likely right (9 in 10)", "nothing is certain"
    assert not sure.told("generate", Verdict(False, checks={"run": "failed"}))
    assert not Confidence().told("fix", RAN) and Confidence(UNSURE, 0.5).told("fix", RAN)


def test_features_are_finite_and_say_what_was_seen() -> None:
    task, notebook = Task("generate", "rows per day"), Notebook((Cell("a", "code", "x = 1"),))
    verdict = Verdict(True, (Diagnostic("NB101", "warning"),), {"run": "passed"}, evidence=Evidence(examples=(1, 2)))
    found = features(task, notebook, Candidate("a\nb"), verdict, Samples(5, 1, 3, 1, -0.25, -40.0))
    assert all(math.isfinite(value) for value in found.values())
    seen = {name: found[name] for name in ("alone", "agreement", "rejected", "repairs", "examples", "lowest_logprob")}
    assert seen == {
        "alone": 0,
        "agreement": 0.75,
        "rejected": 0.2,
        "repairs": 1,
        "examples": 0.5,
        "lowest_logprob": -20,
    }
    assert features(task, Notebook(), Candidate(""), RAN, Samples())["agreement"] == 0


def test_a_feature_that_the_table_has_and_the_answer_lacks_is_average() -> None:
    row = TABLE["kinds"]["generate"]
    assert probability(row, {}) == probability(row, {"agreement": 0.5}) == 0.5


def test_the_table_that_is_shipped_says_where_it_comes_from_and_keeps_its_promise() -> None:
    found = load()
    assert found["provenance"]["answers"] >= 0 and found["provenance"]["date"]
    for row in found["kinds"].values():
        if row["likely"] is not None:
            assert row["measured"]["likely_precision"] >= 0.9
