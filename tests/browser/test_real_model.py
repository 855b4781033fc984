"""The whole way on the 0.5b, in the browser, with no terminal: pull, generate, run, test, break, fix, document, undo."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.model]
MODEL = "qwen2.5-coder-0.5b"
ANSWER_SECONDS = 240


@pytest.fixture(scope="module")
def page_lab(browser: Any, new_server: Callable[..., Any], lab: Any, tmp_path_factory: Any) -> Any:
    # An empty store: the pull is part of the way.
    store = str(tmp_path_factory.mktemp("store"))
    server = new_server(environ={"NBCOPILOT_MODEL": MODEL, "NBCOPILOT_CACHE_DIR": store})
    server.write("real.ipynb", "")
    page = browser.new_context(viewport={"width": 1360, "height": 900}).new_page()
    page.set_default_timeout(60000)
    made = type(lab)(page, server)
    made.open("real.ipynb")
    return made


def ask(lab: Any, action: str, instruction: str = "") -> Any:
    box = lab.sidebar()
    if instruction:
        box.get_by_role("textbox", name="Instruction").fill(instruction)
    box.get_by_role("button", name=re.compile(f"^{action}")).first.click()
    answer = box.locator(".nbc-Answer").first
    lab.finished(answer, timeout=ANSWER_SECONDS)
    return answer


def outputs(lab: Any, index: int, kind: str) -> list[Any]:
    return [output for output in lab.cells()[index]["outputs"] if output["output_type"] == kind]


def test_from_an_empty_notebook_to_a_documented_one_and_back(page_lab: Any) -> None:
    lab = page_lab
    guide = lab.sidebar().locator(".nbc-Guide")
    guide.get_by_role("radio", name=re.compile(MODEL)).check()
    guide.get_by_role("button", name="Download").click()
    bar = guide.get_by_role("progressbar")
    bar.wait_for()
    lab.page.wait_for_function("() => document.querySelector('.nbc-Progress')?.value > 1e6", timeout=300_000)
    guide.wait_for(state="detached", timeout=600_000)

    lab.select(0)
    answer = ask(lab, "Generate", "write a function is_even(n) that returns True when the integer n is even")
    answer.get_by_role("button", name="Accept").click()
    lab.wait("return nb.cells.length === 2")
    assert "def is_even(n" in lab.sources()[1]
    lab.run(1)
    assert outputs(lab, 1, "error") == []

    lab.select(1)
    answer = ask(lab, "Test")
    answer.get_by_role("button", name="Accept").click()
    lab.wait("return nb.cells.length === 3")
    assert "is_even" in lab.sources()[2]
    lab.run(2)
    assert outputs(lab, 2, "error") == []

    lab.notebook("nb.insertCell(3, { cell_type: 'code', source: 'print(is_evn(4))' })")
    lab.run(3)
    assert outputs(lab, 3, "error")[0]["ename"] == "NameError"
    lab.page.locator(".nbc-FixButton").click()
    answer = lab.sidebar().locator(".nbc-Answer").first
    lab.finished(answer, timeout=ANSWER_SECONDS)
    answer.get_by_role("button", name="Apply").click()
    lab.wait("return nb.cells[3].getSource().includes('is_even')")
    lab.run(3)
    assert outputs(lab, 3, "error") == []

    answer = ask(lab, "Document notebook")
    accept = answer.get_by_role("button", name=re.compile("^Accept")).first
    before = len(lab.cells())
    accept.click()
    lab.wait("return nb.cells.length > args[0]", before)
    assert [cell for cell in lab.cells() if cell["cell_type"] == "markdown"]

    for _ in range(12):
        if lab.sources() == [""]:
            break
        lab.command("notebook:undo-cell-action")
    assert lab.sources() == [""]
    assert lab.errors == []
