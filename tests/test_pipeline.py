"""One request from task to edit, with the scripted engine: order of events, bounded repair, cancel, loops."""

from __future__ import annotations

import itertools
from collections.abc import Generator
from dataclasses import replace
from typing import cast

import pytest

from nbcopilot.checks.wording import evidence_json
from nbcopilot.config import Config
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.errors import EmptyPromptError, EngineUnavailableError, PromptTooLargeError
from nbcopilot.events import CandidateReady, CheckDone, ContextReady, Done, EditReady, Event, Notice, PromptReady, Token
from nbcopilot.judge import Judge
from nbcopilot.pipeline import Copilot
from nbcopilot.sampling_plan import is_looping
from nbcopilot.task import make_task
from nbcopilot.types import Candidate, Cell, ErrorInfo, Judged, Notebook, Target, Task
from nbcopilot.write.provenance import checked

CONFIG = Config(check_seconds=30, retry_samples=0)
GOOD = "```python\nx = 1\n```"
BAD = "```python\nx = undefined_thing\n```"


def copilot(*answers: str) -> Copilot:
    return Copilot(FakeEngine(list(answers)), CONFIG)


def events(made: Copilot, text: str = "set x to one", **changes: object) -> list[Event]:
    config = Config(**{**CONFIG.__dict__, **changes})  # type: ignore[arg-type]
    return list(made.stream(make_task("generate", config, text), Notebook()))


def test_events_come_in_their_order() -> None:
    kinds = [type(event) for event in events(copilot(GOOD))]
    assert kinds[0] is ContextReady and kinds[1] is PromptReady and kinds[-2:] == [EditReady, Done]
    assert Token in kinds and kinds.index(CheckDone) < kinds.index(EditReady)


def test_failed_check_is_repaired_with_what_was_found() -> None:
    made = copilot(BAD, GOOD)
    seen = events(made)
    assert [e.attempt for e in seen if isinstance(e, PromptReady)] == [0, 1]
    last = made.engine.prompts[-1].messages  # type: ignore[attr-defined]
    assert "undefined_thing" in last[-1].content and "x = undefined_thing" in last[-2].content
    edit = next(e for e in seen if isinstance(e, EditReady))
    assert edit.verdict.ok and edit.edit.cells[0].source.endswith("x = 1")


def test_repair_is_bounded_and_the_best_answer_is_shown_with_its_problem() -> None:
    seen = events(copilot(BAD, BAD, BAD, GOOD), repairs=2)
    assert sum(isinstance(e, PromptReady) for e in seen) == 3
    edit = next(e for e in seen if isinstance(e, EditReady))
    assert not edit.verdict.ok and "problem" in edit.edit.cells[0].source.splitlines()[0]


def test_beside_a_repair_new_answers_are_drawn_one_of_them_to_the_plain_request() -> None:
    made = copilot(BAD, BAD, BAD, BAD, GOOD)
    seen = events(made, retry_samples=3)
    engine = cast(FakeEngine, made.engine)
    assert [s.temperature for s in engine.samplings] == [0.0, 0.0, 0.0, 0.8]
    assert engine.prompts[2].messages[-1].content == "set x to one"
    assert engine.prompts[3] == engine.prompts[0] != engine.prompts[1]
    assert max((e.attempt, e.index) for e in seen if isinstance(e, Token)) == (1, 3)
    edit = next(e for e in seen if isinstance(e, EditReady))
    record = edit.edit.cells[0].metadata["nbcopilot"]
    assert edit.verdict.ok
    assert record["sampling"]["temperature"] == 0.8 and record["prompt_sha256"] == engine.prompts[0].hash


def test_the_second_round_draws_more_and_an_equal_answer_is_judged_once() -> None:
    made = copilot(*[BAD] * 20)
    checks: list[str] = []

    class Counting(Judge):
        def check(self, candidate: Candidate, task: Task, notebook: Notebook) -> Judged:
            checks.append(candidate.text)
            return super().check(candidate, task, notebook)

    config = Config(**{**CONFIG.__dict__, "retry_samples": 3, "repairs": 2})
    seen = list(made.stream(make_task("generate", config, "set x"), Notebook(), judge=Counting(config)))
    assert len([e for e in seen if isinstance(e, CandidateReady)]) == 1 + (1 + 3) + (1 + 12)
    assert len(checks) == 1


