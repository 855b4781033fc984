"""Candidate -> Verdict: code is checked and run, tests are weighed, prose is held against the notebook.

One pass over one candidate for each kind of task. Tries no edits and asks for no other answers: `repair` does.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nbcopilot import examples, places, policy
from nbcopilot.check_budget import CheckBudget
from nbcopilot.checking import OneCheck, check, known_names
from nbcopilot.checks import consensus, next_cell
from nbcopilot.checks.rules.nb103_empty_answer import EmptyAnswer
from nbcopilot.checks.rules.nb601_sentence_dropped import SentenceDropped
from nbcopilot.checks.rules.nb602_ungrounded_text import UngroundedText
from nbcopilot.config import Config
from nbcopilot.errors import SandboxUnavailableError
from nbcopilot.execution import RunError, RunReport
from nbcopilot.fixes import autofix
from nbcopilot.notebook import syntax
from nbcopilot.sandbox.runner import Runner, preload
from nbcopilot.task import upstream
from nbcopilot.testgen.offer import offer
from nbcopilot.testgen.under_test import seeds
from nbcopilot.types import Candidate, Judged, Notebook, Task
from nbcopilot.verdict import NotRun, Verdict
from nbcopilot.write import grounding
from nbcopilot.write.harmless import harmless, without_addresses


class Judge:
    """Decides on the candidates of one request; keeps what their runs showed, to choose among them.

    namespace: the live one of a kernel (None: nothing but the notebook's cells). runs_code is False for a judge that
    never runs anything.
    """

    runs_code = True

    def __init__(self, config: Config, *, namespace: Mapping[str, Any] | None = None) -> None:
        self.config = config
        self.namespace = namespace
        self.budget = CheckBudget(config.check_total_seconds)
        self._policy = policy.load(config.policy, config.sandbox)
        self._checks: dict[str, OneCheck] = {}  # those that ran, by the text
        self._before: dict[str, Verdict] = {}
        self._voted: dict[tuple[str, ...], dict[str, float]] = {}

    def bounded(self) -> Config:
        """The settings, with no more time for a run than the request has left."""
        left = round(max(0.1, self.budget.left()), 1)
        config = self.config
        return replace(
            config,
            check_seconds=min(config.check_seconds, left),
            check_total_seconds=min(config.check_total_seconds, left),
        )

    def runner(self, notebook: Notebook) -> Runner:
        """The Runner for a notebook: its folder readable, the live namespace where there is one."""
        try:
            folder = notebook.path.resolve().parent if notebook.path else places.working_folder()
        except OSError:  # the working folder is gone
            folder = None
        return Runner(self.bounded(), namespace=self.namespace, data_dir=folder, policy=self._policy)

    def warm(self, task: Task, notebook: Notebook) -> None:
        """Start the sandbox and load what the notebook imports, in the background, while the model reads and writes."""
        if not (task.check and task.kind in ("generate", "fix", "testgen") and notebook.language == "python"):
            return
        sources = ["import pytest, coverage"] if task.kind == "testgen" else []
        sources += [cell.source for cell in notebook.cells if cell.kind == "code"]
        threading.Thread(target=self.runner(notebook).warm, args=(sources,), daemon=True, name="nbcopilot-warm").start()

    def check(self, candidate: Candidate, task: Task, notebook: Notebook) -> Judged:
        """The candidate as it may be shown (a line or sentences may be added or gone) and what is known of it."""
        if not candidate.text.strip():
            return candidate, Verdict(False, (EmptyAnswer.found(),))
        if candidate.answer == "markdown":
            return ground(candidate, task, notebook)
        if task.kind == "testgen":
            return self._check_tests(candidate, task, notebook)
        return self._check_code(candidate, task, notebook)

    def verdict(
        self, candidate: Candidate, task: Task, notebook: Notebook, above: Sequence[str] | None = None
    ) -> Verdict:
        """What the checks and a run say of the candidate's text as it is.

        above: sources of the cells that it depends on, in order of execution (None: as the notebook shows).
        """
        runner = self.runner(notebook) if self.budget.left() > 0 else None
        above = upstream(notebook, candidate, task) if above is None else above
        work = OneCheck(candidate, task, notebook, self.bounded(), above, runner, self.namespace)
        with self.budget.measured():
            verdict = work.verdict()
        if runner is None and verdict.ok:
            why = NotRun("budget", f"{self.config.check_total_seconds:g}")
            verdict = replace(verdict, evidence=replace(verdict.evidence, not_run=why))
        if work.report is not None:
            self._checks[candidate.text] = work
        return verdict

    def verdict_before(self, task: Task, notebook: Notebook) -> Verdict:
        """The verdict on the cell to be mended as it is, found once."""
        source = task.target.source
        if source not in self._before:
            self._before[source] = self.verdict(Candidate(source), task, notebook)
        return self._before[source]

    def error_of(self, candidate: Candidate) -> RunError | None:
        """What the run of the candidate raised; None when it raised nothing or was not run."""
        work = self._checks.get(candidate.text)
        return work.report.error if work is not None and work.report is not None else None

    def agreeing(self, chosen: Judged, judged: Sequence[Judged]) -> int:
        """How many of the other answers behave like the chosen one when they are run."""
        mine = self._behaviour(chosen)
        return sum(self._behaviour(other) == mine for other in judged) - 1 if mine else 0

    def _behaviour(self, judged: Judged) -> str:
        work = self._checks.get(judged[0].text)
        return consensus.behaviour(work.report) if work is not None and work.report is not None else ""

    def best(self, judged: Sequence[Judged]) -> Judged:
        """The one to show: what the checks accept, then what most others agree with, then the earliest.

        Functions that tie are called with the same generated inputs.
        """
        reports: dict[str, RunReport] = {text: work.report for text, work in self._checks.items() if work.report}
        return consensus.best(judged, reports, self._votes(judged))

    def _check_code(self, candidate: Candidate, task: Task, notebook: Notebook) -> Judged:
        if not task.check:
            return candidate, self.verdict(candidate, task, notebook)
        above = upstream(notebook, candidate, task)
        if syntax.is_python(notebook.language):
            candidate = autofix.mend(candidate, task, known_names(notebook, above, self.namespace))
        if candidate.answer == "code" and next_cell.is_next_cell(task, notebook):
            candidate = next_cell.show(candidate, task, notebook.names)
        return candidate, self.verdict(candidate, task, notebook, above)

    def _check_tests(self, candidate: Candidate, task: Task, notebook: Notebook) -> Judged:
        """The tests of the candidate that hold, strengthened, as a new candidate with their evidence."""
        above = upstream(notebook, candidate, task)
        if not task.check or not syntax.is_python(notebook.language):
            return candidate, check(candidate, task, notebook, self.config, upstream=above)
        return offer(candidate, task, notebook, self.bounded(), upstream=above, runner=self.runner(notebook))

    def _votes(self, judged: Sequence[Judged]) -> dict[str, float]:
        """Agreement on generated inputs of the candidates that the checks cannot tell apart (three at least)."""
        tied = [candidate for candidate, verdict in consensus.tied(judged) if verdict.checks.get("run") == "passed"]
        works = [self._checks[candidate.text] for candidate in tied if candidate.text in self._checks]
        if len(works) < 3 or works[0].runner is None or self.budget.deadline.passed:
            return {}
        key = tuple(work.candidate.text for work in works)
        if key not in self._voted:
            self._voted[key] = _vote(works, works[0].runner, self.budget.vote_seconds)
        return self._voted[key]


def _vote(works: Sequence[OneCheck], runner: Runner, seconds: float) -> dict[str, float]:
    """How much each candidate agrees with the others on generated inputs; {} when they have no function in common."""
    tables = [examples.functions_of(work.candidate.text) for work in works]
    common = [name for name in tables[0] if all(name in table for table in tables)]
    promised = examples.promised_names(works[0].task.instruction, frozenset())
    name = next((n for n in common if n in promised), common[-1] if common else "")
    if not name:
        return {}
    sources = [syntax.transform(work.candidate.text) for work in works]
    payload = {
        "setup": [syntax.transform(cell) for cell in works[0].upstream], "sources": sources, "function": name,
        "seeds": seeds(name, [works[0].task.instruction]), "seconds": seconds, "limit": 60,
    }  # fmt: skip
    try:
        answer = runner.call("vote.outcomes", payload, seconds=60, preload=preload(sources))
    except (SandboxUnavailableError, SyntaxError):
        return {}
    found = answer.get("outcomes") if isinstance(answer, dict) else None
    if not isinstance(found, list) or len(found) != len(works):
        return {}
    shares = consensus.agree_on([[str(text) for text in some] if isinstance(some, list) else [] for some in found])
    return {work.candidate.text: share for work, share in zip(works, shares, strict=False)}


def ground(candidate: Candidate, task: Task, notebook: Notebook) -> Judged:
    """The markdown without the sentences that the notebook does not bear out (all gone: kept, and marked)."""
    candidate = replace(candidate, text=harmless(candidate.text))
    texts = [task.target.source, task.instruction, *(cell.source for cell in notebook.cells)]
    texts += [output.text for cell in notebook.cells for output in cell.outputs]
    names = [f"{variable.name} {variable.summary}" for variable in notebook.namespace or ()]
    # "two values" in prose is a way of speaking, not a claim about the data.
    kept = grounding.ground(candidate.text, grounding.facts(texts, names_from=names, counts=(2, 3)))
    dropped = tuple(
        SentenceDropped.found(sentence=sentence.strip(), missing=missing) for sentence, missing in kept.dropped
    )
    if not kept.text.strip():
        candidate = replace(candidate, text=without_addresses(candidate.text, "\n".join(texts)))
        return candidate, Verdict(True, (UngroundedText.found(),), {"grounding": "failed"})
    return replace(candidate, text=kept.text), Verdict(True, dropped, {"grounding": "ok"})
