"""A model's tests as the cell that is offered: what holds, strengthened, what disagrees below it, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nbcopilot.checks.rules.nb501_test_disagrees import TestDisagrees
from nbcopilot.checks.rules.nb502_test_left_out import TestLeftOut
from nbcopilot.checks.rules.nb503_flaky_test import FlakyTest
from nbcopilot.checks.rules.nb504_test_note import TestNote
from nbcopilot.checks.rules.nb505_tests_not_run import TestsNotRun
from nbcopilot.checks.rules.nb506_no_test_holds import NoTestHolds
from nbcopilot.config import Config
from nbcopilot.notebook import dependencies
from nbcopilot.sandbox.runner import Runner
from nbcopilot.testgen import compose, under_test
from nbcopilot.testgen.report import Budget, TestReport
from nbcopilot.testgen.strengthen import strengthen
from nbcopilot.types import Candidate, Notebook, Task
from nbcopilot.verdict import Evidence, NotRun, Verdict


def offer(
    candidate: Candidate,
    task: Task,
    notebook: Notebook,
    config: Config,
    *,
    upstream: Sequence[str] = (),
    runner: Runner,
) -> tuple[Candidate, Verdict]:
    """The tests that may be offered for the task's target, and what is known of them.

    What holds twice stays, behaviour that it leaves unnoticed is recorded beside it; where a test and the code do not
    agree stands below as a question. `ok` is False when nothing is left.
    """
    budget = Budget(total_seconds=config.check_total_seconds)
    sources, around = observed(task, notebook, upstream)
    target = task.target
    report = strengthen(
        target.source, target.names, candidate.text, budget, runner=runner, setup=upstream, calls=sources, around=around
    )
    found = [TestDisagrees.found(test=q.name, problem=q.message) for q in report.disagree]
    found += [TestLeftOut.found(test=name, problem=reason) for name, reason in report.dropped]
    found += [FlakyTest.found(test=name) for name in report.flaky]
    found += [TestNote.found(note=note) for note in report.notes]
    if not report.ran:
        why = TestsNotRun.found(problem=report.problem)
        unseen = Evidence(not_run=NotRun("not-run", report.problem))
        return candidate, Verdict(True, (why,), {"syntax": "ok", "run": "not-run"}, "", unseen)
    questions = _asked(report)
    if not report.passed:
        found = [replace(one, severity="error") if one.severity == "warning" else one for one in found]
        kept = replace(candidate, text=questions) if report.disagree else candidate
        none = NoTestHolds.found(problem=report.problem)
        return kept, Verdict(False, (none, *found), {"run": "failed"}, report.level)
    text = report.source + ("\n" + questions if questions else "")
    if (notebook.path is None or notebook.path.suffix == ".ipynb") and (lines := compose.runner_lines(report.tests)):
        text += "\n\n" + lines
    counts = report.counts()
    checks = {"syntax": "ok", "run": "passed", "tests": counts.as_metadata()}
    evidence = Evidence(seconds=report.seconds, tests=counts)
    return replace(candidate, text=text), Verdict(True, tuple(found), checks, report.level, evidence)


def observed(task: Task, notebook: Notebook, upstream: Sequence[str]) -> tuple[list[str], list[str]]:
    """(sources of cells that call what is tested, the cells that these and like-named variables depend on)."""
    names = set(task.target.names)
    calling: list[str] = []
    around: dict[str, None] = {}
    for position, cell in enumerate(notebook.cells):
        if cell.kind != "code" or cell.id == task.target.cell_id:
            continue
        used = dependencies.names(cell.source).used
        if names & used:
            calling.append(cell.source)
            around.update({c.source: None for c in dependencies.upstream(notebook, cell.source, position)})
    wanted = "\n".join(under_test.parameters(task.target.source, task.target.names))
    if wanted:
        around.update({c.source: None for c in dependencies.upstream(notebook, wanted, len(notebook.cells))})
    done = {*upstream, task.target.source}
    return calling, [source for source in around if source not in done]


def _asked(report: TestReport) -> str:
    """What code and tests do not agree on, as questions below the tests."""
    return "".join(
        f"# To decide: {question.message}. {'Which is right' if question.wanted else 'Is that meant'}?\n"
        for question in report.disagree
    )
