"""The suite of our own requests: its checks accept what is right and refuse what is planned to be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pandas")
pytest.importorskip("scipy")
pytest.importorskip("matplotlib")

from nbcopilot.evaluation.suites import everyday

SUITE = Path(__file__).parents[3] / "benchmarks" / "everyday_own"


def test_checks_accept_right_answers_and_refuse_planned_wrong_ones() -> None:
    items = everyday.read(SUITE, "everyday")
    try:
        told: list[tuple[str, str]] = []
        for number, item in enumerate(items):
            step = item.raw["steps"][item.step]
            # One planned wrong answer each, to save time: all were judged when the suite was made.
            for right, text in ((True, step["reference"]), (False, step["wrong"][number % 2])):
                found = item.judge.call("request", session=item.raw, number=item.step, answer=text)
                if found["ok"] is not right:
                    told.append((item.id, found["reason"] or text))
    finally:
        everyday.close(items)
    assert len(items) == 25 and told == []
