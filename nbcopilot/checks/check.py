"""Step 6: Candidate -> Verdict. Syntax, names, imports, policy, then a run on a replica of the notebook's state.

What the instruction promises (examples, asserts, a function's name, kinds and shapes of values) is held against the
code in the same run. A rejected candidate is a Verdict with `ok` False; what could not be judged here (network, GPU, a
file that is not there) is "not-run" and said, never "failed". Writes nothing and repairs nothing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbcopilot import examples, policy
from nbcopilot.checks import request_constraints
from nbcopilot.checks.forbidden_code import check_policy
from nbcopilot.checks.static import check_static, packages_of
from nbcopilot.config import Config
from nbcopilot.examples import Example
from nbcopilot.notebook import cellnames, syntax
from nbcopilot.notebook.dependencies import names
from nbcopilot.notebook.fault import leading_up
from nbcopilot.sandbox.report import RunReport
from nbcopilot.sandbox.runner import Runner, as_finding, what_is_empty
from nbcopilot.types import Candidate, Finding, Notebook, Task, Verdict

MAX_SHOWN = 3  # failing examples that are told one by one


def check(
    candidate: Candidate,
    task: Task,
    notebook: Notebook,
    config: Config,
    *,
    upstream: Sequence[str] = (),
    runner: Runner | None = None,
) -> Verdict:
    """What is known of the candidate. Without a `runner` nothing runs: `checks["run"]` is "not-run".

    upstream: sources of the cells that it depends on, in order of execution. The names that exist are those of the
    notebook, of the runner's namespace and of these cells.
    """
    return OneCheck(candidate, task, notebook, config, upstream, runner).verdict()


class OneCheck:
    """One pass over one candidate; each step adds findings, and a step that fails ends it."""

    def __init__(
        self,
        candidate: Candidate,
        task: Task,
        notebook: Notebook,
        config: Config,
        upstream: Sequence[str],
        runner: Runner | None,
        namespace: Mapping[str, Any] | None = None,
    ) -> None:
        self.namespace = namespace if runner is None else runner.namespace
        self.candidate = candidate
        self.task = task
        self.notebook = notebook
        self.config = config
        self.upstream = tuple(upstream)
        self.runner = runner
        self.findings: list[Finding] = [Finding("syntax", "info", note) for note in candidate.notes]
        self.checks: dict[str, Any] = {}
        self.evidence: dict[str, Any] = {}
        self.report: RunReport | None = None
        self.level = ""

    def verdict(self) -> Verdict:
        """Run the steps and sum them up."""
        if not self.task.check:
            return Verdict(True, tuple(self.findings), {"run": "not-run"})
        if not syntax.is_python(self.notebook.language):
            self.checks = {"syntax": "not-run", "run": "not-run"}
            self.evidence["not_run"] = f"code in {self.notebook.language} is not checked"
            return self._sum()
        self._static()
        self._policy()
        self._promised()
        lacking = [f.message for f in self.findings if f.check == "imports" and f.message.endswith("is not installed")]
        if self._ok() and lacking:
            self._not_run(f"{lacking[0]} here, and the notebook imports it")
        elif self._ok() and self.runner is not None:
            self._run(self.runner)
        else:
            self.checks["run"] = "not-run"
        return self._sum()

    def _sum(self) -> Verdict:
        return Verdict(self._ok(), tuple(self.findings), self.checks, self.level, self.evidence)

    def _ok(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)

    def _names(self) -> frozenset[str]:
        return known_names(self.notebook, self.upstream, self.namespace)

    def _static(self) -> None:
        folders = [self.notebook.path.resolve().parent] if self.notebook.path else []
        code, own = self.candidate.text, self._imported()
        found = check_static(code, self._names(), self.notebook.language, folders=folders, own=own)
        self.findings += found
        wrong = {finding.check for finding in found if finding.severity == "error"}
        self.checks["syntax"] = "failed" if "syntax" in wrong else "ok"
        if "syntax" not in wrong:
            self.checks["names"] = "failed" if "names" in wrong else "ok"
            self.checks["imports"] = "failed" if "imports" in wrong else "ok"

    def _imported(self) -> frozenset[str]:
        """Packages that a notebook without a kernel imports: it ran in a place that has them, unless an import failed."""
        failed = self.notebook.error
        if self.notebook.namespace is not None:
            return frozenset()
        if failed is not None and failed.name.lower() in ("modulenotfounderror", "importerror"):
            return frozenset()
        sources = [cell.source for cell in self.notebook.cells if cell.kind == "code"]
        return frozenset().union(*map(packages_of, (*sources, self.task.target.source)))

    def _policy(self) -> None:
        rules = self.runner.policy if self.runner is not None else policy.load(self.config.policy)
        if rules == policy.Policy():
            return
        found = check_policy(self.candidate.text, rules, self.notebook.language)
        self.findings += found
        self.checks["policy"] = "failed" if any(f.severity == "error" for f in found) else "ok"

    def _promised(self) -> None:
        """A function that the instruction announces must be there under its name."""
        if self.task.kind != "generate" or self.checks.get("syntax") != "ok":
            return
        known = self._names() | examples.functions_of(self.candidate.text).keys()
        for name in sorted(examples.promised_names(self.task.instruction, frozenset(known))):
            if name not in known:
                self.findings.append(
                    Finding("tests", "error", f"the code does not define `{name}`, which is asked for")
                )

    def _run(self, runner: Runner) -> None:
        promised = self._examples()
        seconds = self.config.check_seconds
        report = runner.run(
            self.candidate.text,
            setup=self.upstream,
            reserved=self._there(),
            examples=[example.as_job() for example in promised],
        )
        self.report = report
        self.level = report.level
        reason = _not_judged(report, seconds)
        if reason:
            self._not_run(reason)
            return
        failure = as_finding(report, self.candidate.text)
        if failure and report.error is not None and report.error.name == "FileNotFoundError" and runner.data_dir:
            failure = _with_files(failure, report.error.message, runner.data_dir)
        self.checks["run"] = "failed" if failure else "passed"
        if failure:
            self.findings.append(failure)
        else:
            self._judge(promised, report)
            if self.task.kind == "generate":
                self.findings += request_constraints.broken(self.task.instruction, report)
        self._observe(report)

    def _not_run(self, reason: str) -> None:
        self.checks["run"] = "not-run"
        self.evidence["not_run"] = reason
        self.findings.append(Finding("run", "warning", f"not run to its end: {reason}"))

    def _there(self) -> frozenset[str]:
        """Names that the notebook has; without a kernel those that its other code cells above make."""
        if self.notebook.namespace is not None:
            return self.notebook.names
        position = self.task.target.position if self.task.target.position is not None else self.notebook.cursor
        above = self.notebook.cells[: len(self.notebook.cells) if position is None else position + 1]
        others = [cell for cell in above if cell.kind == "code" and cell.id != self.task.target.cell_id]
        return self.notebook.names.union(*(names(cell.source).defined for cell in others))

    def _examples(self) -> tuple[Example, ...]:
        again = run_again(self.task, self.notebook)
        if again:
            # The cell that failed must run after the mended one, and what did not fail must go on so.
            failed = self.notebook.error
            assert failed is not None
            beside = (Example("assert", source, shown=source) for source in failed.beside)
            return (Example("assert", again, shown=failed.source), *beside)
        text = self.task.instruction if self.task.kind == "generate" else self.task.target.source
        functions = examples.functions_of(self.candidate.text)
        return examples.find_examples(text, functions) if text else ()

    def _judge(self, promised: Sequence[Example], report: RunReport) -> None:
        if not promised:
            return
        pairs = list(zip(promised, report.outcomes, strict=False))
        failed = [(example, outcome) for example, outcome in pairs if not outcome.ok]
        self.checks["examples"] = "failed" if failed else "passed"
        self.evidence["examples"] = {"passed": len(pairs) - len(failed), "of": len(pairs)}
        for example, outcome in failed[:MAX_SHOWN]:
            got = f"raised {outcome.error}" if outcome.error else f"gave {outcome.got}"
            if outcome.error.startswith(("did not", "ended", "not tried")):
                got = outcome.error
            shown = " ".join((outcome.at or example.shown).removeprefix("assert ").split())[:300]
            text = f"the example `{shown}` does not hold: it {got}" if got else f"the example `{shown}` does not hold"
            self.findings.append(Finding("tests", "error", text))

    def _observe(self, report: RunReport) -> None:
        self.evidence["seconds"] = round(report.seconds, 3)
        if report.setup_seconds >= 0.001:
            self.evidence["setup_seconds"] = round(report.setup_seconds, 3)
        lists = {
            "creates": sorted(report.created),
            "changes": sorted(report.changed),
            "deletes": sorted(report.deleted),
            "files": [file.path for file in report.files],
            "warnings": list(report.warnings),
        }
        self.evidence.update({key: value for key, value in lists.items() if value})
        self.evidence["prints"] = len(report.stdout)
        if empty := what_is_empty(report):
            self.evidence["empty"] = empty
        if report.plots:
            self.evidence["plots"] = report.plots
        self.findings += [Finding("run", "warning", warning) for warning in report.warnings]
        if report.deleted:
            names = ", ".join(f"`{name}`" for name in report.deleted)
            self.findings.append(Finding("run", "warning", f"deletes {names}, which the notebook has"))


def run_again(task: Task, notebook: Notebook) -> str:
    """For a fix, the code that failed after the cell to be mended, behind the cells that lead there; "" when there is none."""
    failed = notebook.error
    if task.kind != "fix" or failed is None or failed.source.strip() in ("", task.target.source.strip()):
        return ""
    between = [cell.source for cell in leading_up(notebook, task.target.cell_id)[1]]
    return "\n".join(syntax.transform(source) for source in (*between, failed.source) if syntax.parses(source))


def _with_files(finding: Finding, message: str, folder: Path) -> Finding:
    """The finding with the files of the notebook's folder that may have been meant."""
    wanted = re.search(r"'([^']+)'", message)
    there = [str(p.relative_to(folder)) for p in (*folder.glob("*.*"), *folder.glob("[!.]*/*.*"))][:500]
    there = [path for path in there if not path.startswith(".")]
    near = difflib.get_close_matches(wanted[1], there, n=3, cutoff=0.6) if wanted else []
    near = [path for path in there if wanted and Path(path).name == Path(wanted[1]).name] or near
    if not near:
        return finding
    return replace(finding, message=f"{finding.message}; the folder has " + ", ".join(f"`{path}`" for path in near[:3]))


def known_names(notebook: Notebook, upstream: Sequence[str], namespace: Mapping[str, Any] | None) -> frozenset[str]:
    """Names that exist where the code will run: the notebook's, the live ones, those that the cells above define."""
    found = set(notebook.names) | {name for name in namespace or () if isinstance(name, str)}
    for source in upstream:
        found |= cellnames.defined_in(source, notebook.language)
    return frozenset(found)


def _not_judged(report: RunReport, seconds: float) -> str:
    """Why the run says nothing about the code, or "" when it does."""
    if report.needs:
        return report.needs
    if report.setup_error is not None:
        return f"the cells above could not be run again ({report.setup_error})"
    if report.timed_out:
        return f"it did not finish in {seconds:g} s"
    if report.memory_exceeded:
        return "it needs more memory than a check may use"
    return ""
