"""A run asks every question once in every mode, keeps what it has, and goes on where it was stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nbcopilot.errors import ContextOverflowError, EngineUnavailableError, UsageError
from nbcopilot.evaluation.runner import Journal, Reference, Run, ask
from nbcopilot.evaluation.suites import Judgement, Question, Suite
from nbcopilot.evaluation.systems import Answer
from nbcopilot.inference import Usage
from nbcopilot.types import Notebook, Task

CONDITIONS = {"suite": "sums", "model": "m", "sha256": "1"}


def sums(item: int) -> Iterator[Question]:
    """Two questions an item: n + 1 and n + 2."""
    for add in (1, 2):
        right = str(item + add)
        yield Question(
            f"{item}+{add}",
            Task("generate", f"{item}+{add}"),
            Notebook(),
            lambda answer, right=right: Judgement.of(answer.text == right, f"not {right}"),  # type: ignore[misc]
            Answer(right),
        )


SUITE = Suite("sums", lambda path: [10, 20, 30], sums)


@dataclass
class Adder:
    """Right about everything but `wrong`; raises `error` at `fails`."""

    name: str = "adder"
    wrong: tuple[str, ...] = ()
    fails: str = ""
    error: Exception = field(default_factory=lambda: EngineUnavailableError("gone"))
    asked: list[str] = field(default_factory=list)

    def answer(self, task: Task, notebook: Notebook) -> Answer:
        self.asked.append(task.instruction)
        if task.instruction == self.fails:
            raise self.error
        value = sum(map(int, task.instruction.split("+"))) + (task.instruction in self.wrong)
        return Answer(str(value), Usage(prompt_tokens=5, completion_tokens=2), accepted=True)


def run(journal: Journal, *systems: Any, jobs: int = 1) -> dict[tuple[str, str], bool]:
    return {(r.mode, r.id): r.ok for r in Run(SUITE, [10, 20, 30], systems, journal, jobs=jobs).run()}


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_question_is_asked_once_in_every_mode(jobs: int) -> None:
    one, two = Adder("one"), Adder("two", wrong=("20+1",))
    found = run(Journal(None, CONDITIONS), one, two, Reference(), jobs=jobs)
    assert len(found) == 18
    assert [key for key, ok in found.items() if not ok] == [("two", "20+1")]
    assert sorted(one.asked) == ["10+1", "10+2", "20+1", "20+2", "30+1", "30+2"]


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with pytest.raises(EngineUnavailableError):
        run(Journal(path, CONDITIONS), Adder(fails="20+2"))
    again = Adder()
    found = run(Journal(path, CONDITIONS), again)
    assert len(found) == 6
    assert again.asked == ["20+2", "30+1", "30+2"]


def test_a_journal_cut_short_in_a_line_loses_only_that_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    run(Journal(path, CONDITIONS), Adder())
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], lines[3][:20]]) + "\n")
    again = Adder()
    assert len(run(Journal(path, CONDITIONS), again)) == 6
    assert again.asked == ["20+1", "20+2", "30+1", "30+2"]


def test_a_journal_of_another_model_or_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path, CONDITIONS)
    before = path.read_text()
    with pytest.raises(UsageError, match="is of a run with model m, this one has other"):
        Journal(path, {**CONDITIONS, "model": "other"})
    assert path.read_text() == before
    path.write_text("something else\n")
    with pytest.raises(UsageError, match="is not a journal"):
        Journal(path, CONDITIONS)


def test_a_journal_holds_the_conditions_the_results_and_the_time(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    run(Journal(path, CONDITIONS), Adder())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"conditions": CONDITIONS}
    assert lines[1]["id"] == "10+1"
    assert "seconds" in lines[-1]
    assert Journal(path, CONDITIONS).seconds == pytest.approx(lines[-1]["seconds"])


def test_one_prompt_that_is_too_long_is_a_wrong_answer_not_the_end() -> None:
    found = run(Journal(None, CONDITIONS), Adder(fails="20+1", error=ContextOverflowError("too long")))
    assert len(found) == 6
    assert [key for key, ok in found.items() if not ok] == [("adder", "20+1")]


def test_an_excluded_question_is_asked_of_nobody() -> None:
    question = next(sums(1))
    hidden = Question(question.id, question.task, question.notebook, question.judge, excluded="no data")
    system = Adder()
    assert ask(hidden, system).excluded == "no data"
    assert system.asked == []
