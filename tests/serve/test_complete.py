"""Suggestions: growing, remembered, bounded in time, with the notebook in front in a stable order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from nbcopilot.engine.fake import FakeEngine
from nbcopilot.inference import Chunk, Prompt, Sampling
from nbcopilot.serve import complete
from nbcopilot.serve.complete import Completer, Gap, Suggestion, nearest, prompt, warm


def say(text: str) -> FakeEngine:
    return FakeEngine(script=lambda _: text)


def last(suggestions: Iterator[Suggestion]) -> Suggestion:
    *_, final = suggestions
    return final


def test_text_grows_and_the_last_one_is_finished() -> None:
    seen = list(Completer().suggest(say("value * factor + offset"), Gap("y = ")))
    assert seen[-1].text == "value * factor + offset" and seen[-1].finish == "stop"
    assert len(seen) > 2
    for earlier, later in pairwise(seen):
        assert later.text.startswith(earlier.text) and earlier.finish is None


def test_what_was_suggested_is_remembered_while_it_is_typed() -> None:
    completer, engine = Completer(), say("value * 2")
    assert last(completer.suggest(engine, Gap("y = "))).text == "value * 2"
    for typed in ("", "v", "value *"):
        again = last(completer.suggest(engine, Gap("y = " + typed)))
        assert again.text == "value * 2"[len(typed) :] and again.cached
    assert len(engine.prompts) == 1 and completer.hits == 3


def test_other_text_or_another_place_asks_again() -> None:
    completer, engine = Completer(), say("value * 2")
    gap = Gap("y = ", suffix="\nz", before=("a = 1",))
    last(completer.suggest(engine, gap))
    for other in (
        Gap("y = w", "\nz", ("a = 1",)),
        Gap("y = value * 2", "\nz", ("a = 1",)),
        Gap("y = ", "\nq", ("a = 1",)),
        Gap("y = ", "\nz", ("a = 2",)),
        Gap("y = ", "\nz", ("a = 1",), language="r"),
    ):
        assert not last(completer.suggest(engine, other)).cached
    assert not last(completer.suggest(engine, gap, "another model")).cached


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    completer, engine = Completer(remembered=2), say("value")
    for name in "abc":
        last(completer.suggest(engine, Gap(f"{name} = ")))
    assert completer.known(Gap("a = ")) is None
    assert completer.known(Gap("b = ")) and completer.known(Gap("c = "))


def test_answer_that_was_cut_is_not_remembered() -> None:
    completer = Completer()
    cut = last(completer.suggest(say("one two three four five"), Gap("x = ", max_tokens=2)))
    assert cut.finish == "length" and cut.text == "one two"
    assert completer.known(Gap("x = ")) is None


class Slow(FakeEngine):
    """Says a few words a second, of a clock of its own."""

    seconds = 0.0

    def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Iterator[Chunk]:
        for chunk in super().generate(prompt, sampling, candidates=candidates):
            self.seconds += 1
            yield chunk

    def monotonic(self) -> float:
        return self.seconds


def test_time_budget_gives_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Slow(script=lambda _: "word " * 200)
    monkeypatch.setattr(complete, "time", engine)
    suggestion = last(Completer().suggest(engine, Gap("x = ", max_tokens=400, budget_seconds=5.5)))
    assert suggestion.finish == "budget" and 1 < suggestion.text.count("word") < 50
    assert engine.cancelled == 1


def test_rule_that_ends_it_cancels_the_engine() -> None:
    engine = say("value\n" * 50)
    assert last(Completer().suggest(engine, Gap("x = "))).text == "value"
    assert engine.cancelled == 1


def test_closing_cancels_the_engine() -> None:
    engine = say("word " * 100)
    stream = Completer().suggest(engine, Gap("x = "))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert engine.cancelled == 1


def test_warm_up_reads_the_same_beginning_and_says_nothing() -> None:
    engine = say("word " * 100)
    gap = Gap("x = ", "\nprint(x)", ("import math", "y = 2"))
    warm(engine, gap)
    (read,), (sampling,) = engine.prompts, engine.samplings
    assert read.text == prompt(gap).text and read.suffix == "" and sampling.max_tokens == 1


def test_cells_stand_before_the_text_in_order_and_apart() -> None:
    made = prompt(Gap("z = ", "\n", ("import math\n\n", "", "y = 2")))
    assert made.text == "import math\n\ny = 2\n\nz = " and (made.suffix, made.prefill) == ("\n", "")


def test_indentation_and_line_ends_at_the_cursor_are_the_models_to_say() -> None:
    made = prompt(Gap("def f():\n    ", "\n"))
    assert (made.text, made.prefill) == ("def f():", "\n")
    made = prompt(Gap("", "\n", ("import math",)))
    assert (made.text, made.prefill) == ("import math", "\n\n")
    made = prompt(Gap("def f():\n    x", "\n"))
    assert (made.text, made.prefill) == ("def f():\n    x", "")
    made = prompt(Gap(""))
    assert (made.text, made.prefill) == ("", "")


def test_cells_that_are_dropped_change_rarely() -> None:
    cells = tuple(f"cell_{number} = {'x' * 90}" for number in range(60))
    starts = [cells.index(nearest(cells[:count], 1000)[0]) for count in range(1, 61)]
    assert starts == sorted(starts)
    assert len(set(starts)) <= 12  # of 60; one for each half of the limit
    for count in range(1, 61):
        kept = nearest(cells[:count], 1000)
        assert sum(map(len, kept)) <= 1000 and kept[-1] == cells[count - 1]


def test_long_text_is_cut_at_line_ends() -> None:
    long = "".join(f"line_{number} = {number}\n" for number in range(2000))
    made = prompt(Gap(long + "x = ", "\n" + long))
    assert made.text is not None and made.suffix is not None
    assert len(made.text) <= 6000 and made.text.startswith("line_") and made.text.endswith("\nx = ")
    assert len(made.suffix) <= 2000 and made.suffix.endswith("\n")
    assert prompt(Gap("x" * 9000)).text == "x" * 6000  # one endless line


class Undecided(FakeEngine):
    """Says `first` when greedy, and the others when several are sampled."""

    def __init__(self, first: str, *others: str) -> None:
        super().__init__()
        self.first, self.others = first, others

    def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Iterator[Chunk]:
        texts = [self.first] if candidates == 1 else [*self.others, *[self.first] * candidates][:candidates]
        yield from FakeEngine(script=texts).generate(prompt, sampling, candidates=candidates)


SUM = Gap("def f(values):\n", "    for v in values:\n        total += v\n    return total\n")


def test_answer_that_does_not_fit_is_replaced_by_a_sampled_one_that_does() -> None:
    engine = Undecided("    return total\n", "    # Test cases\n", "    total = 0\n    for v in values:\n")
    assert last(Completer().suggest(engine, SUM)).text == "    total = 0\n"


def test_answer_that_fits_is_not_asked_for_twice() -> None:
    engine = Undecided("    total = 0\n    for v in values:\n        total += v\n", "    x = 1\n")
    assert last(Completer().suggest(engine, SUM)).text == "    total = 0\n"


def test_no_suggestion_is_better_than_one_that_cuts_off_the_rest() -> None:
    suggestion = last(Completer().suggest(Undecided("    return total\n"), SUM))
    assert (suggestion.text, suggestion.finish) == ("", "stop")
