"""The widget panel in a browser: a thread asks, cells go on running, its cell goes below it."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_lab(lab: Any, server: Any) -> Any:
    server.write("panel.ipynb", "import nbcopilot\nnbcopilot.panel()", "x = 1")
    lab.open("panel.ipynb")
    lab.run(0)
    lab.page.locator(".nbc-panel-instruction textarea").wait_for()
    return lab


def test_generate_streams_and_insert_writes_below_the_panel(page_lab: Any) -> None:
    lab = page_lab
    lab.page.locator(".nbc-panel-instruction textarea").fill("write is_prime(n)")
    lab.page.locator(".jp-OutputArea").get_by_role("button", name="Generate").click()
    insert = lab.page.locator(".jp-OutputArea").get_by_role("button", name="Insert")
    insert.wait_for()
    assert "def is_prime(n):" in lab.page.locator(".jp-OutputArea").first.inner_text()
    insert.click()
    lab.wait("return nb.cells.length === 3")
    assert "def is_prime(n):" in lab.sources()[1]
    assert lab.cells()[1]["metadata"]["nbcopilot"]["role"] == "code"


def test_cells_run_while_it_answers_and_stop_ends_it(page_lab: Any, server: Any) -> None:
    lab = page_lab
    lab.notebook("nb.cells[0].setSource(\"panel = nbcopilot.panel(model='fake:2')\\npanel\")")
    lab.run(0)
    area = lab.page.locator(".jp-OutputArea").first
    area.locator(".nbc-panel-instruction textarea").fill("write is_prime(n)")
    area.get_by_role("button", name="Generate").click()
    area.get_by_text("return n").wait_for()
    lab.notebook("nb.cells[2].setSource('6 * 7')")
    lab.run(2)
    assert lab.cells()[2]["outputs"][0]["data"]["text/plain"] == "42"
    area.get_by_role("button", name="Stop").click()
    area.get_by_text("stopped").wait_for()
    assert lab.errors == []
