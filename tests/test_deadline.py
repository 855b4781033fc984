"""One budget of time for a request: an answer is shown within it, whatever the model, the cell and the checks do."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from nbcopilot.config import Config
from nbcopilot.deadline import Deadline
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.events import Accepted, CandidateReady, CheckDone, Done, EditReady, Event, Notice
from nbcopilot.generation import Answers, alone_speed, generate, usable
from nbcopilot.inference import Chunk, Completion, Message, Prompt, Sampling, Usage
from nbcopilot.pipeline import Copilot
from nbcopilot.repair import Repair
from nbcopilot.sampling_plan import SampleBatch
from nbcopilot.task import make_task
from nbcopilot.types import Context, Notebook, Task

PROMPT = Prompt(messages=(Message("user", "x"),))


class Clock:
    """A clock that only moves when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Typing(FakeEngine):
    """Says `texts`, a character at a time, and lets `seconds` pass with each, on a clock or in earnest."""

    def __init__(self, texts: list[str], seconds: float, clock: Clock | None = None) -> None:
        super().__init__(texts)
        self.texts, self.seconds, self.clock, self.asked = list(texts), seconds, clock, list[int]()

    def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Iterator[Chunk]:
        self.asked.append(candidates)
        text = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        for character in text:
            if self.clock is None:
                time.sleep(self.seconds)
            else:
                self.clock.now += self.seconds
            yield Chunk(character)
        yield Chunk("", finish="stop", usage=Usage(completion_tokens=len(text), seconds=len(text) * self.seconds))


def test_what_is_left_goes_down_to_nothing_and_some_is_kept_for_the_check() -> None:
    clock = Clock()
    deadline = Deadline(20, clock)
    assert (deadline.left(), deadline.left_to_generate(), deadline.passed) == (20, 16, False)
    clock.now = 17
    assert (deadline.left(), deadline.left_to_generate(), deadline.left_to_check()) == (3, 0, 4)
    clock.now = 25
    assert (deadline.left(), deadline.passed, deadline.left_to_check()) == (0, True, 4)


def test_without_a_limit_nothing_ends() -> None:
    deadline = Deadline()
    assert (deadline.left(), deadline.passed, deadline.tokens(768, 0.001)) == (math.inf, False, 768)


def test_the_longest_answer_follows_from_speed_time_and_rows() -> None:
    deadline = Deadline(20, Clock())
    assert deadline.tokens(768, 0.0) == 768, "the speed is not known yet"
    assert deadline.tokens(768, 10) == 160
    assert deadline.tokens(768, 10, rows=9) == 80
    assert deadline.tokens(100, 10) == 100


def test_generation_is_cut_at_a_token_and_what_ended_before_is_usable() -> None:
    clock = Clock()
    engine = Typing(["ab", "cdefghij"], 1.0, clock)
    answers: Answers = []
    batches = [SampleBatch(PROMPT, Sampling(), 1)] * 2
    tokens = [token.text for token in generate(engine, batches, 0, answers, Deadline(6, clock))]
    assert "".join(tokens).startswith("ab") and len(tokens) < 10
    assert [completion.finish for _, completion in answers] == ["stop", "cancelled"]
    assert [completion.text for _, completion in usable(answers)] == ["ab"]
    assert answers[1][1].usage.completion_tokens > 0, "what was cut has been paid for too"


def test_the_first_answer_gets_time_to_be_written_when_its_prompt_was_long_to_read() -> None:
    clock = Clock()
    deadline = Deadline(20, clock)
    clock.now = 18
    assert deadline.left_to_generate() == 0 and deadline.left_to_write(begun=18) == 10
    clock.now = 35
    assert deadline.left_to_write(begun=34) == 5, "twice the time is the end"

    clock = Clock()
    answers: Answers = []
    engine, batch = Typing(["abcdefghij"], 1.0, clock), SampleBatch(PROMPT, Sampling(), 1)
    deadline = Deadline(20, clock)
    clock.now = 17  # the prompt took so long
    list(generate(engine, [batch], 0, answers, deadline, needed=True))
    assert [completion.text for _, completion in answers] == ["abcdefghij"]
    answers.clear()
    list(generate(engine, [batch], 1, answers, deadline))
    assert len(answers[0][1].text) == 1, "others must keep to the time"