def test_an_answer_that_holds_at_once_is_asked_for_once() -> None:
    made = copilot(GOOD)
    events(made, retry_samples=3)
    assert len(cast(FakeEngine, made.engine).prompts) == 1


def test_candidates_are_one_greedy_answer_and_others_that_differ() -> None:
    made = copilot(BAD, BAD, GOOD)
    events(made, candidates=3)
    assert [s.temperature for s in cast(FakeEngine, made.engine).samplings] == [0.0, 0.8]


def test_without_check_nothing_is_repaired() -> None:
    assert sum(isinstance(e, PromptReady) for e in events(copilot(BAD, GOOD), check=False)) == 1


def test_several_candidates_give_the_one_that_runs() -> None:
    seen = events(copilot(BAD, GOOD), candidates=2)
    edit = next(e for e in seen if isinstance(e, EditReady))
    assert edit.verdict.ok and edit.candidate.text == "x = 1"


ROWS = Notebook(cells=(Cell("a", "code", "rows = [3, 1, 2]", executed=1), Cell("b", "code", "%%generate")), cursor=1)


def next_cell(answers: list[str | Exception], text: str = "how many rows are there?") -> tuple[list[Event], FakeEngine]:
    engine = FakeEngine([f"```python\n{a}\n```" if isinstance(a, str) else a for a in answers])
    config = replace(CONFIG, consensus_samples=4)
    return list(Copilot(engine, config).stream(make_task("generate", config, text), ROWS)), engine


def test_of_short_answers_to_a_notebook_the_one_is_taken_whose_value_most_others_give() -> None:
    seen, engine = next_cell(["max(rows) + 1", "len(rows)", "len(rows)", "sum(1 for _ in rows)", "rows[0] + 2"])
    edit = next(e for e in seen if isinstance(e, EditReady))
    assert edit.candidate.text == "len(rows)" and edit.candidate.index == 1
    told = [e.candidate.text for e in seen if isinstance(e, CandidateReady)]
    assert told == ["max(rows) + 1", "len(rows)", "sum(1 for _ in rows)", "rows[0] + 2"], "what differs, once"
    assert {e.index for e in seen if isinstance(e, Token)} == {0}
    assert cast(Done, seen[-1]).answers == 5
    assert [s.temperature for s in engine.samplings] == [0.0, 0.8]


def test_without_a_majority_the_greedy_answer_stays() -> None:
    seen, _ = next_cell(["len(rows)", "max(rows) + 5", "rows[1]", "rows[2]", "rows[0] + 9"])
    assert next(e for e in seen if isinstance(e, EditReady)).candidate.text == "len(rows)"


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        (["def f(x):\n    return x + 1"], "write f(x)\n\n>>> f(1)\n2"),
        (["def f(x):\n    return x + 1"], "a function f that adds one to x"),
        ([f"[{', '.join(str(i * i) for i in range(70))}]"], "how many rows are there?"),
        (["len(rows)", EngineUnavailableError("the engine is gone")], "how many rows are there?"),
    ],
    ids=["an example proves it", "it is a function", "the answer is long", "the engine fails"],
)
def test_one_answer_is_enough_when(answers: list[str | Exception], text: str) -> None:
    seen, _ = next_cell(answers, text)
    edit = next(e for e in seen if isinstance(e, EditReady))
    assert edit.verdict.ok and edit.candidate.text == answers[0] and cast(Done, seen[-1]).answers == 1


