"""Run All is safe: what is answered is not asked again, whatever runs the notebook, and nothing of the user's is replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from driver import FrontEnd, text_of
from nbclient import NotebookClient

pytestmark = pytest.mark.kernel

REQUEST = "%%generate\na function add_up that adds two numbers"
ENVIRONMENT = {"NBCOPILOT_MODEL": "fake", "NBCOPILOT_CHECK_SECONDS": "60", "NBCOPILOT_CHECK_TOTAL_SECONDS": "300"}
# In place of a model: a run that asks it fails.
NO_MODEL = {"NBCOPILOT_MODEL": "/no/such/model.gguf", "NBCOPILOT_ENGINE": "in-process"}
RUNNERS = {
    "execute": ["-m", "jupyter", "execute", "--inplace", "asked.ipynb"],
    "nbconvert": ["-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", "asked.ipynb"],
    "papermill": ["-m", "papermill", "asked.ipynb", "asked.ipynb", "-p", "factor", "3"],
}


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A notebook whose request was answered through a page, with an answer that has run."""
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": spec})
    env = {**os.environ, **ENVIRONMENT}
    with FrontEnd(notebook, comm=True, cwd=tmp_path_factory.mktemp("made"), env=env) as front:
        front.run("%load_ext nbcopilot")
        front.run(REQUEST)
        front.execute(2)
        assert "nbcopilot" in front.nb.cells[2].metadata, text_of(front.nb.cells[1])
        yield front.nb


def copy_of(notebook: Any, folder: Path) -> Path:
    path = folder / "asked.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.mark.parametrize("runner", sorted(RUNNERS))
def test_an_answered_request_asks_no_model(answered: Any, tmp_path: Path, runner: str) -> None:
    if runner == "papermill":
        pytest.importorskip("papermill")
    path = copy_of(answered, tmp_path)
    env = {**os.environ, **ENVIRONMENT, **NO_MODEL}
    done = subprocess.run([sys.executable, *RUNNERS[runner]], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    after = nbformat.read(path, 4)
    at = next(i for i, cell in enumerate(after.cells) if cell.source == REQUEST)
    assert text_of(after.cells[at]).startswith("Answered below (`--again` asks anew)")
    assert after.cells[at + 1].source == answered.cells[2].source


@pytest.mark.parametrize("where", ["beside", "elsewhere"])
def test_a_notebook_that_a_program_runs_is_found_in_its_folder(answered: Any, tmp_path: Path, where: str) -> None:
    path = copy_of(answered, tmp_path)
    (tmp_path / "other.ipynb").write_text("no notebook", encoding="utf-8")
    folder = tmp_path if where == "beside" else tmp_path / "empty"
    folder.mkdir(exist_ok=True)
    notebook = nbformat.read(path, 4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute(env={**os.environ, **ENVIRONMENT})
    shown = text_of(notebook.cells[1])
    assert ("Answered below" in shown) == (where == "beside"), shown
    assert "offered as the next cell" in shown or where == "beside", shown


def test_an_edited_answer_is_kept_and_said_to_be(answered: Any, tmp_path: Path) -> None:
    notebook = nbformat.from_dict(answered)
    notebook.cells[2].source += "\nmine = 1"
    path = copy_of(notebook, tmp_path)
    run = nbformat.read(path, 4)
    NotebookClient(run, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute(
        env={**os.environ, **ENVIRONMENT, **NO_MODEL}
    )
    assert "edited since: your text is kept" in text_of(run.cells[1])
    notebook.cells[2].source = notebook.cells[2].source.removesuffix("\nmine = 1")


@pytest.mark.parametrize("change", ["instruction", "deleted"])
def test_another_request_or_a_lost_answer_is_asked(answered: Any, tmp_path: Path, change: str) -> None:
    path = copy_of(answered, tmp_path)
    notebook = nbformat.read(path, 4)
    if change == "instruction":
        notebook.cells[1].source = REQUEST.replace("two", "three")
    else:
        del notebook.cells[2]
    nbformat.write(notebook, path)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute(
        env={**os.environ, **ENVIRONMENT}
    )
    assert "offered as the next cell" in text_of(notebook.cells[1])


def test_run_all_in_a_page_replaces_nothing(tmp_path: Path) -> None:
    with FrontEnd(nbformat.v4.new_notebook(), comm=True, cwd=tmp_path, env={**os.environ, **ENVIRONMENT}) as front:
        front.run("%load_ext nbcopilot")
        front.run(REQUEST)
        record = front.nb.cells[2].metadata
        front.run_all()
        assert text_of(front.nb.cells[1]).startswith("Answered below")
        assert front.nb.cells[2].metadata == record and len(front.nb.cells) == 3
        front.nb.cells[2].source += "\nmine = 1"
        assert "edited since" in text_of(front.execute(1))
        front.nb.cells[1].source = REQUEST.replace("%%generate", "%%generate --again")
        shown = text_of(front.execute(1))
        assert "-mine = 1" in shown and front.nb.cells[2].source.endswith("mine = 1"), shown
        front.run("%nbcopilot accept")
        assert not front.nb.cells[2].source.endswith("mine = 1")


def test_code_that_the_checks_reject_is_shown_and_not_written(tmp_path: Path) -> None:
    with FrontEnd(nbformat.v4.new_notebook(), comm=True, cwd=tmp_path, env={**os.environ, **ENVIRONMENT}) as front:
        front.run("%load_ext nbcopilot")
        front.run("import nbcopilot.session\nfrom nbcopilot.engine.fake import FakeEngine")
        front.run(
            "current = nbcopilot.session.current()\ncurrent.engine = lambda config=None: FakeEngine(['```python\\n1 / 0\\n```'] * 99)"
        )
        shown = text_of(front.run("%%generate\ndivide one by zero"))
        assert "Not written" in shown and "1 / 0" in shown, shown
        assert "nbcopilot" not in front.nb.cells[-1].metadata
        front.run("%nbcopilot accept")
        assert "1 / 0" in "".join(cell.source for cell in front.nb.cells if "nbcopilot" in cell.metadata)
