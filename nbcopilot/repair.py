"""The only loop that asks again, mends or searches: strategies are tried in turn until one brings an accepted answer.

    strategy ──▶ candidates ──▶ check, once each ──▶ accepted? ──▶ consensus samples ──▶ the best is chosen
       ▲                          │      ▲               │
       │                          └──────┘ quick fixes   │ no
       └─────────────────────────────────────────────────┘

A strategy proposes; only the loop has candidates checked, and keeps all that was judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from nbcopilot import proposed_edits
from nbcopilot.answers.extract import extract
from nbcopilot.deadline import Deadline
from nbcopilot.engine.likelihood import likeliest
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import EngineError
from nbcopilot.events import Accepted, CandidateReady, CheckDone, Event, PromptReady
from nbcopilot.fixes.confirm import confirm
from nbcopilot.generation import Answers, add_usage, alone_speed, generate, usable
from nbcopilot.inference import Completion
from nbcopilot.judge import Judge
from nbcopilot.notebook import syntax
from nbcopilot.repair_history import History, Proposal, with_evidence
from nbcopilot.sampling_plan import SampleBatch, consensus_batches, sample_batches
from nbcopilot.types import Candidate, Context, Judged, Notebook, Task
from nbcopilot.verdict import Verdict


class Repair:
    """One request on its way to an answer: `run` is the loop, `history` what it has found.

    ran_out: whether there was no time to try all that could be tried.
    """

    def __init__(
        self,
        engine: Engine,
        judge: Judge,
        context: Context,
        task: Task,
        notebook: Notebook,
        deadline: Deadline | None = None,
    ) -> None:
        self.engine, self.judge = engine, judge
        self.deadline = judge.budget.deadline = deadline or Deadline()
        self.context, self.task, self.notebook = context, task, notebook
        self.history = History()
        self.round = 0
        self.ran_out = False
        self.first = sample_batches(context, task, None, 0, 0)

    @property
    def prompt(self) -> SampleBatch:
        """The first prompt: edits that no model wrote are filed under it."""
        return self.first[0]

    def run(self) -> Iterator[Event]:
        """The events from PromptReady to the last CheckDone (events.py). Raises EngineError.

        When the time of the request is over nothing more is tried, as soon as there is one answer.
        """
        yield PromptReady(self.prompt.prompt, 0)
        for strategy in strategies(self.task):
            if self.is_over:
                self.ran_out = True
                break
            if self.history.accepted is not strategy.on_accepted or not strategy.applies(self):
                continue
            for step in strategy.propose(self):
                if not isinstance(step, Proposal):
                    yield step
                    continue
                before = self.history.accepted
                yield from self._judge(step)
                if self.history.accepted and not before:
                    yield Accepted(*self.best(), round(self.deadline.spent(), 3), self.deadline.seconds)
                if self.is_over or (strategy.first_wins and self.history.accepted):
                    break

    @property
    def is_over(self) -> bool:
        """Whether the time is used up and there is something to show."""
        return self.deadline.passed and bool(self.history.judged)

    def best(self) -> Judged:
        """The candidate to show: of those that were judged."""
        return self.judge.best(self.history.judged)

    def sample(self, batches: Sequence[SampleBatch], *, quiet: bool = False) -> Iterator[Event | Proposal]:
        """Ask for the answers of all batches: the tokens (not when quiet), then a proposal for each answer."""
        first = self.history.rounds.count(self.round)
        answers: Answers = []
        needed = not self.history.judged
        for token in generate(self.engine, batches, self.round, answers, self.deadline, needed=needed):
            if not quiet:
                yield token
        self.history.usage = add_usage(self.history.usage, answers)
        self.history.speed = self.history.speed or alone_speed([completion.usage for _, completion in answers])
        self.history.rounds += [self.round] * len(answers)
        for batch, completion in usable(answers):
            candidate = extract(replace(completion, index=first + completion.index), batch.prompt)
            self.history.logprobs[candidate.answer_sha256] = completion.logprobs
            yield Proposal(candidate, batch, completion=completion, quiet=quiet)

    def in_time(self, batches: Sequence[SampleBatch]) -> list[SampleBatch]:
        """As many of the answers, the first ones first, as can end in time at the speed so far, and no longer ones."""
        kept, speed = list(batches), self.history.speed
        while kept:
            rows = sum(batch.count for batch in kept)
            limits = [self.deadline.tokens(batch.sampling.max_tokens, speed, rows) for batch in kept]
            if min(limits) >= min(self.history.mean_length, *(batch.sampling.max_tokens for batch in kept)):
                return [
                    replace(batch, sampling=replace(batch.sampling, max_tokens=limit))
                    for batch, limit in zip(kept, limits, strict=True)
                ]
            last = kept.pop()
            kept += [replace(last, count=last.count - 1)] if last.count > 1 else []
        self.ran_out = True
        return []

    def _judge(self, proposal: Proposal) -> Iterator[Event]:
        """Check a proposal and keep the verdict: an equal answer is checked once, and counted again for consensus."""
        candidate, completion = proposal.candidate, proposal.completion
        known = self.history.known.get(candidate.text) if completion is not None else None
        told = not (proposal.quiet and known)
        if told and completion is not None:
            yield CandidateReady(candidate, completion)
        judged = (replace(known[0], index=candidate.index), known[1]) if known else self._checked(candidate)
        if not proposal.is_worth_keeping(judged[1]):
            return
        judged = proposal.marked(judged)
        self.history.add(candidate.text if completion is not None else judged[0].text, judged, proposal.batch)
        if completion is None:
            yield CandidateReady(judged[0], Completion(judged[0].text, judged[0].index))
        if told:
            yield CheckDone(*judged)

    def _checked(self, candidate: Candidate) -> Judged:
        """The candidate with its verdict; rejected or doubted, with the quick fixes that help; an accepted fix, confirmed."""
        judged = self.judge.check(candidate, self.task, self.notebook)
        if (not judged[1].ok or judged[1].doubts) and self.task.check and self.task.repairs:
            judged = self._quick_fixed(judged)
        if judged[1].ok and self.task.check and self.task.kind == "fix" and self.judge.runs_code:
            judged = self._confirmed(judged)
        return judged

    def _quick_fixed(self, faulty: Judged) -> Judged:
        """The answer with the edits that its diagnostics ask for, when it is accepted then and less is said against it.

        Depth first: an edit may uncover the next error.
        """
        waiting = list(reversed(proposed_edits.of_answer(faulty, self.judge, self.notebook)))
        for _ in range(self.judge.budget.quick_fix_runs):
            if not waiting or self.deadline.passed:
                break
            judged = self.judge.check(waiting.pop().candidate, self.task, self.notebook)
            better = not faulty[1].ok or judged[1].doubts < faulty[1].doubts
            if judged[1].ok and better and judged[1].checks.get("run") == "passed":
                return with_evidence(judged, mended=judged[0].notes[len(faulty[0].notes) :])
            if not judged[1].ok:
                waiting += reversed(proposed_edits.of_answer(judged, self.judge, self.notebook))
        return faulty

    def _confirmed(self, accepted: Judged) -> Judged:
        """The accepted fix, as small as it can be, and whether the cell fails without it; see `confirm`."""
        task, notebook = self.task, self.notebook
        before = task.target.source
        if not before.strip() or not syntax.is_python(notebook.language) or self.deadline.passed:
            return accepted
        was = self.judge.verdict_before(task, notebook)
        may_shrink = self.judge.budget.has_spare()

        def verdict(candidate: Candidate) -> Verdict:
            return self.judge.verdict(candidate, task, notebook)

        return confirm(accepted, before, was, verdict, may_shrink=may_shrink)


# ---------------------------------------------------------------- the strategies


@dataclass(frozen=True)
class Strategy:
    """One way to come by an answer.

    applies: whether it has anything to propose for the request. propose: its candidates, between the events of coming
    by them. on_accepted: it is tried when there is an accepted answer, else when there is none. first_wins: it ends
    with its first accepted candidate; of the others all are judged, and the best is chosen.
    """

    name: str
    applies: Callable[[Repair], bool]
    propose: Callable[[Repair], Iterator[Event | Proposal]]
    on_accepted: bool = False
    first_wins: bool = False


def strategies(task: Task) -> tuple[Strategy, ...]:
    """What is tried for a task, in this order."""
    again = task.repairs if task.check else 0
    return (CELL_QUICK_FIXES, FIRST_ANSWERS, SMALL_EDITS, *(ASK_AGAIN,) * again, CONSENSUS)


def _mends_a_cell(repair: Repair) -> bool:
    return repair.task.kind == "fix" and repair.task.check and repair.task.repairs > 0


def _cell_quick_fixes(repair: Repair) -> Iterator[Proposal]:
    """The failing cell with the edits that its error names: the first that is verified, or that the error is sure of."""
    for edited in proposed_edits.of_cell(repair.judge, repair.task, repair.notebook):
        yield Proposal(edited.candidate, repair.prompt, "quick fix", named=edited.named)


def _small_edits(repair: Repair) -> Iterator[Proposal]:
    """The small edits of the failing cell after which what failed holds, those that the model finds likeliest first."""
    passing, tried = proposed_edits.by_search(repair.judge, repair.task, repair.notebook)
    for candidate in likeliest(repair.engine, passing)[: repair.judge.budget.small_edits]:
        candidate = replace(candidate, index=len(repair.history.judged))
        yield Proposal(candidate, repair.prompt, "search", tried=tried)


def _ask_again(repair: Repair) -> Iterator[Event | Proposal]:
    """One answer to what the checks found in the best one so far, and beside it new answers."""
    repair.round += 1
    batches = sample_batches(repair.context, repair.task, repair.best(), repair.round, repair.history.mean_length)
    batches = repair.in_time(batches)
    if not batches:
        return
    yield PromptReady(batches[0].prompt, repair.round)
    yield from repair.sample(batches)


def _consensus(repair: Repair) -> Iterator[Event | Proposal]:
    """More answers to a short request, to choose what most of them agree on."""
    history = repair.history
    batches = consensus_batches(repair.context, repair.task, repair.notebook, history.judged, history.mean_length)
    with suppress(EngineError):  # there is an answer already
        yield from repair.sample(repair.in_time(batches), quiet=True)


def _always(repair: Repair) -> bool:
    return True


CELL_QUICK_FIXES = Strategy(
    "quick fixes of the failing cell",
    lambda repair: _mends_a_cell(repair) and not repair.task.instruction.strip(),
    _cell_quick_fixes,
    first_wins=True,
)
FIRST_ANSWERS = Strategy("first answers", _always, lambda repair: repair.sample(repair.first))
SMALL_EDITS = Strategy("search among small edits", _mends_a_cell, _small_edits, first_wins=True)
ASK_AGAIN = Strategy("ask again with what was found", _always, _ask_again)
CONSENSUS = Strategy("consensus samples", _always, _consensus, on_accepted=True)
