"""The likelier text first, where the engine can tell; the given order where it cannot."""

from __future__ import annotations

import pytest

from nbcopilot.config import Config
from nbcopilot.engine import local
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.engine.likelihood import likeliest, likelihoods
from nbcopilot.models.store import Store
from nbcopilot.types import Candidate

GCD = "def gcd(a, b):\n    if b == 0:\n        return a\n    return gcd({})"
TEXTS = [GCD.format("a % b, b"), GCD.format("b, a % b"), GCD.format("b, a * b")]


def test_an_engine_that_scores_nothing_leaves_the_order() -> None:
    candidates = [Candidate(text) for text in TEXTS]
    assert likelihoods(FakeEngine(), TEXTS) is None
    assert likeliest(FakeEngine(), candidates) == candidates and likeliest(FakeEngine(), []) == []


@pytest.mark.model
def test_a_real_model_takes_the_usual_program_for_the_likeliest() -> None:
    Store().pull("qwen2.5-coder-0.5b")
    engine = local.load("qwen2.5-coder-0.5b", Config())
    try:
        assert likeliest(engine, [Candidate(text) for text in TEXTS])[0].text == TEXTS[1]
        assert likelihoods(engine, TEXTS) == likelihoods(engine, TEXTS)
    finally:
        engine.close()
