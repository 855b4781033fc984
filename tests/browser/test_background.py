"""Magics that answer beside the cells: back at once, in order, stopped, and what becomes of them without their page."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = pytest.mark.browser

LOAD = "%load_ext nbcopilot"


def slow(what: str, pace: float) -> str:
    """A prompt cell whose answer takes some seconds: `pace` is in tokens a second."""
    return f"%%generate --model fake:{pace:g}\nwrite {what}"


# Takes a minute: long enough for whatever a test does meanwhile, however busy the machine is.
ENDLESS = slow("is_prime(n) that tells whether a number is prime", 1.5)


@pytest.fixture
def page_lab(lab: Any, server: Any) -> Any:
    """A fresh notebook with a fresh kernel, in which the extension is loaded."""

    def make(*cells: str) -> Any:
        server.write("beside.ipynb", LOAD, *cells)
        lab.open("beside.ipynb")
        lab.notebook("return panel.sessionContext.restartKernel()")
        lab.idle()
        lab.run(0)
        return lab

    return make


def output(lab: Any, index: int) -> str:
    """All the text below a cell."""
    found = []
    for one in lab.cells()[index]["outputs"]:
        text = one["data"]["text/plain"] if "data" in one else one.get("text", one.get("evalue", ""))
        found.append(text if isinstance(text, str) else "".join(text))
    return "\n".join(found)


def shows(lab: Any, index: int, text: str) -> None:
    """Wait until `text` stands below a cell."""
    lab.wait("return JSON.stringify(nb.cells[args[0]].toJSON().outputs).includes(args[1])", index, text)


def stop_button(lab: Any) -> Any:
    return lab.page.locator(".nbc-StopButton")


def test_a_magic_is_back_at_once_and_cells_run_while_it_answers(page_lab: Any) -> None:
    lab = page_lab(slow("is_prime(n)", 4), "6 * 7")
    lab.run(1)
    assert len(lab.cells()) == 3, "the cell waited for its answer"
    stop_button(lab).wait_for()
    lab.run(2)
    assert output(lab, 2) == "42"
    lab.wait("return nb.cells.length === 4")
    assert "def is_prime(n):" in lab.sources()[2]
    shows(lab, 1, "written below (1 cell), as one undo step")
    stop_button(lab).wait_for(state="detached")
    lab.run(1)
    shows(lab, 1, "Answered below")
    lab.notebook("nb.getCell(1).setSource(nb.getCell(1).getSource().replace('%%generate', '%%generate --again'))")
    lab.run(1)
    shows(lab, 1, "in place of the earlier answer")
    assert len(lab.cells()) == 4


def test_tokens_stream_into_the_output_of_their_own_cell(page_lab: Any) -> None:
    lab = page_lab(ENDLESS, "'other'")
    lab.run(1)
    shows(lab, 1, "return n")
    lab.run(2)
    shows(lab, 2, "other")  # while the answer is still written: there is something to stop
    stop_button(lab).click()
    shows(lab, 1, "stopped")
    stop_button(lab).wait_for(state="detached")
    assert len(lab.cells()) == 3


def test_interrupt_stops_what_runs_beside_the_cells(page_lab: Any) -> None:
    lab = page_lab(ENDLESS)
    lab.run(1)
    shows(lab, 1, "return n")
    lab.command("notebook:interrupt-kernel")
    shows(lab, 1, "stopped")
    lab.notebook("nb.insertCell(2, { cell_type: 'code', source: '1 + 1' })")
    lab.run(2)
    assert output(lab, 2) == "2", "the kernel is not the same any more"


def test_two_requests_keep_their_order_and_their_places(page_lab: Any) -> None:
    lab = page_lab(slow("is_prime(n)", 3), slow("mean(values)", 20))
    lab.command("notebook:run-all-cells")  # in one go: the second is asked long before the first is answered
    shows(lab, 2, "waiting for 1 request before this one")
    assert "waiting" not in output(lab, 1)
    lab.wait("return nb.cells.length >= 4")
    assert "def is_prime" in lab.sources()[2]
    lab.wait("return nb.cells.length === 5")
    assert "def mean" in lab.sources()[4]


def test_undo_takes_back_what_is_under_way_and_then_what_was_written(page_lab: Any) -> None:
    lab = page_lab("%%generate\nwrite mean(values)", ENDLESS, "%nbcopilot undo")
    lab.run(1)
    lab.wait("return nb.cells.length === 5")
    lab.run(3)
    lab.run(4)
    assert "it is stopped, nothing was written" in output(lab, 4)
    shows(lab, 3, "stopped")
    lab.run(4)
    shows(lab, 3, "the last write is taken back: 1 cell removed")  # it has moved up with that
    assert lab.sources()[1:3] == ["%%generate\nwrite mean(values)", ENDLESS]


def test_wait_blocks_the_cell(page_lab: Any) -> None:
    lab = page_lab("%%generate --wait\nwrite is_prime(n)")
    lab.run(1)
    lab.wait("return nb.cells.length === 3")
    assert stop_button(lab).count() == 0


def test_what_goes_wrong_beside_the_cells_is_said_below_the_cell(page_lab: Any) -> None:
    lab = page_lab("%nbcopilot config engine=http://127.0.0.1:9/v1", "%%generate --model nothing\nwrite mean(values)")
    lab.run(1)
    lab.run(2)
    shows(lab, 2, "127.0.0.1:9")
    assert "Traceback" not in output(lab, 2)
    stop_button(lab).wait_for(state="detached")


def test_a_kernel_restart_during_an_answer_says_so(page_lab: Any) -> None:
    lab = page_lab(ENDLESS)
    lab.run(1)
    shows(lab, 1, "return n")
    lab.notebook("return panel.sessionContext.restartKernel()")
    shows(lab, 1, "the kernel went away before the answer was finished")
    stop_button(lab).wait_for(state="detached")
    lab.idle()


def test_a_page_that_is_reloaded_gets_the_cells_and_what_was_said(page_lab: Any) -> None:
    lab = page_lab(slow("is_prime(n)", 4))
    lab.run(1)
    stop_button(lab).wait_for()
    lab.command("docmanager:save")
    lab.page.reload()
    lab.ready()
    lab.wait("return nb.cells.length === 3")
    assert "def is_prime" in lab.sources()[2]
    shows(lab, 1, "written below (1 cell)")
    stop_button(lab).wait_for(state="detached")


def test_a_notebook_closed_during_an_answer_gets_it_when_it_is_opened_again(page_lab: Any) -> None:
    lab = page_lab(slow("is_prime(n)", 5))
    lab.run(1)
    stop_button(lab).wait_for()
    lab.command("docmanager:save")
    lab.notebook("panel.close(); panel.dispose()")
    # JupyterLab opens nothing as long as it has not let go of the closed one.
    lab.page.wait_for_function(
        """async path => { const open = window.jupyterapp.commands.execute('docmanager:open', { path });
        const panel = await open; return panel?.context?.path === path && !panel.isDisposed && !!panel.content.model }""",
        arg="beside.ipynb",
        timeout=120_000,
    )
    lab.ready()
    lab.wait("return nb && nb.cells.length === 3")
    assert "def is_prime" in lab.sources()[2]
    shows(lab, 1, "written below (1 cell)")


def test_a_cell_deleted_during_an_answer_is_said_and_nothing_is_written(page_lab: Any) -> None:
    lab = page_lab(slow("is_prime(n)", 5), "'last'")
    lab.run(1)
    stop_button(lab).wait_for()
    lab.notebook("nb.deleteCell(1)")
    lab.notebook("nb.insertCell(2, { cell_type: 'code', source: '%nbcopilot status' })")
    lab.page.wait_for_function(
        """async () => { const app = window.jupyterapp; const nb = app.shell.currentWidget.content.model.sharedModel;
        app.shell.currentWidget.content.activeCellIndex = 2;
        await app.commands.execute('notebook:run-cell');
        return /no writes in this session/.test(JSON.stringify(nb.cells[2].toJSON().outputs))
          && !/under way/.test(JSON.stringify(nb.cells[2].toJSON().outputs)); }""",
        timeout=120_000,
    )
    assert lab.sources()[:2] == [LOAD, "'last'"]


def test_no_script_error_came_up(lab: Any) -> None:
    assert [error for error in lab.errors if not re.search("Canceled", error)] == []
