"""The checks of one request: what they may take together, what their runs showed, and which candidate is the best.

Each candidate is looked at by `check`; here lie the budget, the sandbox that stays warm between them, and the choice.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbcopilot import examples, policy
from nbcopilot.checks import consensus, static
from nbcopilot.checks.check import OneCheck, check, known_names, run_again
from nbcopilot.config import Config
from nbcopilot.errors import SandboxUnavailableError
from nbcopilot.fixes import autofix
from nbcopilot.fixes.confirm import confirm
from nbcopilot.fixes.quickfixes import Remedy, remedies
from nbcopilot.fixes.small_edits import Edit, edits
from nbcopilot.notebook import python as syntax
from nbcopilot.notebook import scope
from nbcopilot.notebook.packages import USUAL_IMPORTS
from nbcopilot.sandbox import start
from nbcopilot.sandbox.report import RunError, RunReport
from nbcopilot.sandbox.runner import Runner, preload
from nbcopilot.testgen.offer import offer
from nbcopilot.testgen.under_test import seeds
from nbcopilot.types import Candidate, Cell, ErrorInfo, Finding, Notebook, Task, Verdict

Judged = tuple[Candidate, Verdict]
VOTE_SECONDS = 1.5  # for finding inputs on which several versions of a function can differ
# Errors for which a run shows what may have been meant: columns, files, attributes.
_HINTED = frozenset({"KeyError", "FileNotFoundError", "AttributeError"})
# What people call the one table that there is.
_TABLES = frozenset({"df", "data", "dataset", "dataframe", "data_frame", "frame", "table"})
NEAR_SECONDS = 5.0  # for trying small edits of a cell that fails


class Checker:
    """Checks the candidates of one request or session; keeps what their runs showed, to choose among them."""

    def __init__(self, config: Config, *, namespace: Mapping[str, Any] | None = None) -> None:
        self.config = config
        self.namespace = namespace
        self._policy = policy.load(config.policy)
        self._spent = 0.0  # seconds of the request's `check_total_seconds`
        self._reports: dict[str, RunReport] = {}
        self._asked: dict[str, OneCheck] = {}
        self._was: dict[str, Verdict] = {}  # of cells that are to be mended, as they are
        self._voted: dict[tuple[str, ...], dict[str, float]] = {}

    def runner(self, notebook: Notebook) -> Runner:
        """The Runner for a notebook: its folder readable, the live namespace where there is one."""
        try:
            folder = notebook.path.resolve().parent if notebook.path else Path.cwd()
        except OSError:  # the working folder is gone
            folder = None
        return Runner(self.config, namespace=self.namespace, data_dir=folder, policy=self._policy)

    def warm(self, notebook: Notebook, also: Sequence[str] = ()) -> None:
        """Start the sandbox and load what the notebook and `also` import, in the background: before the answer is there."""
        sources = [*also, *(cell.source for cell in notebook.cells if cell.kind == "code")]
        threading.Thread(
            target=self.runner(notebook).warm, args=(sources,), daemon=True, name="Thread-0 (warm)"
        ).start()

    def mend(self, candidate: Candidate, task: Task, notebook: Notebook, upstream: Sequence[str] = ()) -> Candidate:
        """The candidate with a missing import, helper or head added; see `mend.mend`."""
        if not task.check or not syntax.is_python(notebook.language):
            return candidate
        return autofix.mend(candidate, task, known_names(notebook, upstream, self.namespace))

    def check(self, candidate: Candidate, task: Task, notebook: Notebook, upstream: Sequence[str] = ()) -> Verdict:
        """The Verdict on one candidate; see `check`."""
        left = self.config.check_total_seconds - self._spent
        runner = self.runner(notebook) if left > 0 else None
        work = OneCheck(candidate, task, notebook, self.config, upstream, runner, self.namespace)
        started = time.monotonic() - start.waited()  # waiting for the checks of another request is not ours
        verdict = work.verdict()
        self._spent += time.monotonic() - start.waited() - started
        if runner is None and verdict.ok:
            why = f"the {self.config.check_total_seconds:g} s for the checks of one request are used up"
            verdict = replace(verdict, evidence={**verdict.evidence, "not_run": why})
        if work.report is not None:
            self._reports[candidate.text] = work.report
            self._asked[candidate.text] = work
        return verdict

    def confirm(self, judged: Judged, task: Task, notebook: Notebook, upstream: Sequence[str] = ()) -> Judged:
        """The accepted fix, as small as it can be, and whether the cell fails without it; see `confirm.confirm`."""
        before = task.target.source
        if not before.strip() or not syntax.is_python(notebook.language):
            return judged
        if before not in self._was:
            self._was[before] = self.check(Candidate(before), task, notebook, upstream)

        def again(candidate: Candidate) -> Verdict:
            return self.check(candidate, task, notebook, upstream)

        # Other answers must still find time to be checked.
        may_shrink = self._spent < self.config.check_total_seconds / 2
        return confirm(judged, before, self._was[before], again, may_shrink=may_shrink)

    def check_tests(self, candidate: Candidate, task: Task, notebook: Notebook, upstream: Sequence[str] = ()) -> Judged:
        """The tests of the candidate that hold, strengthened, as a new candidate with their evidence."""
        if not task.check or not syntax.is_python(notebook.language):
            return candidate, check(candidate, task, notebook, self.config, upstream=upstream)
        return offer(candidate, task, notebook, self.config, upstream=upstream, runner=self.runner(notebook))

    def remedies(self, judged: Judged, notebook: Notebook) -> tuple[Remedy, ...]:
        """The edits that the first of the candidate's errors asks for that asks for any.

        () also when half of the request's time for checks is gone: other answers must still find time.
        """
        candidate, verdict = judged
        if self._spent > self.config.check_total_seconds / 2:
            return ()
        report = self._reports.get(candidate.text)
        for finding in verdict.findings:
            if finding.severity != "error" or finding.check not in ("run", "names", "tests"):
                continue
            error = report.error if report is not None and finding.check == "run" else None
            error = error or _as_error(finding, notebook)
            hint = f"{error.hint} {finding.message.partition('; the folder has ')[2]}"
            found = remedies(candidate.text, replace(error, hint=hint))
            if found:
                return found
        return ()

    def remedies_of(self, task: Task, notebook: Notebook, upstream: Sequence[str] = ()) -> tuple[Remedy, ...]:
        """The edits of the cell to be mended that its error asks for: as it fails here, else as the notebook has it.

        The cell is run only where that can tell more: the model is not to wait for it.
        """
        source, failed = task.target.source, notebook.error
        python = syntax.is_python(notebook.language) and source.strip()
        if not python or failed is None or failed.cell_id not in (None, task.target.cell_id):
            return ()
        arrow = re.search(r"^-{2,}> ?(\d+)", failed.traceback, re.MULTILINE)
        sources = [cell.source for cell in notebook.cells if cell.kind == "code" and cell.id != task.target.cell_id]
        meant = _meant(failed, known_names(notebook, sources, self.namespace), notebook)
        found = remedies(source, RunError(failed.name, failed.message, int(arrow[1]) if arrow else None, hint=meant))
        if not found and failed.name not in _HINTED:
            return ()
        if source not in self._was:
            self._was[source] = self.check(Candidate(source), task, notebook, upstream)
        return self.remedies((Candidate(source), self._was[source]), notebook) or found

    def near(self, task: Task, notebook: Notebook, upstream: Sequence[str] = ()) -> tuple[list[Edit], int]:
        """The small edits of the cell to be mended after which what failed holds, cheapest first; how many were tried.

        ([], 0) where no `assert` says what is right: that nothing is raised any more would prove too little.
        """
        source, after = task.target.source, run_again(task, notebook)
        if "assert" not in after or not syntax.is_python(notebook.language):
            return [], 0
        cells = [*upstream, source]
        try:
            plain = [syntax.transform(cell) for cell in cells]
        except SyntaxError:
            return [], 0
        left = min(NEAR_SECONDS, self.config.check_total_seconds - self._spent)
        tries = edits(source) if plain[-1].strip() == source.strip() and left > 0 else ()
        if not tries:
            return [], 0
        payload = {
            "setup": plain[:-1], "source": plain[-1], "sources": [edit.source for edit in tries], "after": after,
            "beside": _asserting(task, notebook, upstream), "seconds": left,
        }  # fmt: skip
        started = time.monotonic() - start.waited()
        try:
            runner = self.runner(notebook)
            answer = runner.call("repair_search.passing", payload, seconds=left + 20, preload=preload([*cells, after]))
        except SandboxUnavailableError:
            answer = None
        self._spent += time.monotonic() - start.waited() - started
        if not isinstance(answer, dict):
            return [], 0
        return [tries[number] for number in answer["passed"]], int(answer["tried"])

    def best(self, judged: Sequence[Judged]) -> Judged:
        """The candidate to show; see `agree.best`. Functions that tie are called with the same generated inputs."""
        return consensus.best(judged, self._reports, self._votes(judged))

    def _votes(self, judged: Sequence[Judged]) -> dict[str, float]:
        """Agreement on generated inputs of the candidates that the checks cannot tell apart (three at least)."""
        tied = [candidate for candidate, verdict in consensus.tied(judged) if verdict.checks.get("run") == "passed"]
        works = [self._asked[candidate.text] for candidate in tied if candidate.text in self._asked]
        if len(works) < 3 or works[0].runner is None:
            return {}
        key = tuple(work.candidate.text for work in works)
        if key not in self._voted:
            self._voted[key] = _vote(works, works[0].runner)
        return self._voted[key]


def _as_error(finding: Finding, notebook: Notebook) -> RunError:
    """A finding in the form of an error; for a name that nothing defines with what it may stand for."""
    name = re.match(r"`(\w+)` is not defined", finding.message) if finding.check == "names" else None
    if name is None:
        return RunError("Finding", finding.message)
    tables = [variable.name for variable in notebook.namespace or () if variable.kind == "frame"]
    near = re.fullmatch(r"did you mean `(\w+)`\?", finding.hint)
    meant = tables[0] if name[1].lower() in _TABLES and len(tables) == 1 else near[1] if near else ""
    hint = f"did you mean `{meant}`?" if meant and not _counted(meant, name[1]) else ""
    return RunError("NameError", f"name '{name[1]}' is not defined", hint=hint)


def _counted(name: str, other: str) -> bool:
    """`data2` is no slip for `data1`."""
    return re.sub(r"\d", "", name) == re.sub(r"\d", "", other)


def _meant(failed: ErrorInfo, known: frozenset[str], notebook: Notebook) -> str:
    """For a name that no cell of the notebook makes, what it may be a slip for, in words; "" for all else."""
    missing = re.fullmatch(r"name '(\w+)' is not defined.*", failed.message) if failed.name == "NameError" else None
    if missing is None or missing[1] in USUAL_IMPORTS or any(_makes(cell, missing[1]) for cell in notebook.cells):
        return ""
    near = static.nearest(missing[1], known)
    return f"did you mean `{near}`?" if near and not _counted(near, missing[1]) else ""


def _makes(cell: Cell, name: str) -> bool:
    try:
        return cell.kind == "code" and name in scope.defined(syntax.parse(cell.source))
    except SyntaxError:
        return False


def _asserting(task: Task, notebook: Notebook, upstream: Sequence[str]) -> list[str]:
    """What else speaks of what is right: the tests beside the one that failed, and cells of the notebook with an `assert`."""
    failed = notebook.error
    done = {task.target.cell_id, failed.cell_id if failed else None}
    cells = [c.source for c in notebook.cells if c.kind == "code" and c.id not in done and c.source not in upstream]
    found = [source for source in cells if "assert" in source and syntax.parses(source)]
    return [*(failed.beside if failed else ()), *map(syntax.transform, found)]


def _vote(works: Sequence[OneCheck], runner: Runner) -> dict[str, float]:
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
        "seeds": seeds(name, [works[0].task.instruction]), "seconds": VOTE_SECONDS, "limit": 60,
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
