"""What a fix is worth: was the fault seen, is it gone, is the edit the smallest that will do.

    the cell as it was: fails ──▶ the answer passes ──▶ changes that it does not need are put back ──▶ verified

Where the cell as it was does not fail here, or nothing could run, the answer may be right and nobody knows: "not
verified", with the reason. Runs nothing itself: checks are asked of the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nbcopilot.checks.rules.nb214_fix_changes_nothing import FixChangesNothing
from nbcopilot.fixes.minimal import same_program, smallest
from nbcopilot.types import Candidate, Judged
from nbcopilot.verdict import NotRun, Verdict

Check = Callable[[Candidate], Verdict]


def confirm(judged: Judged, before: str, was: Verdict, check: Check, *, may_shrink: bool = True) -> Judged:
    """The accepted fix of the cell `before`, made as small as it can be, with `evidence.verified`.

    was: the verdict on `before` itself. check: gives the verdict on another text for the cell. may_shrink: whether
    there is time to run smaller edits. A text that means the same as `before` is rejected.
    """
    candidate, verdict = judged
    if same_program(before, candidate.text):
        same = FixChangesNothing.found()
        return candidate, replace(verdict, ok=False, diagnostics=(*verdict.diagnostics, same))
    doubt = _doubt(was, verdict)

    def passes(text: str) -> bool:
        found = check(replace(candidate, text=text))
        return found.ok and found.checks == verdict.checks

    text = smallest(before, candidate.text, passes if may_shrink and doubt is None else None)
    if text != candidate.text.rstrip("\n"):
        smaller = replace(candidate, text=text)
        seen = check(smaller)
        if seen.ok and seen.checks == verdict.checks:
            candidate, verdict = smaller, seen
    evidence = replace(verdict.evidence, verified=doubt is None, unverified=doubt)
    state = "passed" if doubt is None else "not-run"
    return candidate, replace(verdict, evidence=evidence, checks={**verdict.checks, "fix": state})


def _doubt(was: Verdict, now: Verdict) -> NotRun | None:
    """Why the run of the answer does not show that it helps, or None."""
    if now.checks.get("run") != "passed":
        return now.evidence.not_run or NotRun("not-run")
    ended = was.evidence.not_run
    if was.ok and (ended is None or ended.reason != "time"):
        return NotRun("unchanged-passes") if ended is None else NotRun("original-not-run", cause=ended)
    return None
