"""Prose is held against the notebook, and no tag of the model's is live in it."""

from __future__ import annotations

import threading

import pytest

from nbcopilot.checks.registry import message
from nbcopilot.config import Config
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.events import PromptReady
from nbcopilot.judge import Judge, ground, harmless
from nbcopilot.pipeline import Copilot
from nbcopilot.sandbox.runner import Runner
from nbcopilot.types import Candidate, Notebook, Target, Task


def test_tags_are_shown_not_executed_and_code_stays_code() -> None:
    text = "Adds <script>alert(1)</script> if `a < b` and `<b>`.\n\n```\n<i>\n```\n1 < 2"
    assert harmless(text) == "Adds &lt;script>alert(1)&lt;/script> if `a < b` and `<b>`.\n\n```\n<i>\n```\n1 < 2"


def test_sentences_about_what_is_not_there_are_dropped() -> None:
    task = Task("explain", target=Target("def double(x):\n    return 2 * x"))
    text = "`double` doubles `x`. It reads `missing_table` from 1999."
    candidate, verdict = ground(Candidate(text, "markdown"), task, Notebook())
    assert candidate.text == "`double` doubles `x`."
    assert verdict.ok and "missing_table" in message(verdict.diagnostics[0])


def test_text_with_nothing_that_holds_is_kept_and_marked() -> None:
    task = Task("explain", target=Target("x = 1"))
    candidate, verdict = ground(Candidate("Calls `somewhere`.", "markdown"), task, Notebook())
    assert candidate.text == "Calls `somewhere`." and verdict.checks == {"grounding": "failed"}


@pytest.mark.parametrize(("kind", "warmed"), [("generate", True), ("testgen", True), ("explain", False)])
def test_the_sandbox_starts_while_the_model_reads(kind: str, warmed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    monkeypatch.setattr(Runner, "warm", lambda runner, sources: asked.set())
    task = Task(kind, "add", Target("def f(x):\n    return x"))  # type: ignore[arg-type]
    events = Copilot(FakeEngine(["x = 1"]), Config()).stream(task, Notebook(), judge=Judge(Config()))
    next(event for event in events if isinstance(event, PromptReady))
    assert asked.wait(30 if warmed else 0.2) is warmed
