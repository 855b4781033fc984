"""The main job on the real 0.5b: all three magics in a real kernel, and the same notebook unattended."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from driver import FrontEnd, text_of

MODEL = "qwen2.5-coder-0.5b"
CELLS = (
    "%load_ext nbcopilot",
    "scores = {'ann': [3, 5], 'bob': [4]}",
    "%%generate --max-tokens 200\nWrite a function mean_score(scores) that returns a dict mapping each name to the mean of its list.",
    "%%explain --max-tokens 120\ndef clamp(x, low, high):\n    return max(low, min(x, high))",
    "%%testgen --max-tokens 300\ndef clamp(x, low, high):\n    return max(low, min(x, high))",
)

pytestmark = [pytest.mark.model, pytest.mark.kernel]


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The user's environment with a resident engine of the tests' own, stopped at the end."""
    from nbcopilot.models.store import Store

    Store().pull(MODEL)
    run = tmp_path_factory.mktemp("run")
    run.chmod(0o700)
    # Without a time limit: how many answers fit into it says how busy the machine is, not whether the magics work.
    env = {**os.environ, "NBCOPILOT_MODEL": MODEL, "NBCOPILOT_RUNTIME_DIR": str(run), "NBCOPILOT_ANSWER_SECONDS": "0"}
    yield env
    subprocess.run([sys.executable, "-m", "nbcopilot", "stop"], env=env, check=False, capture_output=True)


def notebook() -> nbformat.NotebookNode:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return made


def errors(nb: nbformat.NotebookNode) -> list[str]:
    return [text_of(c) for c in nb.cells if c.cell_type == "code" and any(o.output_type == "error" for o in c.outputs)]


@pytest.mark.parametrize("comm", [False, True], ids=["payload", "comm"])
def test_three_magics_write_their_cells(environ: dict[str, str], tmp_path: Path, comm: bool) -> None:
    with FrontEnd(notebook(), comm=comm, cwd=tmp_path, env=environ) as front:
        front.run_all()
        assert errors(front.nb) == []
        user = [cell.source for cell in front.nb.cells if cell.source in CELLS]
        assert user == list(CELLS)
        made = [cell for cell in front.nb.cells if cell.source not in CELLS]
        assert len(made) == 3, [text_of(cell) for cell in front.nb.cells if cell.source in CELLS]
        code, explained, tests = made
        assert "def mean_score" in code.source and code.source.startswith("# nbcopilot")
        ast.parse(code.source)
        assert "clamp" in explained.source and "nbcopilot" in explained.source
        assert "def test_" in tests.source and tests.source.startswith("# nbcopilot")
        ast.parse(tests.source)
        if comm:
            roles = [cell.metadata.nbcopilot.role for cell in made]
            assert roles == ["code", "explanation", "tests"]
            assert explained.cell_type == "markdown"
            assert code.metadata.nbcopilot.model.id == MODEL and "trusted" not in code.metadata
        nbformat.validate(front.nb)


def test_same_notebook_runs_unattended_under_jupyter_execute(environ: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "unattended.ipynb"
    nbformat.write(notebook(), path)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("jupyter")), "execute", "--inplace", str(path)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert errors(nbformat.read(path, 4)) == []


def test_same_notebook_runs_unattended_under_papermill(environ: dict[str, str], tmp_path: Path) -> None:
    path, out = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    nbformat.write(notebook(), path)
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "--no-progress-bar", str(path), str(out)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert errors(nbformat.read(out, 4)) == []
