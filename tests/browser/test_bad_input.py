"""What can go wrong in the page: each does the sensible thing with a visible sentence, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
from scripted import Scripted
from serving import eventually

pytestmark = pytest.mark.browser
HTML = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script> **bold** text'


@pytest.fixture(scope="module")
def scripted() -> Iterator[Any]:
    made = Scripted()
    yield made
    made.close()


@pytest.fixture(scope="module")
def opened(lab: Any, server: Any) -> Any:
    server.write("bad.ipynb", "x = 3", "y = 4")
    lab.open("bad.ipynb")
    return lab


@pytest.fixture
def page_lab(opened: Any, server: Any, scripted: Any) -> Iterator[Any]:
    """A notebook that is open with a kernel, and an engine that says one word after the other."""
    lab = opened
    scripted.answer, scripted.pause = "x = 1 " * 3, 0.0
    server.configure(model="fake")
    server.write("bad.ipynb", "x = 3", "y = 4")
    lab.reopen("bad.ipynb")
    yield lab
    assert lab.errors == []


def slow(server: Any, scripted: Any, words: int = 2400) -> None:
    """An engine that takes its time (minutes, or a tenth of a second a word): code, shown from the first word on."""
    scripted.answer, scripted.pause = "```python\ntext = 'words and more" + " words" * words + "'\n```", 0.1
    server.configure(model="scripted", engine=scripted.url, check=False)


def begin(lab: Any, instruction: str = "write something long") -> Any:
    """Ask, and come back when the first words are there."""
    box = lab.sidebar()
    box.get_by_role("textbox", name="Instruction").fill(instruction)
    answer = lab.begun(box.get_by_role("button", name="Generate").click)
    answer.get_by_text("words and").wait_for()
    return answer


def given_up(scripted: Any, before: int) -> None:
    """The engine has seen its client go: it does not go on for nobody."""
    assert eventually(lambda: scripted.cancelled == before + 1)


def test_stop_keeps_what_has_come_and_cancels_the_engine(page_lab: Any, server: Any, scripted: Any) -> None:
    slow(server, scripted)
    answer = begin(page_lab)
    before = scripted.cancelled
    answer.get_by_role("button", name="Stop").click()
    answer.get_by_text("Stopped").wait_for()
    assert "words and" in answer.inner_text()
    given_up(scripted, before)
    assert len(page_lab.cells()) == 2


def test_html_and_script_are_taken_out_of_what_a_model_writes(page_lab: Any, server: Any, scripted: Any) -> None:
    server.configure(model="scripted", engine=scripted.url, check=False)
    scripted.answer = HTML
    answer = page_lab.ask("Explain")
    assert "bold text" in answer.inner_text()
    assert answer.locator("img, script").count() == 0
    answer.get_by_role("button", name="Accept").click()
    page_lab.wait("return nb.cells.length === 3")
    page_lab.page.wait_for_timeout(500)
    assert page_lab.page.evaluate("() => window.hacked") is None


def test_the_notebook_is_closed_during_an_answer(page_lab: Any, server: Any, scripted: Any) -> None:
    slow(server, scripted, 12)
    answer = begin(page_lab)
    page_lab.notebook("panel.context.model.dirty = false; panel.close(); panel.dispose()")
    page_lab.finished(answer)
    answer.get_by_role("button", name="Accept").click()
    answer.get_by_text("is not open any more").wait_for()


def test_the_cell_is_deleted_during_an_answer(page_lab: Any, server: Any, scripted: Any) -> None:
    slow(server, scripted, 12)
    page_lab.select(1)
    answer = begin(page_lab)
    page_lab.notebook("nb.deleteCell(1)")
    page_lab.finished(answer)
    answer.get_by_role("button", name="Accept").click()
    answer.get_by_text("is gone").wait_for()
    assert page_lab.sources() == ["x = 3"]
    assert answer.get_by_role("button", name="Copy").is_visible()


def test_a_read_only_notebook_is_not_written(page_lab: Any) -> None:
    page_lab.notebook("panel.content.model.readOnly = true")
    answer = page_lab.ask("Generate", "write mean(values)")
    answer.get_by_role("button", name="Accept").click()
    answer.get_by_text("read-only").first.wait_for()
    assert len(page_lab.cells()) == 2


def test_no_notebook_is_open(page_lab: Any) -> None:
    page_lab.notebook("panel.context.model.dirty = false; panel.close(); panel.dispose()")
    box = page_lab.sidebar()
    box.get_by_text("No notebook is open").wait_for()
    assert box.get_by_role("button", name="Explain").is_disabled()


def test_no_kernel(page_lab: Any) -> None:
    page_lab.notebook("return panel.sessionContext.shutdown()")
    page_lab.sidebar().get_by_text("no kernel").wait_for()
    answer = page_lab.ask("Generate", "write mean(values)")
    assert "def mean" in answer.inner_text()


def test_a_dead_kernel(page_lab: Any) -> None:
    page_lab.notebook("nb.cells[0].setSource('import os; os._exit(1)')")
    page_lab.select(0)
    page_lab.notebook("window.jupyterapp.commands.execute('notebook:run-cell')")
    page_lab.page.locator(".jp-Dialog").get_by_role("button", name="Ok").click()  # JupyterLab says that it died
    answer = page_lab.ask("Generate", "write mean(values)")
    assert "def mean" in answer.inner_text()


def test_a_kernel_of_another_language(page_lab: Any, server: Any) -> None:
    kernelspec = {"name": "ir", "display_name": "R", "language": "R"}
    server.write("other.ipynb", "x <- 3", kernelspec=kernelspec, language_info={"name": "R"})
    page_lab.open("other.ipynb", kernel=False)
    page_lab.page.locator(".jp-Dialog").get_by_role("button", name="No Kernel").click()
    with page_lab.page.expect_request("**/nbcopilot/stream*") as sent:
        answer = page_lab.ask("Explain")
    assert '"language":"R"' in sent.value.post_data
    assert "R cell" in answer.inner_text() or "x" in answer.inner_text()
    page_lab.notebook("panel.context.model.dirty = false; panel.close(); panel.dispose()")


def test_the_page_is_reloaded_during_an_answer(page_lab: Any, server: Any, scripted: Any) -> None:
    slow(server, scripted)
    begin(page_lab)
    before = scripted.cancelled
    page_lab.command("docmanager:save")
    page_lab.page.reload()
    page_lab.ready()
    given_up(scripted, before)
    assert page_lab.sources() == ["x = 3", "y = 4"]


def test_the_engine_is_not_there(page_lab: Any, server: Any) -> None:
    server.configure(model="nothing", engine="http://127.0.0.1:9/v1")
    answer = page_lab.ask("Generate", "write mean(values)")
    problem = answer.get_by_role("alert").inner_text()
    assert "127.0.0.1:9" in problem
    assert "Traceback" not in problem


def test_a_wrong_setting_is_said_in_the_sidebar(page_lab: Any, server: Any) -> None:
    server.configure(modle="fake")
    box = page_lab.sidebar()
    page_lab.page.reload()
    page_lab.ready()
    box = page_lab.sidebar()
    box.get_by_text("unknown setting `modle`").first.wait_for()
    assert "model" in box.get_by_role("alert").first.inner_text()


def test_three_hundred_cells_with_ten_megabytes_of_outputs(page_lab: Any, server: Any) -> None:
    text = "a line of output that nobody reads\n" * 1000
    cells = []
    for number in range(300):
        cell = nbformat.v4.new_code_cell(f"x{number} = {number}")
        cell.outputs = [nbformat.v4.new_output("stream", text=text)]
        cells.append(cell)
    server.write("large.ipynb", *cells)
    page_lab.open("large.ipynb")
    page_lab.select(299)
    with page_lab.page.expect_request("**/nbcopilot/stream*") as sent:
        answer = page_lab.ask("Generate", "write mean(values)")
    assert "def mean" in answer.inner_text()
    assert len(sent.value.post_data) < 300_000
    answer.get_by_role("button", name="Accept").click()
    page_lab.wait("return nb.cells.length === 301")


def test_the_server_is_restarted_during_an_answer(new_server: Any, browser: Any, scripted: Any, lab: Any) -> None:
    server = new_server()
    page = type(lab)(browser.new_context().new_page(), server)
    page.page.set_default_timeout(120_000)
    server.write("gone.ipynb", "x = 3")
    page.open("gone.ipynb")
    slow(server, scripted)
    answer = begin(page)
    server.process.kill()
    answer.get_by_role("alert").wait_for()
    assert "words and" in answer.inner_text(), "what had come is gone"
    page.page.close()
