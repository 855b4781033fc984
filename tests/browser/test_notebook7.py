"""Notebook 7: cells from the kernel, the sidebar and ghost text work there too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_lab(browser: Any, new_server: Callable[..., Any], lab: Any) -> Any:
    server = new_server(app="notebook")
    server.write("seven.ipynb", "%load_ext nbcopilot", "%%generate\nwrite is_prime(n)", "")
    page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
    page.set_default_timeout(120_000)
    made = type(lab)(page, server, classic=True)
    made.open("seven.ipynb")
    made.errors.clear()  # its own shortcuts plugin fails once while it loads, with and without us (Notebook 7.6.5)
    return made


def test_a_magic_inserts_a_cell_with_metadata(page_lab: Any) -> None:
    lab = page_lab
    lab.run(0)
    lab.run(1)
    lab.wait("return nb.cells.length === 4")
    assert lab.cells()[2]["metadata"]["nbcopilot"]["role"] == "code"
    lab.command("notebook:undo-cell-action")
    assert len(lab.cells()) == 3


def test_the_sidebar_generates_and_writes(page_lab: Any) -> None:
    lab = page_lab
    lab.select(1)
    answer = lab.ask("Generate", "write mean(values)")
    answer.get_by_role("button", name="Accept").click()
    lab.wait("return nb.cells.length === 4")
    assert "def mean(values):" in lab.sources()[2]


def test_ghost_text_appears(page_lab: Any) -> None:
    lab = page_lab
    lab.select(len(lab.cells()) - 1)
    lab.notebook("panel.content.mode = 'edit'; panel.content.activeCell.editor.focus()")
    lab.suggested("total = ").wait_for()
    # Notebook's own reader of shortcuts may fail while any plugin's settings load; nothing of ours may.
    assert [error for error in lab.errors if "nbcopilot" in error] == []
