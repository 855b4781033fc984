"""Step 6: is this candidate any good? Code is checked and run, tests are weighed, prose is held against the notebook.

Puts the checks of `validate` and the grounding of `write` together for each kind of task; the pipeline repairs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nbcopilot.checker import Checker
from nbcopilot.checks import next_cell
from nbcopilot.config import Config
from nbcopilot.task import upstream as task_upstream
from nbcopilot.types import Candidate, Finding, Notebook, Task, Verdict
from nbcopilot.write import grounding

Judged = tuple[Candidate, Verdict]
# Runs of an answer with the edits that its errors ask for.
REMEDY_RUNS = 6


class Judge:
    """Decides on candidates. `namespace` is the live one of a kernel (None: nothing but the notebook's cells)."""

    def __init__(self, config: Config, *, namespace: Mapping[str, Any] | None = None) -> None:
        self._config = config
        self._checker = Checker(config, namespace=namespace)

    def warm(self, task: Task, notebook: Notebook) -> None:
        """Get ready, in the background, while the model reads and writes: the first check of a session need not wait."""
        if task.check and task.kind in ("generate", "fix", "testgen") and notebook.language == "python":
            self._checker.warm(notebook, ["import pytest, coverage"] if task.kind == "testgen" else [])

    def check(self, candidate: Candidate, task: Task, notebook: Notebook, upstream: Sequence[str] = ()) -> Judged:
        """The candidate as it may be shown (sentences or tests may have gone) and what is known of it."""
        if not candidate.text.strip():
            return candidate, Verdict(False, (Finding("syntax", "error", "the answer holds nothing usable"),))
        if candidate.answer == "markdown":
            return ground(candidate, task, notebook)
        if task.kind == "testgen":
            return self._checker.check_tests(candidate, task, notebook, upstream)
        candidate = self._checker.mend(candidate, task, notebook, upstream)
        inside = task.check and candidate.answer == "code" and next_cell.is_next_cell(task, notebook)
        if inside:
            candidate = next_cell.show(candidate, task, notebook.names)
        judged = self._seen(candidate, task, notebook, upstream)
        if task.check and task.repairs and not judged[1].ok:
            judged = self._remedied(judged, task, notebook, upstream, [REMEDY_RUNS])
        candidate, verdict = judged
        copied = next_cell.repeated(candidate, task, notebook) if inside else None
        if copied is not None:
            return candidate, replace(verdict, ok=False, findings=(*verdict.findings, copied))
        if not verdict.ok:
            return judged
        if inside and (doubts := next_cell.doubts(*judged, task)):
            return candidate, replace(verdict, findings=(*verdict.findings, *doubts))
        if task.kind == "fix" and task.check:
            return self._checker.confirm(judged, task, notebook, upstream)
        return judged

    def _seen(self, candidate: Candidate, task: Task, notebook: Notebook, upstream: Sequence[str]) -> Judged:
        """The candidate with what its run shows, and what of the request it does not do."""
        verdict = self._checker.check(candidate, task, notebook, upstream)
        broken = next_cell.unkept(candidate, verdict, task, notebook) if task.check else ()
        return candidate, replace(verdict, ok=False, findings=(*verdict.findings, *broken)) if broken else verdict

    def _remedied(
        self, judged: Judged, task: Task, notebook: Notebook, upstream: Sequence[str], left: list[int]
    ) -> Judged:
        """The candidate with the edits that the errors of its runs ask for, when it is accepted then; else as it is.

        left: how many runs that may take, counted down.
        """
        for remedy in self._checker.remedies(judged, notebook):
            if not left[0]:
                break
            left[0] -= 1
            mended = replace(judged[0], text=remedy.source, notes=(*judged[0].notes, remedy.change))
            above = task_upstream(notebook, mended, task) or upstream  # the edit may have brought other names
            mended = self._checker.mend(mended, task, notebook, above)
            seen = self._seen(mended, task, notebook, above)
            if not seen[1].ok:
                seen = self._remedied(seen, task, notebook, above, left)
            if seen[1].ok and seen[1].checks.get("run") == "passed":
                said = "; ".join(seen[0].notes[len(judged[0].notes) :])
                return seen[0], replace(seen[1], evidence={**seen[1].evidence, "mended": said})
        return judged

    def remedies(self, task: Task, notebook: Notebook, upstream: Sequence[str] = ()) -> list[tuple[Candidate, bool]]:
        """The cell to be mended with the edits that its error itself asks for, and whether the error names the edit.

        One that it does not name is worth something only when a run has shown that it helps.
        """
        found = self._checker.remedies_of(task, notebook, upstream)
        return [(Candidate(remedy.source, notes=(remedy.change,)), remedy.sure) for remedy in found]

    def near(self, task: Task, notebook: Notebook, upstream: Sequence[str] = ()) -> tuple[list[Candidate], int]:
        """Fixes that no model wrote, and how many were tried: the cell with one small edit, where what failed then holds.

        The likeliest kind of edit first.
        """
        found, tried = self._checker.near(task, notebook, upstream)
        return [Candidate(edit.source, notes=(f"found by search: {edit.change}",)) for edit in found], tried

    def best(self, judged: Sequence[Judged]) -> Judged:
        """The one to show: what the checks accept, then what most others agree with, then the earliest."""
        return self._checker.best(judged)


def harmless(text: str) -> str:
    """Markdown in which no tag of the model's is live: every `<` that could open one is escaped, save in code."""
    parts = re.split(r"(```.*?```|`[^`\n]*`)", text, flags=re.DOTALL)
    return "".join(part if i % 2 else re.sub(r"<(?=[A-Za-z/!?])", "&lt;", part) for i, part in enumerate(parts))


def ground(candidate: Candidate, task: Task, notebook: Notebook) -> Judged:
    """The markdown without the sentences that the notebook does not bear out (all gone: kept, and marked)."""
    candidate = replace(candidate, text=harmless(candidate.text))
    texts = [task.target.source, task.instruction, *(cell.source for cell in notebook.cells)]
    texts += [output.text for cell in notebook.cells for output in cell.outputs]
    names = [f"{variable.name} {variable.summary}" for variable in notebook.namespace or ()]
    # "two values" in prose is a way of speaking, not a claim about the data.
    kept = grounding.ground(candidate.text, grounding.facts(texts, names_from=names, counts=(2, 3)))
    dropped = tuple(
        Finding("grounding", "info", f"dropped: {sentence.strip()} ({missing} is not in the notebook)")
        for sentence, missing in kept.dropped
    )
    if not kept.text.strip():
        finding = Finding(
            "grounding", "warning", "the text names things that are not in the notebook: read it with care"
        )
        return candidate, Verdict(True, (finding,), {"grounding": "failed"})
    return replace(candidate, text=kept.text), Verdict(True, dropped, {"grounding": "ok"})
