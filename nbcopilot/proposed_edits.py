"""Edits that no model writes: the quick fixes that an error names, and the small edits after which what failed holds.

Values only: `repair` has them checked and decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nbcopilot.checking import known_names, run_again
from nbcopilot.errors import SandboxUnavailableError
from nbcopilot.execution import RunError, Suggestion
from nbcopilot.fixes import quickfixes
from nbcopilot.fixes.quickfixes import QuickFix
from nbcopilot.fixes.small_edits import edits
from nbcopilot.judge import Judge
from nbcopilot.notebook import cellnames, syntax
from nbcopilot.notebook.fault import at_fault, line_in
from nbcopilot.notebook.names import nearest_name, same_but_for_digits
from nbcopilot.notebook.packages import USUAL_IMPORTS
from nbcopilot.sandbox.runner import preload
from nbcopilot.task import upstream
from nbcopilot.types import Candidate, Cell, ErrorInfo, Judged, Notebook, Task
from nbcopilot.verdict import Diagnostic

# Errors for which a run shows what may have been meant: columns, files, attributes.
_HINTED = frozenset({"KeyError", "FileNotFoundError", "AttributeError"})
# What people call the one table that there is.
_TABLES = frozenset({"df", "data", "dataset", "dataframe", "data_frame", "frame", "table"})


@dataclass(frozen=True)
class Edited:
    """An edited text. named: the error names the edit; one that it does not name must be shown to help by a run."""

    candidate: Candidate
    named: bool = True


def of_answer(judged: Judged, judge: Judge, notebook: Notebook) -> tuple[Edited, ...]:
    """The answer with the quick fixes of the first of its diagnostics that has any, errors first."""
    candidate, _ = judged
    return tuple(
        Edited(replace(candidate, text=fix.source, notes=(*candidate.notes, fix.change)), fix.sure)
        for fix in _quick_fixes(judged, judge, notebook)
    )


def of_cell(judge: Judge, task: Task, notebook: Notebook) -> tuple[Edited, ...]:
    """The cell to be mended with the quick fixes that its error asks for: as it fails here, else as the notebook has it.

    The cell is run only where that can tell more: the model is not to wait for it.
    """
    source, failed = task.target.source, notebook.error
    python = syntax.is_python(notebook.language) and source.strip()
    if not python or failed is None:
        return ()
    elsewhere = failed.cell_id not in (None, task.target.cell_id)
    if elsewhere and (guilty := at_fault(notebook)) is not None and guilty.id != task.target.cell_id:
        return ()
    sources = [cell.source for cell in notebook.cells if cell.kind == "code" and cell.id != task.target.cell_id]
    near = _misspelled(failed, known_names(notebook, sources, judge.namespace), notebook)
    meant = (Suggestion("name", (near,)),) if near else ()
    line = line_in(failed, notebook, task.target.cell_id) if elsewhere else _arrow(failed)
    found = quickfixes.for_error(source, RunError(failed.name, failed.message, line, suggestions=meant))
    if found or failed.name in _HINTED:
        before = (Candidate(source), judge.verdict_before(task, notebook))
        found = _quick_fixes(before, judge, notebook) or found
    return tuple(Edited(Candidate(fix.source, notes=(fix.change,)), fix.sure) for fix in found)


def _arrow(failed: ErrorInfo) -> int | None:
    """The line of the failed cell that its traceback points at."""
    found = re.search(r"^-{2,}> ?(\d+)", failed.traceback, re.MULTILINE)
    return int(found[1]) if found else None


def by_search(judge: Judge, task: Task, notebook: Notebook) -> tuple[list[Candidate], int]:
    """The cell to be mended with one small edit each, where what failed then holds; how many edits were tried.

    The likeliest kind of edit first. ([], 0) where no `assert` says what is right: that nothing is raised any more
    would prove too little.
    """
    source, after = task.target.source, run_again(task, notebook)
    if "assert" not in after or not syntax.is_python(notebook.language):
        return [], 0
    above = upstream(notebook, Candidate(source), task)
    cells = [*above, source]
    try:
        plain = [syntax.transform(cell) for cell in cells]
    except SyntaxError:
        return [], 0
    left = min(judge.budget.search_seconds, judge.budget.left())
    tries = edits(source) if plain[-1].strip() == source.strip() and left > 0 else ()
    if not tries:
        return [], 0
    payload = {
        "setup": plain[:-1], "source": plain[-1], "sources": [edit.source for edit in tries], "after": after,
        "beside": _asserting(task, notebook, above), "seconds": left,
    }  # fmt: skip
    with judge.budget.measured():
        try:
            runner = judge.runner(notebook)
            answer = runner.call("repair_search.passing", payload, seconds=left + 20, preload=preload([*cells, after]))
        except SandboxUnavailableError:
            answer = None
    if not isinstance(answer, dict):
        return [], 0
    passed = [tries[number] for number in answer["passed"]]
    found = [Candidate(edit.source, notes=(f"found by search: {edit.change}",)) for edit in passed]
    return found, int(answer["tried"])


def _quick_fixes(judged: Judged, judge: Judge, notebook: Notebook) -> tuple[QuickFix, ...]:
    """Those of the first diagnostic that has any, errors first; () when half of the request's time for checks is gone."""
    candidate, verdict = judged
    if not judge.budget.has_spare():
        return ()
    for diagnostic in sorted(verdict.diagnostics, key=lambda one: one.severity != "error"):
        found = quickfixes.for_diagnostic(candidate.text, _meant(diagnostic, notebook))
        if not found and diagnostic.code == "NB201" and (error := judge.error_of(candidate)) is not None:
            found = quickfixes.for_error(candidate.text, error)
        if found:
            return found
    return ()


def _meant(diagnostic: Diagnostic, notebook: Notebook) -> Diagnostic:
    """An undefined name that people use for the one table that there is stands for that table."""
    if diagnostic.code != "NB101" or str(diagnostic.data["name"]).lower() not in _TABLES:
        return diagnostic
    tables = [variable.name for variable in notebook.namespace or () if variable.kind == "frame"]
    return replace(diagnostic, data={**diagnostic.data, "near": tables[0]}) if len(tables) == 1 else diagnostic


def _misspelled(failed: ErrorInfo, known: frozenset[str], notebook: Notebook) -> str:
    """For a name that no cell of the notebook makes, the one that it may be a slip for; "" for all else."""
    missing = re.fullmatch(r"name '(\w+)' is not defined.*", failed.message) if failed.name == "NameError" else None
    if missing is None or missing[1] in USUAL_IMPORTS or any(_makes(cell, missing[1]) for cell in notebook.cells):
        return ""
    near = nearest_name(missing[1], known)
    return near if near and not same_but_for_digits(near, missing[1]) else ""


def _makes(cell: Cell, name: str) -> bool:
    tree = syntax.tree(cell.source) if cell.kind == "code" else None
    return tree is not None and name in cellnames.defined(tree)


def _asserting(task: Task, notebook: Notebook, above: Sequence[str]) -> list[str]:
    """What else speaks of what is right: the tests beside the one that failed, and cells of the notebook with an `assert`."""
    failed = notebook.error
    done = {task.target.cell_id, failed.cell_id if failed else None}
    cells = [c.source for c in notebook.cells if c.kind == "code" and c.id not in done and c.source not in above]
    found = [source for source in cells if "assert" in source and syntax.parses(source)]
    return [*(failed.beside if failed else ()), *map(syntax.transform, found)]
