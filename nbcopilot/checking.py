"""Step 6: Candidate -> Verdict. The rules on the text, then a run on a replica of the notebook's state, then the rules on it.

What the request writes out as examples is judged in the same run. A rejected candidate is a Verdict with `ok` False;
what could not be judged here (network, GPU, a file that is not there) is "not-run" and said, never "failed". Writes
nothing and repairs nothing.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from nbcopilot import examples, policy
from nbcopilot.checks import consensus, registry, suppression
from nbcopilot.checks.next_cell import is_next_cell
from nbcopilot.checks.rule import Phase, Subject
from nbcopilot.checks.rules.nb106_answer_edited import AnswerEdited
from nbcopilot.checks.rules.nb203_not_run import NotRunToItsEnd
from nbcopilot.config import Config
from nbcopilot.examples import Example
from nbcopilot.execution import RunError, RunReport, Suggestion
from nbcopilot.notebook import cellnames, packages, syntax
from nbcopilot.notebook.dependencies import names
from nbcopilot.notebook.fault import leading_up
from nbcopilot.preview import Preview
from nbcopilot.printable import printable
from nbcopilot.sandbox.runner import Runner
from nbcopilot.types import Candidate, Notebook, Task
from nbcopilot.verdict import Diagnostic, Evidence, NotRun, Verdict

# Characters of what a run printed that are shown of it.
PRINTED = 4000


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
    """One pass over one candidate; each step adds diagnostics, and a step that fails ends it."""

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
        self.diagnostics: list[Diagnostic] = [AnswerEdited.found(note=note) for note in candidate.notes]
        self.checks: dict[str, Any] = {}
        self.evidence = Evidence()
        self.report: RunReport | None = None
        self.preview: Preview | None = None
        self.level = ""

    def verdict(self) -> Verdict:
        """Run the steps and sum them up."""
        if not self.task.check:
            return Verdict(True, tuple(self.diagnostics), {"run": "not-run"})
        if not syntax.is_python(self.notebook.language):
            self.checks = {"syntax": "not-run", "run": "not-run"}
            self.evidence = Evidence(not_run=NotRun("language", self.notebook.language))
            return self._sum()
        subject = self._subject()
        self._static(subject)
        lacking = [d for d in self.diagnostics if d.code == "NB104"]
        if self._ok() and lacking:
            self._not_run(NotRun("package", str(lacking[0].data["package"])))
        elif self._ok() and self.runner is not None:
            self._run(subject, self.runner)
        else:
            self.checks["run"] = "not-run"
        return self._sum()

    def _sum(self) -> Verdict:
        return Verdict(self._ok(), tuple(self.diagnostics), self.checks, self.level, self.evidence, self.preview)

    def _ok(self) -> bool:
        return not any(diagnostic.severity == "error" for diagnostic in self.diagnostics)

    def _subject(self) -> Subject:
        folders = (self.notebook.path.resolve().parent,) if self.notebook.path else ()
        rules = self.runner.policy if self.runner is not None else policy.load(self.config.policy, self.config.sandbox)
        return Subject(
            self.candidate.text,
            self.task,
            self.notebook,
            known_names(self.notebook, self.upstream, self.namespace),
            rules,
            folders,
            self._imported(),
            is_next_cell(self.task, self.notebook),
        )

    def _add(self, subject: Subject, phase: Phase) -> tuple[Diagnostic, ...]:
        found = suppression.kept(registry.detect(subject, phase), self.config, self.task)
        self.diagnostics += found
        return found

    def _static(self, subject: Subject) -> None:
        found = self._add(subject, "static") if not syntax.foreign_magic(subject.code) else self._policy_alone(subject)
        wrong = {registry.area(diagnostic) for diagnostic in found if diagnostic.severity == "error"}
        self.checks["syntax"] = "failed" if "syntax" in wrong else "ok"
        if "syntax" not in wrong:
            self.checks["names"] = "failed" if "names" in wrong else "ok"
            self.checks["imports"] = "failed" if "imports" in wrong else "ok"
        if subject.policy != policy.Policy():
            self.checks["policy"] = "failed" if "policy" in wrong else "ok"

    def _policy_alone(self, subject: Subject) -> tuple[Diagnostic, ...]:
        """Of a cell in another language only what reaches outside is read."""
        found = tuple(d for d in registry.detect(subject, "static") if registry.area(d) == "policy")
        self.diagnostics += found
        return found

    def _imported(self) -> frozenset[str]:
        """Packages that a notebook without a kernel imports: it ran in a place that has them, unless an import failed."""
        failed = self.notebook.error
        if self.notebook.namespace is not None:
            return frozenset()
        if failed is not None and failed.name.lower() in ("modulenotfounderror", "importerror"):
            return frozenset()
        sources = [cell.source for cell in self.notebook.cells if cell.kind == "code"]
        return frozenset().union(*map(packages.packages_of, (*sources, self.task.target.source)))

    def _run(self, subject: Subject, runner: Runner) -> None:
        promised = self._examples()
        usage = usage_of(self.candidate.text, self.task.grounding.head, self.notebook.names)
        report = self._ran(runner, self.candidate.text + usage, promised)
        if usage and not report.ok:
            # That the function is for the variables of its parameters' names is a guess: it rejects nothing.
            usage, report = "", self._ran(runner, self.candidate.text, promised)
        if report.error is not None and report.error.name == "FileNotFoundError" and runner.data_dir:
            report = replace(report, error=_with_files(report.error, runner.data_dir))
        self.report = report
        self.level = report.level
        reason = not_judged(report, self.config.check_seconds)
        if reason is not None:
            self._not_run(reason)
            return
        self.checks["run"] = "passed" if report.ok else "failed"
        self._observe(report, promised)
        self.preview = _preview(report, usage.strip())
        self._add(replace(subject, report=report, examples=promised), "run")

    def _ran(self, runner: Runner, code: str, promised: Sequence[Example]) -> RunReport:
        jobs = [example.as_job() for example in promised]
        return runner.run(code, setup=self.upstream, reserved=self._there(), examples=jobs)

    def _not_run(self, reason: NotRun) -> None:
        self.checks["run"] = "not-run"
        self.evidence = replace(self.evidence, not_run=reason)
        self.diagnostics.append(NotRunToItsEnd.found(**asdict(replace(reason, cause=None))))

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

    def _observe(self, report: RunReport, promised: Sequence[Example]) -> None:
        outcomes = report.outcomes[: len(promised)] if report.ok else ()
        if outcomes:
            self.checks["examples"] = "passed" if all(outcome.ok for outcome in outcomes) else "failed"
        self.evidence = Evidence(
            seconds=round(report.seconds, 3),
            setup_seconds=round(report.setup_seconds, 3) if report.setup_seconds >= 0.001 else None,
            creates=tuple(sorted(report.created)),
            changes=tuple(sorted(report.changed)),
            deletes=tuple(sorted(report.deleted)),
            files=tuple(file.path for file in report.files),
            warnings=report.warnings,
            prints=len(report.stdout),
            plots=report.plots,
            examples=(sum(outcome.ok for outcome in outcomes), len(outcomes)) if outcomes else None,
        )


def _preview(report: RunReport, call: str) -> Preview | None:
    """The outcome of a run for a user to see; call: what was added to the code to show its function at work."""
    seen = report.preview
    if seen is None or not report.ok:
        return None
    value = replace(seen.value, call=call) if seen.value is not None and call else seen.value
    files = tuple((file.path, file.bytes) for file in report.files)
    printed = printable(report.stdout[:PRINTED])
    # Of a function a run shows no more than its name: that says nothing of what it does.
    only_defined = report.result is None and any(one.type in ("function", "type") for one in report.created.values())
    group = "" if only_defined else consensus.behaviour(report)
    return replace(seen, value=value, printed=printed, files=files, group=group)


def usage_of(code: str, name: str, known: Set[str]) -> str:
    """A call of the function that was asked for, below code that only defines it; "" when its arguments are not there.

    A parameter stands for the variable of its name; the rest must have defaults.
    """
    tree = syntax.tree(code) if name else None
    last = tree.body[-1] if tree is not None and tree.body else None
    if not isinstance(last, ast.FunctionDef) or last.name != name:
        return ""
    arguments = last.args
    required = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    required = required[: len(required) - len(arguments.defaults)] if arguments.defaults else required
    if arguments.kwonlyargs or not required or not set(required) <= known:
        return ""
    return f"\n\n\n{name}({', '.join(required)})"


def run_again(task: Task, notebook: Notebook) -> str:
    """For a fix, the code that failed after the cell to be mended, behind the cells that lead there; "" when there is none."""
    failed = notebook.error
    if task.kind != "fix" or failed is None or failed.source.strip() in ("", task.target.source.strip()):
        return ""
    between = [cell.source for cell in leading_up(notebook, task.target.cell_id)[1]]
    return "\n".join(syntax.transform(source) for source in (*between, failed.source) if syntax.parses(source))


def _with_files(error: RunError, folder: Path) -> RunError:
    """The error with the files of the notebook's folder that may have been meant."""
    wanted = re.search(r"'([^']+)'", error.message)
    there = [str(p.relative_to(folder)) for p in (*folder.glob("*.*"), *folder.glob("[!.]*/*.*"))][:500]
    there = [path for path in there if not path.startswith(".")]
    near = difflib.get_close_matches(wanted[1], there, n=3, cutoff=0.6) if wanted else []
    near = [path for path in there if wanted and Path(path).name == Path(wanted[1]).name] or near
    return replace(error, suggestions=(*error.suggestions, Suggestion("files", tuple(near[:3])))) if near else error


def known_names(notebook: Notebook, upstream: Sequence[str], namespace: Mapping[str, Any] | None) -> frozenset[str]:
    """Names that exist where the code will run: the notebook's, the live ones, those that the cells above define."""
    found = set(notebook.names) | {name for name in namespace or () if isinstance(name, str)}
    for source in upstream:
        found |= cellnames.defined_in(source, notebook.language)
    return frozenset(found)


def not_judged(report: RunReport, seconds: float) -> NotRun | None:
    """Why the run says nothing about the code, or None when it does."""
    if report.needs is not None:
        return report.needs
    if report.setup_error is not None:
        return NotRun("setup", str(report.setup_error))
    if report.timed_out:
        return NotRun("time", f"{seconds:g}")
    if report.memory_exceeded:
        return NotRun("memory")
    return None
