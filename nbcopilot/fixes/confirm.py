"""What a fix is worth: was the fault seen, is it gone, is the edit the smallest that will do.

    the cell as it was: fails ──▶ the answer passes ──▶ changes that it does not need are put back ──▶ verified

Where the cell as it was does not fail here, or nothing could run, the answer may be right and nobody knows: "not
verified", with the reason. Runs nothing itself: checks are asked of the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nbcopilot.fixes.minimal import same_program, smallest
from nbcopilot.types import Candidate, Finding, Judged, Verdict

Check = Callable[[Candidate], Verdict]


def confirm(judged: Judged, before: str, was: Verdict, check: Check, *, may_shrink: bool = True) -> Judged:
    """The accepted fix of the cell `before`, made as small as it can be, with `evidence["verified"]`.

    was: the verdict on `before` itself. check: gives the verdict on another text for the cell. may_shrink: whether
    there is time to run smaller edits. A text that means the same as `before` is rejected.
    """
    candidate, verdict = judged
    if same_program(before, candidate.text):
        finding = Finding("run", "error", "the answer is the same code as the cell that fails")
        return candidate, replace(verdict, ok=False, findings=(*verdict.findings, finding))
    reason = _doubt(was, verdict)

    def passes(text: str) -> bool:
        found = check(replace(candidate, text=text))
        return found.ok and found.checks == verdict.checks

    text = smallest(before, candidate.text, passes if may_shrink and not reason else None)
    if text != candidate.text.rstrip("\n"):
        smaller = replace(candidate, text=text)
        seen = check(smaller)
        if seen.ok and seen.checks == verdict.checks:
            candidate, verdict = smaller, seen
    evidence = {**verdict.evidence, "verified": not reason, **({"not_verified": reason} if reason else {})}
    return candidate, replace(verdict, evidence=evidence, checks={**verdict.checks, "fix": _state(reason)})


def _state(reason: str) -> str:
    return "not-run" if reason else "passed"


def _doubt(was: Verdict, now: Verdict) -> str:
    """Why the run of the answer does not show that it helps, or ""."""
    if now.checks.get("run") != "passed":
        return str(now.evidence.get("not_run") or "it was not run")
    ended = str(was.evidence.get("not_run", ""))
    if was.ok and not ended.startswith("it did not finish"):
        return "the cell as it was does not fail here" if not ended else f"the cell as it was could not be run: {ended}"
    return ""
