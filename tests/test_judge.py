"""Prose is held against the notebook, and no tag of the model's is live in it."""

from __future__ import annotations

import threading

import pytest

from nbcopilot.checks.registry import message
from nbcopilot.config import Config
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.events import PromptReady
from nbcopilot.judge import Judge, ground
from nbcopilot.pipeline import Copilot
from nbcopilot.sandbox.runner import Runner
from nbcopilot.types import Candidate, Notebook, Target, Task


def test_text_in_which_nothing_holds_keeps_no_address() -> None:
    task = Task("explain", target=Target("x = 1  # https://example.org/known"))
    text = (
        "Calls `somewhere` at http://attacker.example/p.png?q=1, see https://example.org/known and ![i](//a.example/x)."
    )
    candidate, verdict = ground(Candidate(text, "markdown"), task, Notebook())
    assert verdict.checks == {"grounding": "failed"}
    assert "attacker" not in candidate.text and "a.example" not in candidate.text
    assert "(address removed)" in candidate.text and "https://example.org/known" in candidate.text


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
