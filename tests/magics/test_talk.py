"""`%%chat` and `%nbcopilot ask`: turns in an IPython shell, with the fake engine, kept in the file that the sidebar reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from nbcopilot import magics, session
from nbcopilot.config import Config
from nbcopilot.conversation import store
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.inference import Prompt


def said(prompt: Prompt) -> str:
    last = prompt.messages[-1].content
    if prompt.answer == "text":
        return "words" if last.startswith("why") else "undo" if last.startswith("undo") else "code"
    return "It takes 2 as the rate." if prompt.answer == "markdown" else "rate = 2\nrate"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(script=said)


@pytest.fixture
def shell(tmp_path: Path, engine: FakeEngine) -> Iterator[InteractiveShell]:
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    magics.register(made)
    (tmp_path / "a.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    made.user_ns["__vsc_ipynb_file__"] = str(tmp_path / "a.ipynb")
    session.reset()
    session.current().config = Config(model="fake", answer_seconds=0, consensus_samples=0)
    session.current()._engine = engine
    session.current()._key = session._key(session.current().config)
    yield made
    magics.unregister(made)
    session.reset()
    made.history_manager.end_session()
    InteractiveShell.clear_instance()


def test_a_conversation_of_code_words_and_undo(
    shell: InteractiveShell, engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell_magic("chat", "", "set the rate to 2")
    out = capsys.readouterr().out
    assert "rate = 2" in out and "new: rate = 2" in out, "no outcome in the terminal"
    [turn] = store.read(tmp_path / "a.ipynb").turns
    assert (turn.asked, turn.text, turn.answer) == ("set the rate to 2", "rate = 2\nrate", "code")
    assert turn.truth.startswith("Ran in") and turn.preview is not None

    shell.run_line_magic("nbcopilot", 'ask "why that?"')
    assert "It takes 2 as the rate." in capsys.readouterr().out
    assert "set the rate to 2" in [message.content for message in engine.prompts[-1].messages]
    assert [turn.answer for turn in store.read(tmp_path / "a.ipynb").turns] == ["code", "markdown"]

    asked = len(engine.prompts)
    shell.run_line_magic("chat", "undo that")
    assert "nothing of this conversation is in the notebook" in capsys.readouterr().out
    assert len(engine.prompts) == asked + 1, "an answer was generated"


def test_a_damaged_file_costs_no_answer_and_is_said(
    shell: InteractiveShell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store.place(tmp_path / "a.ipynb")
    path.parent.mkdir()
    path.write_text("damaged")
    shell.run_line_magic("chat", "set the rate to 2")
    out = capsys.readouterr().out
    assert "rate = 2" in out and "is damaged" in out
    assert len(store.read(tmp_path / "a.ipynb").turns) == 1
