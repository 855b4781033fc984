"""The recorded firing rates of the rules (benchmarks/rule_rates.py): no right answer is rejected, no rule fits one suite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nbcopilot.checks import registry

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "rule_rates.json"
# Right answers that a rule rejects, and why the rule is right all the same.
KNOWN = {("humaneval", "HumanEval/116"): "the examples in its docstring contradict its own tests"}
FEW = 3  # so few firings say nothing about a rule


@pytest.fixture(scope="module")
def rates() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return found


def test_every_built_in_rule_was_measured(rates: dict[str, Any]) -> None:
    own = {code for code, rule in registry.rules().items() if type(rule).__module__.startswith("nbcopilot.")}
    assert own <= set(rates["rules"]), "run benchmarks/rule_rates.py"
    assert rates["answers"]["everyday"]["right"] >= 60 and rates["answers"]["everyday"]["wrong"] >= 100


def test_no_right_answer_is_rejected_but_where_its_request_is_wrong(rates: dict[str, Any]) -> None:
    rejected = {(one["suite"], one["id"]): one["errors"] for one in rates["rejected"]}
    assert set(rejected) <= set(KNOWN), rejected


def test_no_rule_speaks_on_the_items_of_one_suite_alone(rates: dict[str, Any]) -> None:
    """Of whatever severity: a guess that fits one benchmark is fitted, too."""
    for code, found in rates["rules"].items():
        spoken = {suite: count for suite, count in found["right"].items() if count}
        assert len(spoken) != 1 or sum(spoken.values()) < FEW, f"{code} speaks on right answers of {spoken} alone"
