"""The widget panel in an IPython shell of the test's process, with the fake engine: no front end needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from serving import eventually

import nbcopilot
from nbcopilot import session
from nbcopilot.config import Config
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.errors import ConfigError
from nbcopilot.panel.view import Panel


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    yield made
    made.history_manager.end_session()
    InteractiveShell.clear_instance()


@pytest.fixture
def panel(shell: InteractiveShell) -> Iterator[Panel]:
    session.reset()
    session.current().config = Config(model="fake")
    yield nbcopilot.panel()
    session.reset()


def finish(panel: Panel, kind: Any, instruction: str = "") -> None:
    request = panel.ask(kind, instruction)
    assert request is not None, panel._status.value
    assert request.join(60)


def test_the_name_is_the_function_and_the_module(panel: Panel) -> None:
    import nbcopilot.panel as module

    assert callable(module)
    assert isinstance(module(), Panel)
    assert isinstance(nbcopilot.panel(), Panel)


def test_generate_streams_checks_and_offers_without_writing(panel: Panel, shell: InteractiveShell) -> None:
    finish(panel, "generate", "write is_prime(n) that tells whether a number is prime")
    assert "def is_prime(n):" in panel._answer.value
    assert "Ran in" in panel._checks.value
    assert panel._decision.layout.display == ""
    assert "tokens" in panel._status.value
    assert "is_prime" not in shell.user_ns


def test_insert_without_an_extension_hands_the_text_over(panel: Panel) -> None:
    finish(panel, "generate", "write is_prime(n)")
    panel._insert()
    assert "copy the text" in panel._said.value
    assert "def is_prime" in panel._said.value


def test_explain_is_about_the_last_cell_or_a_named_function(panel: Panel, shell: InteractiveShell) -> None:
    shell.run_cell("def area(r):\n    return r * r", store_history=True)
    shell.run_cell("x = 1", store_history=True)
    finish(panel, "explain")
    assert "x" in panel._answer.value
    panel._about.value = "area"
    finish(panel, "explain")
    assert "area" in panel._answer.value
    panel._about.value = "no_such_name"
    assert panel.ask("explain") is None
    assert "no_such_name" in panel._status.value


def test_checks_know_the_names_of_the_kernel(panel: Panel, shell: InteractiveShell) -> None:
    shell.user_ns["rate"] = 0.25
    session.current()._engine = FakeEngine(script=["```python\nprice = 100 * (1 + rate)\n```"] * 9)
    session.current()._key = session._key(session.current().config)
    finish(panel, "generate", "the price with the rate")
    assert "Ran in" in panel._checks.value, panel._checks.value
    assert "new: price = 125.0" in panel._checks.value, "the outcome is not shown"
    assert "price" not in shell.user_ns


def test_document_without_a_name_is_about_the_whole_notebook(panel: Panel, shell: InteractiveShell) -> None:
    shell.run_cell("def area(r):\n    return r * r", store_history=True)
    finish(panel, "document")
    assert "# " in panel._answer.value and "area" in panel._answer.value
    panel._insert()
    assert "copy the text" in panel._said.value and "area" in panel._said.value
    panel._about.value = "area"
    finish(panel, "document")
    assert "above cell" not in panel._answer.value


def test_several_answers_can_be_chosen_from(panel: Panel) -> None:
    panel.config = Config(model="fake", answer_seconds=0)  # however busy the machine is
    panel._count.value = 3
    finish(panel, "generate", "write mean(values)")
    assert panel._request is not None
    assert len(panel._request.judged) == 3 and len(panel._choice.options) == 2, "two of them are the same"
    panel._choice.value = 2
    assert "result = " in panel._answer.value
    assert panel._request.edit(2).cells[0].source


def test_stop_keeps_what_has_come_and_frees_the_engine(panel: Panel) -> None:
    engine = FakeEngine(tokens_per_second=2)
    session.current()._engine = engine
    session.current()._key = session._key(Config(model="fake"))
    panel.config = Config(model="fake")
    request = panel.ask("generate", "write is_prime(n)")
    assert request is not None
    assert eventually(lambda: panel._text)
    request.stop()
    assert request.join(60)
    assert "stopped" in panel._status.value
    assert panel._answer.value
    assert engine.cancelled == 1
    assert not panel._buttons["generate"].disabled


def test_html_in_an_answer_is_shown_not_executed(panel: Panel) -> None:
    session.current()._engine = FakeEngine(script=["<img src=x onerror=alert(1)>"] * 9)
    session.current()._key = session._key(Config(model="fake"))
    finish(panel, "generate", "anything")
    assert "<img" not in panel._answer.value + panel._checks.value + panel._said.value
    assert "&lt;img" in panel._answer.value


def test_what_was_sent_is_listed(panel: Panel, shell: InteractiveShell) -> None:
    shell.run_cell("x = 1", store_history=True)
    finish(panel, "explain")
    assert "tokens" in panel._sent.titles[0]
    assert "<tr>" in panel._sent.children[0].value


def test_nothing_to_do_is_a_sentence(panel: Panel) -> None:
    assert panel.ask("generate") is None
    assert "instruction" in panel._status.value
    assert panel.ask("explain") is None
    assert "cell" in panel._status.value


def test_a_wrong_setting_is_refused_at_once(shell: InteractiveShell) -> None:
    with pytest.raises(ConfigError, match="temprature"):
        nbcopilot.panel(temprature=1)
