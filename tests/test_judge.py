"""Prose is held against the notebook, and no tag of the model's is live in it."""

from __future__ import annotations

from nbcopilot.judge import ground, harmless
from nbcopilot.types import Candidate, Notebook, Target, Task


def test_tags_are_shown_not_executed_and_code_stays_code() -> None:
    text = "Adds <script>alert(1)</script> if `a < b` and `<b>`.\n\n```\n<i>\n```\n1 < 2"
    assert harmless(text) == "Adds &lt;script>alert(1)&lt;/script> if `a < b` and `<b>`.\n\n```\n<i>\n```\n1 < 2"


def test_sentences_about_what_is_not_there_are_dropped() -> None:
    task = Task("explain", target=Target("def double(x):\n    return 2 * x"))
    text = "`double` doubles `x`. It reads `missing_table` from 1999."
    candidate, verdict = ground(Candidate(text, "markdown"), task, Notebook())
    assert candidate.text == "`double` doubles `x`."
    assert verdict.ok and "missing_table" in verdict.findings[0].message


def test_text_with_nothing_that_holds_is_kept_and_marked() -> None:
    task = Task("explain", target=Target("x = 1"))
    candidate, verdict = ground(Candidate("Calls `somewhere`.", "markdown"), task, Notebook())
    assert candidate.text == "Calls `somewhere`." and verdict.checks == {"grounding": "failed"}
