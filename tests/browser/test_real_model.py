"""The whole way of a new user on the 0.5b: a plain install, then everything in the browser, with no terminal.

Pull, generate, run, test, break, fix, document, undo. Nothing of the checkout is in that environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.model]
ROOT = Path(__file__).resolve().parents[2]
MODEL = "qwen2.5-coder-0.5b"
ANSWER_SECONDS = 240


@pytest.fixture(scope="module")
def page_lab(browser: Any, new_server: Callable[..., Any], plain_install: Any, lab: Any, tmp_path_factory: Any) -> Any:
    # The settings of a first day, and an empty store: the pull is part of the way.
    store = str(tmp_path_factory.mktemp("store"))
    environ = {"NBCOPILOT_MODEL": "auto", "NBCOPILOT_CACHE_DIR": store, "PYTHONPATH": ""}
    server = new_server(python=plain_install.python, environ=environ)
    server.write("real.ipynb", "")
    page = browser.new_context(viewport={"width": 1360, "height": 900}).new_page()
    page.set_default_timeout(120_000)
    made = type(lab)(page, server)
    made.open("real.ipynb")
    return made


def ask(lab: Any, action: str, instruction: str = "") -> Any:
    return lab.ask(action, instruction, timeout=ANSWER_SECONDS)


def outputs(lab: Any, index: int, kind: str) -> list[Any]:
    return [output for output in lab.cells()[index]["outputs"] if output["output_type"] == kind]


def kernel_says(lab: Any, code: str) -> str:
    """What `code` prints in the notebook's kernel, past its cells."""
    said: str = lab.notebook(
        """return (async () => { let text = '';
        const request = panel.sessionContext.session.kernel.requestExecute({ code: args[0], store_history: false });
        request.onIOPub = message => { text += message.content.text ?? ''; };
        await request.done; return text; })()""",
        code,
    )
    return said.strip()


def test_a_plain_install_has_both_extensions_and_nothing_of_the_checkout(plain_install: Any) -> None:
    where = plain_install.run("-c", "import nbcopilot, sys; print(nbcopilot.__file__, sys.path)")
    assert where.startswith(str(plain_install.packages))
    assert str(ROOT) not in where
    record = next(plain_install.packages.glob("nbcopilot-*.dist-info"))
    assert '"editable"' not in (record / "direct_url.json").read_text(encoding="utf-8")
    assert not [path for path in plain_install.packages.glob("*.pth") if str(ROOT) in path.read_text(encoding="utf-8")]
    assert not list(plain_install.packages.glob("*editable*"))
    assert re.search(r"nbcopilot v\S+.*enabled.*OK", plain_install.run("-m", "jupyter", "labextension", "list"))
    servers = plain_install.run("-m", "jupyter", "server", "extension", "list")
    assert re.search(r"nbcopilot\S* .*enabled", servers), servers
    assert re.search(r"nbcopilot \S+ .*OK", servers), servers


def test_from_an_empty_notebook_to_a_documented_one_and_back(page_lab: Any, plain_install: Any) -> None:
    lab = page_lab
    kernel = kernel_says(lab, "import nbcopilot, sys; print(sys.prefix, nbcopilot.__file__)").split()
    assert kernel[0] == str(plain_install.folder)
    assert kernel[1].startswith(str(plain_install.packages))
    guide = lab.sidebar().locator(".nbc-Guide")
    guide.get_by_role("radio", name=re.compile(MODEL)).check()
    guide.get_by_role("button", name="Download").click()
    bar = guide.get_by_role("progressbar")
    bar.wait_for()
    lab.page.wait_for_function("() => document.querySelector('.nbc-Progress')?.value > 1e6", timeout=300_000)
    guide.wait_for(state="detached", timeout=600_000)
    assert MODEL in lab.page.locator(".nbc-StatusItem").inner_text()

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
    answer = lab.press_fix(timeout=ANSWER_SECONDS)
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


def test_uninstalling_leaves_nothing(page_lab: Any, plain_install: Any) -> None:
    page_lab.server.stop()
    plain_install.run("-m", "pip", "uninstall", "--yes", "--quiet", "nbcopilot")
    assert [path for path in plain_install.folder.rglob("*nbcopilot*") if path != plain_install.folder] == []
    assert "nbcopilot" not in plain_install.run("-m", "jupyter", "labextension", "list")
    assert "nbcopilot" not in plain_install.run("-m", "jupyter", "server", "extension", "list")
