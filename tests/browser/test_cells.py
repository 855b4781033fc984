"""Cells from the kernel: typed, below the cell that ran, one undo step, in the one tab that ran it."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.browser

LOAD = "%load_ext nbcopilot"
PRIMES = "%%generate\nwrite is_prime(n) that tells whether a number is prime"
# What any program in a kernel may do with the comm route: several typed cells at once.
SEND = """
import uuid
from nbcopilot.hashing import text_hash
from nbcopilot.types import CellEdit, NewCell
from nbcopilot.write import comm
link, shell, answers = comm.connect(get_ipython()), get_ipython(), []

def send(*cells, group=None, after="here", **more):
    group = group or str(uuid.uuid4())
    here = comm.running_cell(shell)
    made = tuple(
        NewCell(kind, source, {"trusted": True, "nbcopilot": {
            "schema": 1, "role": "code", "group": group, "source_cell": here, "cell_hash": text_hash(source)}})
        for kind, source in cells)
    link.send(CellEdit(group, made, after=here if after == "here" else after, **more), answers.append)
"""

# Prints what the front end said of the edit `mine`; what it said of earlier edits may still be under way.
TOLD = """
import asyncio
for _ in range(1200):
    said = [answer for answer in answers if answer.group == mine]
    if said: break
    await asyncio.sleep(.05)
