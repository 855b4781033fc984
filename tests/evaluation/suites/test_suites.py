"""Every judge is right both ways: reference answers score 100 %, wrong answers score 0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import suite_builders as builders

from nbcopilot.errors import NotebookNotFoundError, UsageError
from nbcopilot.evaluation.runner import Reference, ask
from nbcopilot.evaluation.suites import Question, find
from nbcopilot.evaluation.systems import Answer


def questions(suite: str, path: Path) -> list[Question]:
    found = find(suite)
    return [question for item in found.read(path) for question in found.questions(item)]


def only(suite: str, tmp_path: Path, *items: dict[str, Any]) -> Question:
    return questions(suite, builders.write(tmp_path / "items.jsonl", *items))[0]


# --------------------------------------------------------------------------- the real files


@pytest.mark.parametrize(
    ("suite", "file", "count"),
    [
        ("humaneval", "generate.jsonl", 82),
        ("mbpp", "generate.jsonl", 196),
        ("fix", "fix.jsonl", 122),
        ("complete", "complete.jsonl", 300),
        ("crashes", "crashes.jsonl", 60),
        ("testgen", "testgen.jsonl", 151),
    ],
)
def test_references_of_the_real_files_score_100_percent(suite: str, file: str, count: int, evals_folder: Path) -> None:
    """Every fifth item (`nbcopilot eval SUITE --mode reference` runs all); testgen has no references."""
    items = find(suite).read(evals_folder / file)
    assert len(items) == count
    results = [ask(question, Reference()) for item in items[::5] for question in find(suite).questions(item)]
    assert [result.id for result in results if not result.ok and not result.excluded] == []
    assert any(result.ok for result in results) or suite == "testgen"


def test_unmended_cells_of_the_real_file_score_0(evals_folder: Path) -> None:
    suite = find("fix")
    for item in suite.read(evals_folder / "fix.jsonl")[::8]:
        (question,) = suite.questions(item)
        if item.error["ename"] != "KeyboardInterrupt":  # a cell that does not end takes its 10 s
            assert not question.judge(Answer(item.cells[item.buggy_cell_index])).ok


# --------------------------------------------------------------------------- generate


def test_humaneval_and_mbpp_are_parts_of_a_generate_file(tmp_path: Path) -> None:
    path = builders.write(tmp_path / "items.jsonl", builders.DOUBLE, builders.SHOUT)
    assert [q.id for q in questions("generate", path)] == ["t/double", "t/shout"]
    assert [q.id for q in questions("humaneval", path)] == ["t/double"]
    assert [q.id for q in questions("mbpp", path)] == ["t/shout"]


def test_the_prompt_is_the_instruction_and_no_test_is_in_the_question(tmp_path: Path) -> None:
    question = only("generate", tmp_path, builders.DOUBLE)
    assert question.task.kind == "generate"
    assert question.task.instruction == builders.DOUBLE["prompt"]
    assert "assert" not in f"{question.task}{question.notebook}"


@pytest.mark.parametrize("wrong", ["", "def double(x):\n    return x", "exit()", "def double(x):\n  return (", "prose"])
def test_a_wrong_program_is_wrong(wrong: str, tmp_path: Path) -> None:
    assert not only("generate", tmp_path, builders.DOUBLE).judge(Answer(wrong)).ok


# --------------------------------------------------------------------------- fix


def test_fix_sees_the_failed_cell_with_its_error_and_no_tests(tmp_path: Path) -> None:
    question = only("fix", tmp_path, builders.FIX)
    assert question.task.target.source == "assert area(2) > 12"
    assert question.notebook.error is not None
    assert question.notebook.error.cell_id == "cell-2"
    assert "3.14" not in f"{question.task}{question.notebook}"


def test_a_fix_counts_for_the_cell_it_names(tmp_path: Path) -> None:
    question = only("fix", tmp_path, builders.FIX)
    good = str(builders.FIX["good_cell"])
    assert question.judge(Answer(good)).ok
    assert question.judge(Answer(good, cell_id="cell-1")).ok
    other = question.judge(Answer(good, cell_id="cell-2"))
    assert not other.ok
    assert other.detail["right_cell"] is False


# --------------------------------------------------------------------------- crashes


def test_a_crash_is_judged_by_cell_and_kind_of_edit(tmp_path: Path) -> None:
    question = only("crashes", tmp_path, builders.CRASH)
    assert question.judge(Answer("a = np.zeros(4)", cell_id="cell-1")).ok
    assert question.judge(Answer("a = np.zeros(4)  # four", cell_id="cell-1")).detail["likeness"] > 0.5
    unlike = question.judge(Answer("import os\na = np.random.rand(9)", cell_id="cell-1"))
    assert not unlike.ok
    assert unlike.detail["right_cell"]
    assert not question.judge(Answer("a = np.zeros(4)", cell_id="cell-2")).ok
    assert not question.judge(Answer("a = np.zeros(3)", cell_id="cell-1")).ok


def test_a_crash_without_an_edit_is_not_judged(tmp_path: Path) -> None:
    same = {**builders.CRASH, "fixed_context_cells": builders.CRASH["context_cells"]}
    assert "run out of order" in only("crashes", tmp_path, same).excluded


# --------------------------------------------------------------------------- testgen


@pytest.mark.parametrize(
    ("tests", "score"),
    [
        ("def test_it():\n    assert clamp(0, 1, 3) == 1\n    assert clamp(9, 1, 3) == 3\n", 1.0),
        ("assert clamp(9, 1, 3) == 3", 1 / 3),
        ("def test_low():\n    assert clamp(0, 1, 3) == 1\n", 2 / 3),
        ("import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(clamp(9, 1, 3), 3)", 1 / 3),
        ("def test_it():\n    assert True", 0.0),
        ("def test_it():\n    clamp(9, 1, 3)", 0.0),
        ("def test_it():\n    assert clamp(9, 1, 3) == 9", 0.0),
        ("def test_it(:", 0.0),
        ("", 0.0),
    ],
)  # fmt: skip
def test_tests_score_the_share_of_wrong_variants_they_catch(tests: str, score: float, tmp_path: Path) -> None:
    judged = only("testgen", tmp_path, builders.TESTGEN).judge(Answer(tests))
    assert judged.score == pytest.approx(score)
    assert judged.ok == (score > 0)


def test_line_coverage_is_that_of_the_good_version(tmp_path: Path) -> None:
    question = only("testgen", tmp_path, builders.TESTGEN)
    half = question.judge(Answer("def test_it():\n    assert clamp(9, 1, 3) == 3"))
    assert half.detail["line_coverage"] == pytest.approx(3 / 4)


def test_the_mutation_score_tells_strong_tests_from_weak_ones_and_from_wrong_ones(tmp_path: Path) -> None:
    question = only("testgen", tmp_path, builders.TESTGEN)
    strong = "def test_it():\n    assert [clamp(n, 1, 3) for n in (0, 1, 2, 3, 9)] == [1, 1, 2, 3, 3]\n"
    scores = [
        question.judge(Answer(tests)).detail["mutation_score"] for tests in (strong, "assert clamp(2, 1, 3) == 2")
    ]
    assert 0 < scores[1] < scores[0] <= 1
    assert question.judge(Answer("assert clamp(2, 1, 3) == 9")).detail["mutation_score"] == 0


# --------------------------------------------------------------------------- complete


def test_a_completion_is_judged_by_running_and_by_text(tmp_path: Path) -> None:
    question = only("complete", tmp_path, builders.COMPLETE)
    assert question.judge(Answer("    y = 2 * x\n")).detail["exact"]
    other = question.judge(Answer("    y = x + x\n"))
    assert other.ok
    assert not other.detail["exact"]
    assert not question.judge(Answer("    y = x\n")).ok


# --------------------------------------------------------------------------- bad files


def test_a_file_that_is_not_there_or_of_another_suite_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotebookNotFoundError, match="No benchmark file"):
        questions("fix", tmp_path / "none.jsonl")
    path = builders.write(tmp_path / "items.jsonl", builders.DOUBLE)
    with pytest.raises(UsageError, match=r"items.jsonl, line 1 is no item of this suite: it lacks cells"):
        questions("fix", path)
    with pytest.raises(UsageError, match="has no mbpp items"):
        questions("mbpp", path)
    path.write_text("not json\n")
    with pytest.raises(UsageError, match="line 1 is not JSON"):
        questions("generate", path)
    path.write_text("\n")
    with pytest.raises(UsageError, match="holds no items"):
        questions("generate", path)
    with pytest.raises(UsageError, match="Unknown suite `chess`"):
        find("chess")


def test_a_failing_cell_that_is_at_fault_itself_runs_with_the_answer(tmp_path: Path) -> None:
    item = {
        **builders.FIX, "cells": ["import math", "area = math.pi * radius ** 2"], "buggy_cell_index": 1, "failing_cell_index": 1,
        "tests": "assert round(area, 2) == 3.14", "good_cell": "radius = 1\narea = math.pi * radius ** 2",
    }  # fmt: skip
    question = only("fix", tmp_path, item)
    assert question.judge(Answer(item["good_cell"])).ok
    assert not question.judge(Answer(item["cells"][1])).ok
    assert not question.judge(Answer("")).ok


def test_an_error_below_the_last_cell_is_asked_about_that_cell(tmp_path: Path) -> None:
    item = {**builders.FIX, "cells": builders.FIX["cells"][:2], "failing_cell_index": 2}
    question = only("fix", tmp_path, item)
    assert question.task.target.cell_id == "cell-1"
    assert question.notebook.error is not None
    assert question.judge(Answer(str(item["good_cell"]))).ok
    assert not question.judge(Answer(str(item["cells"][1]))).ok


@pytest.mark.parametrize("changes", [{"failing_cell_index": 9}, {"buggy_cell_index": 3}, {"failing_cell_index": None}])
def test_an_index_outside_of_the_notebook_is_refused_with_its_value(changes: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"t/fix: .*_cell_index is {next(iter(changes.values()))}"):
        find("fix").read(builders.write(tmp_path / "items.jsonl", {**builders.FIX, **changes}))
