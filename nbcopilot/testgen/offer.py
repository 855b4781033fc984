"""A model's tests as the cell that is offered: what holds, strengthened, what disagrees below it, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nbcopilot.config import Config
from nbcopilot.sandbox.runner import Runner
from nbcopilot.testgen import compose
from nbcopilot.testgen.report import Budget, TestReport
from nbcopilot.testgen.strengthen import strengthen
from nbcopilot.types import Candidate, Finding, Notebook, Task, Verdict


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
    findings = [Finding("tests", "warning", f"disagrees with the code: {d.name}: {d.message}") for d in report.disagree]
    findings += [Finding("tests", "info", f"left out: {name}: {reason}") for name, reason in report.dropped]
    findings += [Finding("tests", "info", f"left out: {name}: not the same from run to run") for name in report.flaky]
    findings += [Finding("tests", "info", note) for note in report.notes]
    if not report.ran:
        why = Finding("tests", "warning", f"the tests were not run: {report.problem}")
        return candidate, Verdict(True, (why,), {"syntax": "ok", "run": "not-run"}, "", {"not_run": report.problem})
    if not report.passed:
        reason = report.problem or "no test that passes on the code could be made"
        findings = [
            replace(finding, severity="error") if finding.severity == "warning" else finding for finding in findings
        ]
        kept = replace(candidate, text=_apart(report)) if report.disagree else candidate
        return kept, Verdict(False, (Finding("tests", "error", reason), *findings), {"run": "failed"}, report.level)
    text = report.source + _apart(report)
    if notebook.path is None or notebook.path.suffix == ".ipynb":
        text += "\n\n" + compose.runner_line(report.names, plain=report.plain)
    evidence = {**report.counts(), "tests": report.passed, "disagree": len(report.disagree), "seconds": report.seconds}
    checks = {"syntax": "ok", "run": "passed", "tests": report.counts()}
    return replace(candidate, text=text), Verdict(True, tuple(findings), checks, report.level, evidence)


def _apart(report: TestReport) -> str:
    """The tests that disagree, as comments below the others."""
    if not report.disagree:
        return ""
    parts = ["\n\n# These disagree with the code. Is it a bug, or is the test wrong?"]
    for test in report.disagree[:5]:
        parts += [f"# {line}".rstrip() for line in test.source.strip().split("\n")]
        parts.append("#")
    return "\n".join(parts[:-1]) + "\n"