print(said[-1])
"""


@pytest.fixture(scope="module")
def page_lab(lab: Any, server: Any) -> Any:
    server.write("cells.ipynb", SEND, "1", "2")
    lab.open("cells.ipynb")
    lab.run(0)
    return lab


@pytest.fixture
def fresh(page_lab: Any) -> Any:
    page_lab.notebook(
        """nb.transact(() => { nb.deleteCellRange(1, nb.cells.length);
        nb.insertCells(1, [{cell_type: 'code', source: '1'}, {cell_type: 'code', source: '2'}]); })"""
    )
    return page_lab


def put(lab: Any, index: int, source: str) -> None:
    lab.notebook("nb.cells[args[0]].setSource(args[1])", index, source)


def test_several_typed_cells_go_below_the_cell_that_ran_in_one_undo_step(fresh: Any) -> None:
    lab = fresh
    put(lab, 1, "send(('markdown', '# Title'), ('code', 'a = 1'), ('code', 'b = 2'))")
    lab.run(1)
    lab.wait("return nb.cells.length === 6")
    cells = lab.cells()
    assert [cell["source"] for cell in cells[2:]] == ["# Title", "a = 1", "b = 2", "2"]
    assert [cell["cell_type"] for cell in cells[2:5]] == ["markdown", "code", "code"]
    assert all("trusted" not in cell["metadata"] or not cell["metadata"]["trusted"] for cell in cells[2:5])
    assert cells[3]["metadata"]["nbcopilot"]["role"] == "code"
    assert lab.notebook("return panel.content.widgets[2].rendered") is True
    lab.command("notebook:undo-cell-action")
    assert len(lab.cells()) == 3
    lab.command("notebook:redo-cell-action")
    assert lab.sources()[2:5] == ["# Title", "a = 1", "b = 2"]


def test_the_kernel_is_told(fresh: Any) -> None:
    lab = fresh
    put(lab, 1, "mine = str(uuid.uuid4())\nsend(('code', 'told'), group=mine)")
    lab.run(1)
    lab.wait("return nb.cells.length === 4")
    put(lab, 3, TOLD)
    lab.run(3)
    text = "".join(lab.cells()[3]["outputs"][0]["text"])
    assert text.startswith("Applied(")
    assert lab.cells()[2]["id"] in text


def test_run_all_inserts_in_order_and_loses_no_output(fresh: Any) -> None:
    lab = fresh
    put(lab, 1, "send(('code', 'first'), ('code', 'second'))\nprint('kept')")
    lab.command("notebook:run-all-cells")
    lab.wait("return nb.cells.length === 5")
    lab.idle()
    lab.wait("return nb.cells[4].outputs.length === 1")
    assert lab.sources()[2:] == ["first", "second", "2"]
    assert lab.cells()[1]["outputs"][0]["text"] in ("kept\n", ["kept\n"])


def test_from_a_thread(fresh: Any) -> None:
    lab = fresh
    put(lab, 1, "import threading, time\nhere = comm.running_cell(shell)\n"
        "threading.Thread(target=lambda: (time.sleep(.5), send(('code', 'late'), after=here))).start()")  # fmt: skip
    lab.run(1)
    lab.wait("return nb.cells.length === 4")
    assert lab.sources()[2] == "late"


def test_an_unreadable_message_changes_nothing(fresh: Any) -> None:
    lab = fresh
    put(
        lab,
        1,
        "from comm import create_comm\nc = create_comm(target_name='nbcopilot:cells', data={'schema': 9, 'type': 'edit'})",
    )
    lab.run(1)
    assert len(lab.cells()) == 3
    assert lab.errors == []


def test_a_second_tab_on_the_same_kernel_inserts_nothing(fresh: Any, server: Any) -> None:
    lab = fresh
    put(lab, 1, "send(('code', 'once'))")
    lab.command("docmanager:save")
    other = type(lab)(lab.page.context.new_page(), server)
    try:
        other.open("cells.ipynb", workspace="second")
        before = len(other.cells())
        lab.run(1)
        lab.wait("return nb.cells.length === 4")
        assert len(other.cells()) == before
        assert other.errors == []
    finally:
        other.page.close()


def test_magics_run_again_ask_nothing_and_keep_their_cell(page_lab: Any, server: Any) -> None:
    lab = page_lab
    server.write("magic.ipynb", LOAD, PRIMES, "'below'")
    lab.open("magic.ipynb")
    lab.command("notebook:run-all-cells")  # in one go: the page has had no time to say that it is there
    lab.wait("return nb.cells.length === 4")
    lab.idle()
    first = lab.cells()[2]
    assert "def is_prime(n):" in first["source"]
    assert first["metadata"]["nbcopilot"]["source_cell"] == lab.cells()[1]["id"]
    lab.command("notebook:run-all-cells")
    lab.wait("return JSON.stringify(nb.cells[1].getOutputs()).includes('Answered below')")
    assert lab.cells()[2]["metadata"]["nbcopilot"] == first["metadata"]["nbcopilot"] and len(lab.cells()) == 4
    put(lab, 1, PRIMES.replace("%%generate", "%%generate --again"))
    lab.run(1)
    lab.wait("return nb.cells[2].getMetadata().nbcopilot.group !== args[0]", first["metadata"]["nbcopilot"]["group"])
    assert len(lab.cells()) == 4
    assert lab.cells()[2]["id"] == first["id"]


def test_an_edited_cell_is_kept_without_a_dialog_and_the_difference_is_shown(page_lab: Any) -> None:
    lab = page_lab  # magic.ipynb of the test above
    put(lab, 2, "mine = True")
    lab.run(1)
    lab.wait("return JSON.stringify(nb.cells[1].getOutputs()).includes('-mine = True')")
    assert lab.sources()[2] == "mine = True"
    assert lab.page.locator(".jp-Dialog").count() == 0
    put(lab, 1, PRIMES)
    lab.run(1)
    lab.wait("return JSON.stringify(nb.cells[1].getOutputs()).includes('edited since')")
    assert lab.sources()[2] == "mine = True"
    lab.notebook("nb.deleteCell(2)")
    lab.run(1)
    lab.wait("return nb.cells.length === 4 && nb.cells[2].getSource().includes('is_prime')")


def test_it_works_after_a_restart_of_the_kernel_and_a_reload_of_the_page(page_lab: Any) -> None:
    lab = page_lab
    lab.notebook("return panel.sessionContext.restartKernel()")
    lab.idle()
    lab.run(0)
    lab.notebook("nb.deleteCell(2)")
    lab.run(1)
    lab.wait("return nb.cells.length === 4")
    lab.command("docmanager:save")
    lab.page.reload()
    lab.ready()
    lab.notebook("nb.deleteCell(2)")
    lab.run(1)
    lab.wait("return nb.cells.length === 4")
    assert json.dumps(lab.cells()[2]["metadata"]).count("nbcopilot") >= 1
