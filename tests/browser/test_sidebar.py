"""The sidebar in JupyterLab, with the fake engine: exact texts, nothing written before it is accepted."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

pytestmark = pytest.mark.browser

AREA = 'def area(r):\n    """Area of a square.\n\n    >>> area(3)\n    9\n    """\n    return r * r'


@pytest.fixture(scope="module")
def page_lab(lab: Any, server: Any) -> Any:
    server.write("sidebar.ipynb", "x = 3", AREA, "values = []\ntotal = sum(values) / len(values)")
    lab.open("sidebar.ipynb")
    return lab


@pytest.fixture(autouse=True)
def fresh(page_lab: Any) -> Any:
    """The notebook as it was written, and a sidebar without answers."""
    lab = page_lab
    lab.notebook("panel.content.activeCellIndex = 0; return panel.context.revert()")
    lab.wait("return nb && nb.cells.length === 3")
    lab.sidebar()
    lab.clear()
    return lab


def test_generate_writes_below_the_selected_cell_only_after_accept(fresh: Any) -> None:
    lab = fresh
    lab.select(1)
    answer = lab.ask("Generate", "write is_prime(n) that tells whether a number is prime")
    assert len(lab.cells()) == 3, "written before it was accepted"
    assert "def is_prime(n):" in answer.inner_text()
    answer.get_by_role("button", name="Accept").click()
    lab.wait("return nb.cells.length === 4")
    cell = lab.cells()[2]
    assert "def is_prime(n):" in cell["source"]
    record = cell["metadata"]["nbcopilot"]
    assert (record["role"], record["model"]["id"]) == ("code", "fake")
    assert not cell["metadata"].get("trusted")
    answer.get_by_text("in the notebook").wait_for()
    lab.command("notebook:undo-cell-action")
    assert len(lab.cells()) == 3


def test_a_second_answer_does_not_replace_the_first_and_the_selected_cell_is_context(fresh: Any) -> None:
    lab = fresh
    lab.run(1)
    for instruction in ("write mean(values)", "write is_prime(n)"):
        lab.select(1)
        with lab.page.expect_response("**/nbcopilot/stream*"):
            answer = lab.ask("Generate", instruction)
        answer.get_by_text("What was sent").click()
        assert "cell [" in answer.locator(".nbc-Sent tbody").inner_text()
        answer.get_by_role("button", name="Accept").click()
        answer.get_by_text("in the notebook").wait_for()
    assert len(lab.cells()) == 5
    assert "def is_prime" in lab.sources()[2]
    assert "def mean" in lab.sources()[3]


def test_reject_writes_nothing(fresh: Any) -> None:
    answer = fresh.ask("Generate", "reverse a list")
    answer.get_by_role("button", name="Reject").click()
    answer.get_by_text("rejected").wait_for()
    assert len(fresh.cells()) == 3


def test_explain_gives_text_that_becomes_a_rendered_markdown_cell(fresh: Any) -> None:
    lab = fresh
    lab.select(1)
    answer = lab.ask("Explain")
    assert "It defines area" in answer.inner_text()
    answer.get_by_role("button", name="Accept").click()
    lab.wait("return nb.cells.length === 4")
    assert lab.cells()[2]["cell_type"] == "markdown"
    assert lab.notebook("return panel.content.widgets[2].rendered") is True


def test_test_shows_what_was_checked_and_the_tests_pass_when_run(fresh: Any) -> None:
    lab = fresh
    lab.select(1)
    answer = lab.ask("Test")
    assert re.match(r"\d+ tests? pass", answer.locator(".nbc-Truth").inner_text())
    answer.get_by_role("button", name="details").click()
    chips = answer.locator(".nbc-Chip").all_inner_texts()
    assert any(chip.startswith("syntax") for chip in chips), chips
    answer.get_by_role("button", name="Accept").click()
    lab.wait("return nb.cells.length === 4")
    assert "assert area(3) == 9" in lab.sources()[2]
    lab.run(1)
    lab.run(2)
    outputs = lab.cells()[2]["outputs"]
    assert not [output for output in outputs if output["output_type"] == "error"], outputs


def test_fix_shows_a_diff_and_applies_it_in_place_in_one_undo_step(fresh: Any) -> None:
    lab = fresh
    lab.run(2)
    answer = lab.press_fix()
    assert answer.locator(".nbc-Diff-line.nbc-mod-removed").count() == 1
    added = answer.locator(".nbc-Diff-line.nbc-mod-added").inner_text()
    assert "(len(values) or 1)" in added
    before = lab.cells()[2]
    answer.get_by_role("button", name="Apply").click()
    lab.wait("return nb.cells[2].getSource().includes('or 1')")
    after = lab.cells()[2]
    assert (after["id"], after["metadata"].get("nbcopilot")) == (before["id"], None)
    lab.command("notebook:undo-cell-action")
    assert lab.cells()[2]["source"] == before["source"]
    lab.command("notebook:redo-cell-action")
    lab.run(2)
    assert lab.cells()[2]["outputs"] == []
    lab.page.locator(".nbc-FixButton").wait_for(state="detached")  # with the error


def test_document_offers_title_overview_and_a_text_for_each_group_and_accepts_all(fresh: Any) -> None:
    lab = fresh
    lab.notebook("nb.cells[2].setSource(args[0])", AREA.replace("area", "volume").replace("r * r", "r * r * r"))
    answer = lab.ask("Document notebook")
    accept = answer.get_by_role("button", name=re.compile("Accept all"))
    assert accept.inner_text() == "Accept all (3)"
    assert answer.locator(".nbc-Cell-head > .nbc-quiet").all_inner_texts() == [
        "Title and overview, above #1", "Text above #1 · x = 3", "Text above #3 · def volume(r):"
    ]  # fmt: skip
    accept.click()
    lab.wait("return nb.cells.length === 6")
    kinds = [cell["cell_type"] for cell in lab.cells()]
    assert kinds == ["markdown", "markdown", "code", "code", "markdown", "code"], "x = 3 shares the text of area"
    assert lab.sources()[0].startswith("# ")
    assert "volume" in lab.sources()[4]
    lab.command("notebook:undo-cell-action")
    assert len(lab.cells()) == 3, "more than one undo step"


def test_several_answers_are_there_to_choose_from(fresh: Any) -> None:
    lab = fresh
    box = lab.sidebar()
    box.get_by_role("combobox", name="Answers").select_option("3")  # two of them are the same
    answer = lab.ask("Generate", "write is_prime(n) that tells whether a number is prime")
    choices = answer.get_by_role("radio")
    assert choices.count() == 2
    choices.nth(1).check()
    answer.get_by_role("button", name="Accept").click()
    lab.wait("return nb.cells.length === 4")
    box.get_by_role("combobox", name="Answers").select_option("1")


def test_what_was_sent_is_listed_with_reasons_and_tokens(fresh: Any) -> None:
    lab = fresh
    lab.select(1)
    answer = lab.ask("Explain")
    answer.get_by_text("What was sent").click()
    rows = answer.locator(".nbc-Sent tbody tr")
    assert rows.count() >= 1
    assert all(len(row.locator("td").all_inner_texts()) == 3 for row in rows.all())


def test_the_instruction_comes_back_with_the_arrow_key(fresh: Any) -> None:
    lab = fresh
    lab.ask("Generate", "the first instruction")
    lab.ask("Generate", "the second instruction")
    box = lab.sidebar().get_by_role("textbox", name="Instruction")
    box.press("ArrowUp")
    assert box.input_value() == "the second instruction"
    box.press("Home")
    box.press("ArrowUp")
    assert box.input_value() == "the first instruction"


def test_enter_sends_and_shift_enter_does_not(fresh: Any) -> None:
    lab = fresh
    box = lab.sidebar().get_by_role("textbox", name="Instruction")
    box.fill("count words")
    box.press("Shift+Enter")
    assert box.input_value() == "count words\n"
    assert lab.sidebar().locator(".nbc-Answer").count() == 0
    lab.finished(lab.begun(lambda: box.press("Enter")))
    assert box.input_value() == ""
    lab.page.keyboard.press("Escape")
    lab.page.wait_for_function("() => document.activeElement.closest('.jp-Notebook')")


def test_live_variables_are_seen_when_the_kernel_is_idle(fresh: Any) -> None:
    lab = fresh
    # The kernel's first look at its variables loads code; a busy machine needs longer for that than a page waits.
    lab.notebook("nb.cells[0].setSource(args[0])", "import nbcopilot.server.probe, nbcopilot.notebook.namespace\nx = 3")
    lab.run(0)
    lab.select(0)
    with lab.page.expect_request("**/nbcopilot/stream*") as sent:
        lab.ask("Generate", "double x")
    notebook = json.loads(sent.value.post_data)["notebook"]
    assert "x" in notebook["names"]
    assert [variable["summary"] for variable in notebook["variables"] if variable["name"] == "x"] == ["int 3"]
    assert lab.cells()[0]["execution_count"] == lab.notebook("return nb.cells[0].execution_count"), "it left a trace"


def test_it_works_while_the_kernel_is_busy(fresh: Any) -> None:
    lab = fresh
    hold = lab.server.root / "hold"
    hold.touch()
    lab.notebook("nb.cells[0].setSource('import os, time\\nwhile os.path.exists(\"hold\"): time.sleep(.1)')")
    lab.select(0)
    lab.notebook("window.jupyterapp.commands.execute('notebook:run-cell')")
    try:
        lab.page.get_by_text("kernel busy").wait_for()
        answer = lab.ask("Generate", "reverse a list")
        assert "reverse" in answer.inner_text()
        assert lab.notebook("return panel.sessionContext.session.kernel.status") == "busy", "it waited for the kernel"
    finally:
        hold.unlink()
    lab.idle()


def test_a_cell_that_was_edited_meanwhile_is_not_overwritten_without_asking(fresh: Any) -> None:
    lab = fresh
    lab.run(2)
    lab.select(2)
    answer = lab.ask("Fix")
    lab.notebook("nb.cells[2].setSource('mine = 1')")
    answer.get_by_role("button", name="Apply").click()
    dialog = lab.page.locator(".jp-Dialog")
    assert "has changed" in dialog.inner_text()
    dialog.get_by_role("button", name="Cancel").click()
    assert lab.sources()[2] == "mine = 1"
    answer.get_by_text("not written").wait_for()


def test_commands_are_in_the_palette_and_can_be_reached_by_keyboard(fresh: Any) -> None:
    lab = fresh
    labels = lab.page.evaluate(
        """() => window.jupyterapp.commands.listCommands().filter(id => id.startsWith('nbcopilot:'))
            .map(id => window.jupyterapp.commands.label(id))"""
    )
    wanted = {"Show nbcopilot", "Generate Cell …", "Explain Cell", "Write Tests for Cell", "Fix Cell"}
    assert wanted <= set(labels), labels
    lab.select(1)
    lab.page.locator(".jp-Notebook").focus()
    answer = lab.finished(lab.begun(lambda: lab.page.keyboard.press("Control+Alt+e")))
    assert "Explain" in answer.inner_text()


def test_a_fix_changes_the_cell_at_fault_and_not_the_assertion_that_shows_it(fresh: Any) -> None:
    lab = fresh
    wrong, shown = "def double(n):\n    return n * 3", "assert double(4) == 8"
    lab.notebook("nb.cells[1].setSource(args[0]); nb.cells[2].setSource(args[1])", wrong, shown)
    lab.run(1)
    lab.run(2)
    answer = lab.press_fix()
    answer.get_by_text("found by search").wait_for()
    answer.get_by_role("button", name="Apply").click()
    lab.wait("return nb.cells[1].getSource() === args[0]", wrong.replace("3", "2"))
    assert lab.sources()[2] == shown


def test_a_fix_that_the_error_itself_names_is_there_without_an_answer_of_the_model(fresh: Any) -> None:
    lab = fresh
    lab.notebook("nb.cells[1].setSource(args[0])", "total = sum(xrange(4))")
    lab.run(1)
    answer = lab.press_fix()
    answer.get_by_text("mended by rule").wait_for()
    answer.get_by_text("No model was asked.").wait_for()
    answer.get_by_role("button", name="Apply").click()
    lab.wait("return nb.cells[1].getSource() === args[0]", "total = sum(range(4))")


def test_no_script_error_came_up(fresh: Any) -> None:
    assert fresh.errors == []