def test_when_the_model_cannot_mend_it_a_small_edit_is_found_and_said_to_be_no_answer_of_the_model() -> None:
    cells = ("def mean(t):\n    return sum(t) / (len(t) - 1)", "assert mean([2, 4]) == 3")
    book = Notebook(
        cells=tuple(Cell(f"c{i}", "code", source, executed=i + 1) for i, source in enumerate(cells)),
        error=ErrorInfo("AssertionError", "", "", "c1", cells[1]),
    )
    engine = FakeEngine([f"```python\n{cells[0]}\n```"])
    task = make_task("fix", CONFIG, "", Target(cells[1], "c1", position=1))
    seen = list(Copilot(engine, CONFIG).stream(task, book))
    edit = next(e for e in seen if isinstance(e, EditReady))
    assert edit.candidate.text == "def mean(t):\n    return sum(t) / len(t)"
    assert edit.verdict.ok and evidence_json(edit.verdict.evidence)["verified"] is True
    assert any(words.startswith("found by search among") for words in checked(edit.verdict))
    assert cast(Done, seen[-1]).answers == 1 and len(engine.prompts) == 1


def test_closing_the_stream_cancels_the_engine() -> None:
    engine = FakeEngine(["```python\n" + "x = 1\n" * 200 + "```"])
    stream = cast(
        "Generator[Event]", Copilot(engine, CONFIG).stream(make_task("generate", CONFIG, "many lines"), Notebook())
    )
    for event in itertools.islice(stream, 6):
        last = event
    assert isinstance(last, Token)
    stream.close()
    assert engine.cancelled == 1


def test_nothing_usable_is_said_and_nothing_is_written() -> None:
    seen = events(copilot("", "", ""))
    assert not any(isinstance(e, EditReady) for e in seen)
    assert any(isinstance(e, Notice) and "no usable answer" in e.message for e in seen)
    assert cast(Done, seen[-1]).finish == "empty"


def test_empty_prompt_is_a_sentence() -> None:
    with pytest.raises(EmptyPromptError, match="There is nothing to generate"):
        events(copilot(GOOD), "  \n ")


def test_prompt_of_200_kb_is_a_sentence_with_both_numbers() -> None:
    with pytest.raises(PromptTooLargeError, match=r"The request alone is [\d,]+ tokens"):
        events(copilot(GOOD), "word " * 40_000)


def test_snippets_that_do_not_fit_are_named() -> None:
    cells = tuple(Cell(f"c{i}", "code", f"value_{i} = {'1 + ' * 300}1", executed=i) for i in range(30))
    config = Config(context_tokens=900)
    text = "use " + ", ".join(f"value_{i}" for i in range(30))
    seen = list(Copilot(FakeEngine([GOOD]), config).stream(make_task("generate", config, text), Notebook(cells)))
    said = [e.message for e in seen if isinstance(e, Notice)]
    assert any("left out to fit" in message for message in said), said


def test_secrets_never_reach_the_engine() -> None:
    key = "AKIA" + "IOSFODNN7EXAMPLQ"
    engine = FakeEngine([GOOD])
    made = Copilot(engine, CONFIG)
    target = Target(f'aws_key = "{key}"\nprint(aws_key)')
    list(made.stream(make_task("explain", CONFIG, "", target), Notebook()))
    assert engine.prompts and all(key not in m.content for p in engine.prompts for m in p.messages)


@pytest.mark.parametrize("text", ["x = [" + "0, " * 60, "# " + "-" * 100, "def f():\n    return 1\n" * 3])
def test_rulers_and_rows_are_no_loops(text: str) -> None:
    assert not is_looping(text)


@pytest.mark.parametrize("unit", ["a b ", "assert f(1) == 2\n", "    # test case: x is 3, low is 1, high is 2\n"])
def test_an_answer_that_only_repeats_itself_is_a_loop(unit: str) -> None:
    assert is_looping("def test():\n" + unit * 60)


def test_numbered_repeats_are_a_loop_and_different_lines_are_not() -> None:
    lines = "".join(
        f"    # Test case {i}: a single backslash in the text\n    assert f('a') == 1\n\n" for i in range(9)
    )
    assert is_looping("def test():\n" + lines)
    assert not is_looping("".join(f"    assert f({i}, '{chr(97 + i) * (i + 3)}') == {i}\n" for i in range(26)))
