"""The report's numbers are those of the results: counts, paired gains, the system's own verdict, exclusions."""

from __future__ import annotations

import json

import pytest

from nbcopilot.evaluation import report
from nbcopilot.evaluation.tasks import Result
from nbcopilot.inference import ModelInfo

CONDITIONS = report.conditions(ModelInfo("tiny", sha256="ab", precision="int8"), suite="humaneval")


def result(name: str, mode: str, ok: bool, accepted: bool | None = None, **more: object) -> Result:
    return Result(name, mode, ok, float(ok), "" if ok else "wrong", "code", accepted, 100, 10, 1, 0.5, **more)  # type: ignore[arg-type]


RESULTS = [
    *(result(f"q{i}", "raw", i < 4) for i in range(10)),
    *(result(f"q{i}", "full", i < 7, accepted=i < 6 or i == 9) for i in range(10)),
    result("q10", "raw", False, excluded="no file"),
    result("q10", "full", False, excluded="no file"),
]


def test_the_json_has_the_contracts_keys_and_the_last_mode_as_headline() -> None:
    found = report.summary(RESULTS, ["raw", "full"], CONDITIONS, 12.34)
    keys = ["suite", "model", "n", "pass_at_1", "ci95", "raw_pass_at_1", "ablation", "tokens", "seconds"]
    assert list(found)[: len(keys)] == keys
    assert (found["n"], found["pass_at_1"], found["raw_pass_at_1"]) == (10, 0.7, 0.4)
    assert found["ci95"][0] < 0.7 < found["ci95"][1]
    assert (found["tokens"], found["seconds"]) == (1100, 12.3)
    assert found["excluded"] == [{"id": "q10", "reason": "no file"}]
    json.dumps(found)


def test_the_systems_own_verdict_is_held_against_the_judges() -> None:
    figures = report.figures([r for r in RESULTS if r.mode == "full"])
    assert figures["verdict"] == {"wrong": 3, "caught": 2, "right": 7, "false_alarms": 1}
    assert "verdict" not in report.figures([r for r in RESULTS if r.mode == "raw"])


def test_a_score_that_is_not_all_or_nothing_stands_beside_pass_at_1() -> None:
    half = [Result("a", "full", True, 0.5, detail={"line_coverage": 1.0}), Result("b", "full", False, 0.0)]
    figures = report.figures(half)
    assert (figures["pass_at_1"], figures["score"], figures["line_coverage"]) == (0.5, 0.25, 1.0)


def test_the_table_gives_the_paired_gain_with_its_interval() -> None:
    found = report.summary(RESULTS, ["raw", "full"], CONDITIONS, 1)
    line = next(row for row in report.table(found, RESULTS).splitlines() if row.startswith("| full"))
    assert "| 70.0 |" in line
    assert "+30.0 (" in line
    assert "2 of 3" in line
    assert "1 of 7" in line


def test_nothing_judged_gives_zeros_not_an_error() -> None:
    found = report.summary([result("a", "full", False, excluded="x")], ["full"], CONDITIONS, 0)
    assert (found["n"], found["pass_at_1"], found["raw_pass_at_1"]) == (0, 0.0, None)
    assert "Not judged here: 1" in report.table(found, [])


def test_failures_show_the_reason_the_code_and_the_human_repair() -> None:
    wrong = Result("a", "full", False, reason="no", answer="x = 1", detail={"human": "x = 2"})
    text = report.failures([wrong, result("b", "full", True)], "full")
    assert "## a\n\nno" in text
    assert "x = 1" in text
    assert "x = 2" in text
    assert "## b" not in text


def test_conditions_name_no_path_and_no_host() -> None:
    import socket

    text = json.dumps(CONDITIONS)
    assert "/" not in text.replace("Linux x86_64", "")
    assert socket.gethostname() not in text or len(socket.gethostname()) < 4


@pytest.mark.parametrize("key", ["model", "sha256", "precision", "version", "commit", "machine", "python", "suite"])
def test_conditions_are_complete(key: str) -> None:
    assert key in CONDITIONS


def test_what_went_wrong_is_sorted_by_cause() -> None:
    found = report.summary([*RESULTS, Result("q11", "full", False, reason="timeout")], ["raw", "full"], CONDITIONS, 1)
    assert found["causes"] == {
        "accepted": ["q9"],
        "empty": ["q11"],
        "false_alarms": ["q6"],
        "rejected": ["q7", "q8"],
        "reasons": {"wrong": 3, "timeout": 1},
    }
    assert "accepted 1, empty 1, false_alarms 1, rejected 2" in report.table(found, RESULTS)


def test_full_is_held_against_the_best_of_the_peers_prompts() -> None:
    peers = [result(f"q{i}", mode, i < right) for mode, right in (("coml", 5), ("chapyter", 2)) for i in range(10)]
    found = report.summary([*RESULTS, *peers], ["chapyter", "coml", "full"], CONDITIONS, 1)
    assert found["ablation"]["full"]["over_coml"][0] == 0.2
    assert "full over coml" in report.table(found, RESULTS)
