"""Ghost text at the cursor: appears while typing, is taken whole, by word or not at all, and can be switched off."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_lab(lab: Any, server: Any) -> Any:
    server.write("inline.ipynb", "import math", "")
    lab.open("inline.ipynb")
    return lab


@pytest.fixture
def fresh(page_lab: Any) -> Any:
    lab = page_lab
    lab.page.wait_for_timeout(600)  # what the test before typed may still be waiting to be asked
    lab.select(0)
    lab.notebook("nb.cells[1].setSource('')")
    lab.select(1)
    lab.notebook("panel.content.mode = 'edit'; panel.content.activeCell.editor.focus()")
    return lab


def asked_with(lab: Any, text: str) -> list[str]:
    """The requests from now on that are about `text`: what was typed before may be asked late."""
    found: list[str] = []

    def note(request: Any) -> None:
        if "/complete" in request.url and text in (request.post_data or ""):
            found.append(request.url)

    lab.page.on("request", note)
    return found


def test_typing_brings_a_suggestion_and_tab_takes_it(fresh: Any) -> None:
    lab = fresh
    with lab.page.expect_request("**/nbcopilot/complete*") as sent:
        ghost = lab.suggested("value = 3\nreturn_value = ")
    assert ghost.inner_text().strip()
    assert json.loads(sent.value.post_data)["before"] == ["import math"], "the other cells are the context"
    before = lab.sources()[1]
    lab.page.keyboard.press("Tab")
    lab.wait("return nb.cells[1].getSource().length > args[0]", len(before))
    assert lab.sources()[1].startswith(before)


def test_a_word_can_be_taken(fresh: Any) -> None:
    lab = fresh
    lab.suggested("def total").wait_for()
    before = lab.sources()[1]
    lab.command("nbcopilot:accept-word")
    lab.wait("return nb.cells[1].getSource().length > args[0]", len(before))
    assert len(lab.sources()[1]) - len(before) <= 12


def test_an_older_request_is_given_up_when_the_user_types_on(fresh: Any) -> None:
    lab = fresh
    lab.server.configure(model="fake:0.3")
    try:
        with lab.page.expect_request("**/nbcopilot/complete*"):
            lab.page.keyboard.type("first = ")
        with lab.page.expect_event("requestfailed", lambda r: "nbcopilot/complete" in r.url):
            lab.page.keyboard.type("1; second = ")
    finally:
        lab.server.configure(model="fake")


def test_it_says_nothing_in_a_text_cell(fresh: Any) -> None:
    lab = fresh
    asked = asked_with(lab, "some words about")
    lab.command("notebook:change-cell-to-markdown")
    lab.notebook("panel.content.mode = 'edit'; panel.content.activeCell.editor.focus()")
    lab.page.keyboard.type("some words about ")
    lab.page.wait_for_timeout(1500)
    lab.command("notebook:change-cell-to-code")
    assert asked == []


def test_one_command_switches_it_off_and_on(fresh: Any) -> None:
    lab = fresh
    is_on = "() => window.jupyterapp.commands.isToggled('nbcopilot:toggle-inline')"
    assert lab.page.evaluate(is_on) is True
    lab.command("nbcopilot:toggle-inline")
    lab.page.wait_for_function(f"() => !({is_on})()")
    asked = asked_with(lab, "switched_off")
    lab.notebook("panel.content.activeCell.editor.focus()")
    lab.page.keyboard.type("switched_off = ")
    lab.page.wait_for_timeout(1500)
    assert asked == []
    lab.command("nbcopilot:toggle-inline")
    lab.page.wait_for_function(is_on)
    assert lab.errors == []
