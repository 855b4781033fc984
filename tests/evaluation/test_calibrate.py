"""Calibration is measured on sessions that were left out, and gives no label that did not keep its promise there."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from nbcopilot import confidence
from nbcopilot.cli.main import main
from nbcopilot.errors import NotebookNotFoundError, UsageError
from nbcopilot.evaluation.calibrate import Row, auroc, calibration_error, cross_validated, fit, rows, table, thresholds
from nbcopilot.evaluation.tasks import Result


def sample(count: int, slope: float, seed: int = 0) -> list[Row]:
    """Answers whose chance to be right follows `x` with this slope; `noise` says nothing."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        x = draw.uniform(-1, 1)
        chance = confidence.probability({"bias": 0.0, "features": {"x": (0.0, 1.0, slope)}}, {"x": x})
        features = {"x": x, "noise": draw.random(), "constant": 1.0}
        found.append(Row("generate", f"s{number // 5}", features, draw.random() < chance))
    return found


def test_what_tells_gets_weight_and_what_does_not_gets_none() -> None:
    model = fit(sample(400, 6.0))
    assert model["features"]["x"][2] > 5 * abs(model["features"]["noise"][2])
    assert "constant" not in model["features"]


def test_a_telling_feature_gives_calibrated_probabilities_and_both_labels() -> None:
    found = table(sample(300, 8.0), {"date": "2026-01-01"})["kinds"]["generate"]
    seen = found["measured"]
    assert seen["auroc"] > 0.85 and seen["expected_calibration_error"] < 0.1
    assert seen["likely_precision"] >= 0.9 and seen["likely_share"] > 0.1
    assert seen["wrong_precision"] >= 0.8 and seen["wrong_recall"] > 0.2


def test_features_that_say_nothing_give_no_likely_answers() -> None:
    found = table(sample(300, 0.0), {})["kinds"]["generate"]
    assert found["likely"] is None and found["measured"]["likely_precision"] is None
    assert found["measured"]["auroc"] < 0.65


def test_a_session_is_never_judged_by_a_model_that_has_seen_it() -> None:
    """Answers that can only be told by their session: a model that had seen it would be right about all of them."""
    draw = random.Random(1)
    found = []
    for session in range(40):
        right = draw.random() < 0.5
        found += [Row("generate", f"s{session}", {f"is_{session}": 1.0}, right) for _ in range(3)]
    assert auroc(cross_validated(found)) < 0.65


def test_too_few_answers_give_no_model_and_say_so() -> None:
    found = table(sample(20, 8.0), {})
    assert found["kinds"] == {} and "20 answers" in found["lacking"]["generate"]


def test_thresholds_need_precision_and_enough_answers() -> None:
    sure = [(0.9, True)] * 19
    assert thresholds(sure) == (None, None)
    assert thresholds([*sure, (0.9, True)])[0] == 0.9
    assert thresholds([*sure, *[(0.9, False)] * 3])[0] is None


def test_measures_of_known_cases() -> None:
    assert auroc([(0.9, True), (0.1, False)]) == 1.0 and auroc([(0.5, True), (0.5, False)]) == 0.5
    assert calibration_error([(0.75, True), (0.75, True), (0.75, True), (0.75, False)]) == pytest.approx(0.0)
    assert calibration_error([(0.95, False)]) == pytest.approx(0.95)


def journal(path: Path) -> Path:
    lines = [json.dumps({"conditions": {"suite": "everyday", "model": "m"}})]
    for number, row in enumerate(sample(120, 8.0)):
        result = Result(
            f"{row.group}/{number}",
            "full",
            row.right,
            accepted=True,
            features=row.features,
            detail={"task": "generate"},
        )
        lines.append(result.to_json())
    skipped = Result("x/1", "full", False, accepted=False, features={"x": 0.0})
    lines += [
        skipped.to_json(),
        Result("x/2", "raw", True, accepted=True, features={"x": 0.0}).to_json(),
        '{"seconds": 3}',
        '{"id"',
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_one_command_makes_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, output = journal(tmp_path / "j.jsonl"), tmp_path / "table.json"
    assert main(["eval", "calibrate", "--data", str(path), "--output", str(output)]) == 0
    found = json.loads(output.read_text())
    assert found["kinds"]["generate"]["measured"]["n"] == 120, "rejected answers and other modes do not count"
    assert found["provenance"]["journals"][0]["model"] == "m"
    out = capsys.readouterr().out
    assert "| generate | 120 |" in out and json.loads(out.splitlines()[-1])["suite"] == "calibrate"


def test_a_file_that_is_no_journal_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotebookNotFoundError, match="No journal"):
        rows([tmp_path / "none"])
    (tmp_path / "other").write_text("x\n")
    with pytest.raises(UsageError, match="is not a journal"):
        rows([tmp_path / "other"])
