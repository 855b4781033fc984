"""axe-core finds no serious violation in the sidebar and the panel, in light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
AXE = Path(__file__).resolve().parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def page_lab(lab: Any, server: Any, needed: Any) -> Any:
    needed(AXE.is_file(), "axe-core is not installed (npm ci in labextension/)")
    server.write("axe.ipynb", "import nbcopilot\nnbcopilot.panel()", "def area(r):\n    return r * r", "1 / 0")
    lab.open("axe.ipynb")
    for index in range(3):
        lab.run(index)
    lab.page.add_script_tag(path=str(AXE))
    return lab


def violations(lab: Any, selector: str) -> list[str]:
    found = lab.page.evaluate(
        """selector => axe.run(selector, { resultTypes: ['violations'] }).then(result => result.violations
            .filter(v => v.impact === 'serious' || v.impact === 'critical')
            .map(v => `${v.id}: ${v.nodes.map(n => n.html + ' ' + (n.any[0]?.message ?? '')).join(' | ')}`))""",
        selector,
    )
    return [str(item)[:400] for item in found]


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_no_serious_violation(page_lab: Any, theme: str) -> None:
    lab = page_lab
    lab.command("apputils:change-theme", theme=theme)
    lab.page.wait_for_function(
        """dark => { const rgb = getComputedStyle(document.querySelector('.jp-NotebookPanel')).backgroundColor.match(/\\d+/g);
        return rgb && (Number(rgb[0]) < 128) === dark }""",
        arg="Dark" in theme,
    )
    lab.page.wait_for_function("() => document.getAnimations().every(a => a.playState !== 'running')")
    lab.select(1)
    box = lab.sidebar()
    box.get_by_role("combobox", name="Answers").select_option("2")
    lab.ask("Generate", "write mean(values)").get_by_role("button", name="Accept").click()
    box.get_by_role("combobox", name="Answers").select_option("1")
    lab.select(1)
    answer = lab.ask("Explain")
    answer.get_by_text("What was sent").click()
    lab.press_fix()
    assert violations(lab, "#nbcopilot-sidebar") == []
    assert violations(lab, ".nbc-FixButton") == []
    assert violations(lab, ".nbc-StatusItem") == []


def test_no_serious_violation_while_it_answers(page_lab: Any) -> None:
    lab = page_lab
    lab.notebook("nb.cells[2].setSource('%load_ext nbcopilot\\n%generate --model fake:0.4 write is_prime(n)')")
    lab.run(2)
    lab.page.locator(".nbc-StopButton").wait_for()
    lab.server.configure(model="fake:0.4")
    try:
        lab.sidebar().get_by_role("textbox", name="Instruction").fill("write is_prime(n)")
        lab.sidebar().get_by_role("button", name="Generate").click()
        stop = lab.sidebar().get_by_role("button", name="Stop")
        stop.wait_for()
        assert violations(lab, "#nbcopilot-sidebar") == []
        assert violations(lab, ".nbc-StopButton") == []
        stop.click()
    finally:
        lab.server.configure(model="fake")
    lab.page.locator(".nbc-StopButton").click()
    lab.page.locator(".nbc-StopButton").wait_for(state="detached")


def test_no_serious_violation_in_the_panel(page_lab: Any) -> None:
    assert violations(page_lab, ".nbc-panel") == []


def test_every_control_is_reached_by_tab(page_lab: Any) -> None:
    lab = page_lab
    lab.sidebar().get_by_role("textbox", name="Instruction").focus()
    names = set()
    for _ in range(40):
        lab.page.keyboard.press("Tab")
        name = lab.page.evaluate(
            "() => document.activeElement.closest('#nbcopilot-sidebar') && (document.activeElement.tagName === 'BUTTON' ? document.activeElement.innerText : document.activeElement.tagName)"
        )
        if name is None:
            break
        names.add(name.strip())
    assert {"Explain", "Test", "Fix", "Document notebook", "SELECT"} <= names
