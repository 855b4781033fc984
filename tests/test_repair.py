"""The one loop: which strategies are tried, in which order, what each check costs, and what is shown of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from nbcopilot import repair
from nbcopilot.config import Config
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.events import CandidateReady, CheckDone, Event, PromptReady
from nbcopilot.judge import Judge
from nbcopilot.proposed_edits import Edited
from nbcopilot.repair import Repair
from nbcopilot.types import Candidate, Context, Judged, Notebook, Target, Task
from nbcopilot.verdict import Verdict

FAILING = "total = sum(rows) / 0"


class Scripted(Judge):
    """Accepts the texts that it is given, runs nothing, and notes what it was asked."""

    def __init__(self, *accepted: str) -> None:
        super().__init__(Config())
        self.accepted, self.asked = accepted, list[str]()

    def check(self, candidate: Candidate, task: Task, notebook: Notebook) -> Judged:
        """The scripted verdict."""
        self.asked.append(candidate.text)
        return candidate, self.verdict(candidate, task, notebook)

    def verdict(
        self, candidate: Candidate, task: Task, notebook: Notebook, above: Sequence[str] | None = None
    ) -> Verdict:
        """The scripted verdict."""
        ok = candidate.text in self.accepted
        return Verdict(ok, checks={"run": "passed" if ok else "failed"})


def edits(monkeypatch: pytest.MonkeyPatch, tree: dict[str, list[str]], cell: Sequence[Edited] = ()) -> None:
    """Let each rejected text ask for the quick fixes that `tree` lists for it, and the failing cell for `cell`."""

    def of_answer(judged: Judged, judge: Judge, notebook: Notebook) -> tuple[Edited, ...]:
        notes = judged[0].notes
        texts = tree.get(judged[0].text, [])
        return tuple(Edited(replace(judged[0], text=text, notes=(*notes, f"to {text}"))) for text in texts)

    monkeypatch.setattr(repair.proposed_edits, "of_answer", of_answer)
    monkeypatch.setattr(repair.proposed_edits, "of_cell", lambda *_: tuple(cell))
    monkeypatch.setattr(repair.proposed_edits, "by_search", lambda *_: ([], 0))


def run(judge: Judge, task: Task, *answers: str) -> tuple[list[Event], Repair]:
    engine = FakeEngine([f"```python\n{answer}\n```" for answer in answers])
    made = Repair(engine, judge, Context(task), task, Notebook())
    return list(made.run()), made


def test_strategies_go_from_what_costs_nothing_to_what_costs_most() -> None:
    names = [strategy.name for strategy in repair.strategies(Task("fix", repairs=2))]
    assert names == [
        "quick fixes of the failing cell",
        "first answers",
        "search among small edits",
        "ask again with what was found",
        "ask again with what was found",
        "consensus samples",
    ]
    unchecked = repair.strategies(Task("fix", repairs=2, check=False))
    assert repair.ASK_AGAIN not in unchecked, "without checks nothing is found that could be asked about"


def test_quick_fixes_of_an_answer_go_deep_before_they_go_wide_and_are_one_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edits(monkeypatch, {"a = 0": ["b = 0", "c = 0"], "b = 0": ["b = 1"]})
    judge = Scripted("b = 1")
    seen, made = run(judge, Task("generate", "set it", repairs=1), "a = 0")
    assert judge.asked == ["a = 0", "b = 0", "b = 1"], "`c = 0` is not needed"
    ready = [event.candidate.text for event in seen if isinstance(event, CandidateReady)]
    done = [event for event in seen if isinstance(event, CheckDone)]
    assert ready == ["a = 0"] and [event.candidate.text for event in done] == ["b = 1"]
    assert done[0].verdict.evidence.mended == ("to b = 0", "to b = 1")
    assert made.history.answers == 1 and sum(isinstance(event, PromptReady) for event in seen) == 1


def test_quick_fixes_that_never_help_are_run_so_many_times_and_the_answer_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [f"x{n} = 0" for n in range(50)]
    edits(monkeypatch, {name: [names[n + 1]] for n, name in enumerate(names[:-1])})
    judge = Scripted()
    seen, made = run(judge, Task("generate", "set it", repairs=1), names[0], names[0])
    assert len(judge.asked) == 1 + judge.budget.quick_fix_runs, "the same answer again is not checked again"
    assert {event.candidate.text for event in seen if isinstance(event, CheckDone)} == {names[0]}
    assert made.best()[0].text == names[0] and made.history.answers == 2


@pytest.mark.parametrize(("named", "kept"), [(True, True), (False, False)])
def test_a_quick_fix_that_the_error_does_not_name_must_be_verified(
    named: bool, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended = "total = sum(rows) / 1"
    edits(monkeypatch, {}, [Edited(Candidate(mended, notes=("another divisor",)), named)])
    # The failing cell is accepted too, so the fault is not seen here and nothing can be verified.
    judge = Scripted(mended, FAILING, "total = 1")
    task = Task("fix", target=Target(FAILING, "c"), repairs=1)
    seen, made = run(judge, task, "total = 1")
    told = [event.candidate.text for event in seen if isinstance(event, CandidateReady)]
    assert told == ([mended] if kept else ["total = 1"])
    assert made.history.answers == (0 if kept else 1)


def test_an_accepted_fix_is_the_end_and_a_rejected_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = [Edited(Candidate(text)) for text in ("total = 1", "total = 2", "total = 3")]
    edits(monkeypatch, {}, cell)
    judge = Scripted("total = 2")
    run(judge, Task("fix", target=Target(FAILING, "c"), repairs=2), "total = 9")
    assert judge.asked == ["total = 1", "total = 2"]
