"""Edits that no model writes: the quick fixes that an error names, and the small edits after which what failed holds.

Values only: `repair` has them checked and decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nbcopilot.checking import known_names, run_again
from nbcopilot.errors import SandboxUnavailableError
from nbcopilot.execution import RunError, Suggestion
from nbcopilot.fixes import quickfixes
from nbcopilot.fixes.quickfixes import QuickFix
from nbcopilot.fixes.small_edits import edits
from nbcopilot.judge import Judge
from nbcopilot.notebook import cellnames, syntax, tracebacks
from nbcopilot.notebook.fault import at_fault, line_in
from nbcopilot.notebook.names import nearest_name, same_but_for_digits
from nbcopilot.notebook.packages import USUAL_IMPORTS
from nbcopilot.sandbox.runner import preload
from nbcopilot.task import upstream
from nbcopilot.types import Candidate, Cell, Judged, Notebook, Task
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

    The cell is run only where that can tell more (no error is recorded, as in every text notebook, or it leaves out
    what was meant): the model is not to wait for it.
    """
    source, failed = task.target.source, notebook.error
    if not syntax.is_python(notebook.language) or not source.strip():
        return ()
    sources = [cell.source for cell in notebook.cells if cell.kind == "code" and cell.id != task.target.cell_id]
    known = known_names(notebook, sources, judge.namespace)
    if failed is None:
        return _edited(_quick_fixes((Candidate(source), judge.verdict_before(task, notebook)), judge, notebook, known))
    elsewhere = failed.cell_id not in (None, task.target.cell_id)
    if elsewhere and (guilty := at_fault(notebook)) is not None and guilty.id != task.target.cell_id:
        return ()
    near = _slip(tracebacks.missing_name(failed.name, failed.message), known, notebook)
    meant = (Suggestion("name", (near,)),) if near else ()
    line = line_in(failed, notebook, task.target.cell_id) if elsewhere else tracebacks.read(failed.traceback).arrow
    found = quickfixes.for_error(source, RunError(failed.name, failed.message, line, suggestions=meant))
    if found or failed.name in _HINTED:
        before = (Candidate(source), judge.verdict_before(task, notebook))
        found = _quick_fixes(before, judge, notebook) or found
    return _edited(found)


def _edited(found: Sequence[QuickFix]) -> tuple[Edited, ...]:
    return tuple(Edited(Candidate(fix.source, notes=(fix.change,)), fix.sure) for fix in found)


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


def _quick_fixes(
    judged: Judged, judge: Judge, notebook: Notebook, known: frozenset[str] = frozenset()
) -> tuple[QuickFix, ...]:
    """Those of the first diagnostic that has any, errors first; () when half of the request's time for checks is gone.

    known: names of the whole notebook that an undefined one may be a slip for.
    """
    candidate, verdict = judged
    if not judge.budget.has_spare():
        return ()
    for diagnostic in sorted(verdict.diagnostics, key=lambda one: one.severity != "error"):
        found = quickfixes.for_diagnostic(candidate.text, _meant(diagnostic, notebook, known))
        if not found and diagnostic.code == "NB201" and (error := judge.error_of(candidate)) is not None:
            found = quickfixes.for_error(candidate.text, error)
        if found:
            return found
    return ()


def _meant(diagnostic: Diagnostic, notebook: Notebook, known: frozenset[str]) -> Diagnostic:
    """An undefined name with what it may stand for: the one table that there is, or a name that it is a slip for."""
    if diagnostic.code != "NB101":
        return diagnostic
    name = str(diagnostic.data["name"])
    near = "" if diagnostic.data.get("near") else _slip(name, known, notebook)
    if name.lower() in _TABLES:
        tables = [variable.name for variable in notebook.namespace or () if variable.kind == "frame"]
        near = tables[0] if len(tables) == 1 else near
    return replace(diagnostic, data={**diagnostic.data, "near": near}) if near else diagnostic


def _slip(missing: str, known: frozenset[str], notebook: Notebook) -> str:
    """For a name that no cell of the notebook makes, the one that it may be a slip for; "" for all else."""
    if not missing or missing in USUAL_IMPORTS or any(_makes(cell, missing) for cell in notebook.cells):
        return ""
    near = nearest_name(missing, known)
    return near if near and not same_but_for_digits(near, missing) else ""


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
