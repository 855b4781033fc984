"""A conversation in the sidebar: follow-ups know the turns, they are found again after a reload, and one click clears them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from scripted import Scripted

pytestmark = pytest.mark.browser

FIRST = "pd.DataFrame({'customer': ['C1', 'C2'], 'amount': [3.5, 2.25]})"
BARS = "pd.Series([3.5, 2.25], ['C1', 'C2']).plot(kind='bar')"
WHY = "Because each customer has several orders."


def said(messages: list[str]) -> str:
    """What a model would say: the word for what is meant, prose for a question, code for the rest."""
    last = messages[-1]
    if messages[0].startswith("You sort"):
        return "words" if last.startswith("why") else "undo" if last.startswith("undo") else "code"
    if "Answer the question" in last:
        return WHY
    return f"```python\n{BARS if 'as bars' in last else FIRST}\n```"


@pytest.fixture(scope="module")
def page_lab(lab: Any, server: Any) -> Iterator[Any]:
    script = Scripted()
    script.answer = said
    settings = {"consensus_samples": 0, "answer_seconds": 0, "check_seconds": 60, "grounding": "off"}
    server.configure(engine=script.url, model="scripted", **settings)
    server.write("talk.ipynb", "import pandas as pd\nimport matplotlib.pyplot as plt")
    lab.open("talk.ipynb")
    lab.run(0)
    lab.script = script
    yield lab
    server.configure(model="fake")
    script.close()


def test_a_whole_conversation(page_lab: Any) -> None:
    lab = page_lab
    box = lab.sidebar()
    first = lab.ask("Generate", "top customers")
    first.get_by_role("button", name="Accept").click()
    lab.wait("return nb.cells.length === 2")

    # A follow-up is told what was asked and answered before it.
    bars = lab.ask("Generate", "as bars")
    assert any("top customers" in asked and any(FIRST in text for text in asked) for asked in lab.script.asked)
    bars.get_by_role("img", name="Figure").wait_for()
    bars.get_by_role("button", name="Accept").click()
    lab.wait("return nb.cells.length === 3")

    # A question is answered in words; nothing is written.
    why = lab.ask("Generate", "why the mean?")
    why.get_by_text(WHY).wait_for()
    assert len(lab.cells()) == 3
    box.get_by_text("tokens").last.wait_for()
    keys = box.locator(".nbc-Answer .nbc-Answer-title").all_inner_texts()
    assert keys == ["top customers", "as bars", "why the mean?"], "the conversation reads from top to bottom"

    # A slash shows the commands; Tab takes the first.
    words = box.get_by_role("textbox", name="Instruction")
    words.fill("/as")
    box.get_by_role("list", name="Commands").get_by_role("button", name="/ask").wait_for()
    words.press("Tab")
    assert words.input_value() == "/ask "
    words.fill("")

    # The page is loaded again: the turns are there, with what they gave and where they went.
    lab.command("docmanager:save")
    lab.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    assert (lab.server.root / ".ipynb_checkpoints" / "talk-conversation.json").is_file()
    lab.open("talk.ipynb")
    box = lab.sidebar()
    found = box.locator(".nbc-Answer")
    found.nth(2).wait_for()
    assert found.locator(".nbc-Answer-title").all_inner_texts() == keys
    assert found.nth(0).locator("tbody td").all_inner_texts() == ["C1", "3.50", "C2", "2.25"]
    found.nth(1).get_by_text("in the notebook").wait_for()

    # "Undo that" names the turn; a click does it.
    undo = lab.ask("Generate", "undo that")
    assert "as bars" in undo.inner_text() and len(lab.cells()) == 3
    undo.get_by_role("button", name="Take it out").click()
    lab.wait("return nb.cells.length === 2")
    found.nth(1).get_by_text("taken out again").wait_for()

    # Edit puts the words back into the box; one click clears all.
    found.nth(1).get_by_role("button", name="Edit this request").click()
    assert box.get_by_role("textbox", name="Instruction").input_value() == "as bars"
    with lab.page.expect_response(lambda answer: answer.request.method == "DELETE"):
        box.get_by_role("button", name="Clear conversation").click()
    assert found.count() == 0
    assert not (lab.server.root / ".ipynb_checkpoints" / "talk-conversation.json").exists()
    assert lab.errors == []


def test_a_damaged_file_is_kept_aside_and_said(page_lab: Any) -> None:
    lab = page_lab
    kept = lab.server.root / ".ipynb_checkpoints" / "talk-conversation.json"
    kept.write_text("damaged")
    lab.open("talk.ipynb")
    lab.sidebar().get_by_text("is damaged: it is kept as talk-conversation.damaged-1.json").wait_for()