def test_where_nothing_ended_the_longest_part_is_used() -> None:
    batch = SampleBatch(PROMPT, Sampling(), 1)
    answers = [(batch, Completion("ab", 0, "cancelled")), (batch, Completion("abc", 1, "cancelled"))]
    assert [completion.text for _, completion in usable(answers)] == ["abc"]


def test_the_speed_of_one_row_is_more_than_that_of_one_among_nine() -> None:
    usage = Usage(completion_tokens=30, first_token_seconds=1.0, seconds=4.0)
    assert alone_speed([usage]) == 10
    assert alone_speed([usage] * 9) == 20
    assert alone_speed([]) == alone_speed([Usage()]) == 0


def repair(clock: Clock, seconds: float = 20.0) -> Repair:
    task = Task("generate", "set x", repairs=2, retry_samples=3)
    from nbcopilot.judge import Judge

    return Repair(FakeEngine([]), Judge(Config()), Context(task), task, Notebook(), Deadline(seconds, clock))


def test_as_many_further_answers_are_asked_for_as_can_end_in_time() -> None:
    clock = Clock()
    made = repair(clock)
    made.history.speed, made.history.rounds = 10.0, [0]
    made.history.usage = Usage(completion_tokens=60)
    batches = [SampleBatch(PROMPT, Sampling(max_tokens=200), 1), SampleBatch(PROMPT, Sampling(max_tokens=200), 12)]
    asked = made.in_time(batches)
    assert [batch.count for batch in asked] == [1, 12] and asked[0].sampling.max_tokens == 64
    clock.now = 6
    assert [batch.count for batch in made.in_time(batches)] == [1, 5]
    clock.now = 11
    assert made.in_time(batches) == [], "not even one would end"


def stream(engine: FakeEngine, *, instruction: str = "set x to one", **settings: object) -> tuple[list[Event], float]:
    config = replace(Config(), model="fake", **settings)  # type: ignore[arg-type]
    started = time.monotonic()
    seen = list(Copilot(engine, config).stream(make_task("generate", config, instruction), Notebook()))
    return seen, time.monotonic() - started


LONG = "```python\n" + "".join(f"x{number} = {number}\n" for number in range(2000))


def test_an_answer_that_never_ends_is_cut_and_said_to_be() -> None:
    seen, seconds = stream(Typing([LONG], 0.01), answer_seconds=4.0)
    assert seconds < 6
    (ready,) = [event for event in seen if isinstance(event, EditReady)]
    assert "x1 = 1" in ready.candidate.text and not ready.candidate.complete
    assert isinstance(seen[-1], Done) and seen[-1].usage.completion_tokens > 0


def test_answers_that_are_all_wrong_end_in_time_with_the_best_of_them_and_a_sentence() -> None:
    seen, seconds = stream(Typing(["```python\n1 / 0\n```"], 0.05), answer_seconds=3.0, repairs=2, retry_samples=3)
    assert seconds < 6
    assert [event for event in seen if isinstance(event, EditReady)]
    assert any(isinstance(event, Notice) and "no answer passed its checks in 3 s" in event.message for event in seen)


def test_a_cell_that_runs_long_is_not_waited_for_longer_than_the_time() -> None:
    answer = "```python\nimport time\ntime.sleep(60)\n```"
    seen, seconds = stream(Typing([answer], 0.0), answer_seconds=3.0)
    assert seconds < 7
    (ready,) = [event for event in seen if isinstance(event, EditReady)]
    assert ready.verdict.evidence.not_run is not None and ready.verdict.evidence.not_run.reason == "time"


def test_the_first_answer_that_passes_is_told_at_once_and_once() -> None:
    seen, _ = stream(Typing(["```python\nx = 1\n```"], 0.0), candidates=3, answer_seconds=30.0)
    told = [event for event in seen if isinstance(event, Accepted)]
    assert [(event.candidate.text, event.until) for event in told] == [("x = 1", 30.0)]
    first_check = next(at for at, event in enumerate(seen) if isinstance(event, CheckDone))
    assert seen[first_check + 1] is told[0]
    assert sum(isinstance(event, CandidateReady) for event in seen) >= 1


@pytest.mark.parametrize("seconds", [0.0])
def test_without_a_limit_all_rounds_are_asked(seconds: float) -> None:
    engine = Typing(["```python\n1 / 0\n```"], 0.0)
    stream(engine, answer_seconds=seconds, repairs=2, retry_samples=3)
    assert sum(engine.asked) > 8
