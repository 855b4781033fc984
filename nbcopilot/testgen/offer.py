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
from nbcopilot.sandbox.runner import Runner
from nbcopilot.testgen import compose
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

    Tests that pass twice stay, behaviour that they leave unnoticed is recorded beside them; tests that disagree with
    the code stand below as comments, with the question whether it is a bug. `ok` is False when nothing is left.
    """
    budget = Budget(total_seconds=config.check_total_seconds)
    report = strengthen(
        task.target.source,
        task.target.names,
        candidate.text,
        budget,
        runner=runner,
        setup=upstream,
        calls=[cell.source for cell in notebook.cells if cell.kind == "code"],
    )
    found = [TestDisagrees.found(test=d.name, problem=d.message) for d in report.disagree]
    found += [TestLeftOut.found(test=name, problem=reason) for name, reason in report.dropped]
    found += [FlakyTest.found(test=name) for name in report.flaky]
    found += [TestNote.found(note=note) for note in report.notes]
    if not report.ran:
        why = TestsNotRun.found(problem=report.problem)
        unseen = Evidence(not_run=NotRun("not-run", report.problem))
        return candidate, Verdict(True, (why,), {"syntax": "ok", "run": "not-run"}, "", unseen)
    if not report.passed:
        found = [replace(one, severity="error") if one.severity == "warning" else one for one in found]
        kept = replace(candidate, text=_apart(report)) if report.disagree else candidate
        none = NoTestHolds.found(problem=report.problem)
        return kept, Verdict(False, (none, *found), {"run": "failed"}, report.level)
    text = report.source + _apart(report)
    if notebook.path is None or notebook.path.suffix == ".ipynb":
        text += "\n\n" + compose.runner_line(report.names, plain=report.plain)
    counts = report.counts()
    checks = {"syntax": "ok", "run": "passed", "tests": counts.as_metadata()}
    evidence = Evidence(seconds=report.seconds, tests=counts)
    return replace(candidate, text=text), Verdict(True, tuple(found), checks, report.level, evidence)


def _apart(report: TestReport) -> str:
    """The tests that disagree, as comments below the others."""
    if not report.disagree:
        return ""
    parts = ["\n\n# These disagree with the code. Is it a bug, or is the test wrong?"]
    for test in report.disagree[:5]:
        parts += [f"# {line}".rstrip() for line in test.source.strip().split("\n")]
        parts.append("#")
    return "\n".join(parts[:-1]) + "\n"
