"""Files that are paired with a notebook follow it, or it is said which ones have to."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from nbcopilot.cli.main import main
from nbcopilot.write.pairing import follow

FAKE = ["--model", "fake", "--engine", "in-process"]
LOOP = "totals = []\nfor row in range(3):\n    totals.append(row)\nprint(totals)"


def paired(folder: Path, formats: str = "ipynb,py:percent") -> Path:
    cells = [
        {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "# Title\n\nSome words about it."},
        {"cell_type": "markdown", "id": "h", "metadata": {}, "source": "## Part"},
        {
            "cell_type": "code",
            "id": "c",
            "metadata": {},
            "source": LOOP.splitlines(True),
            "execution_count": None,
            "outputs": [],
        },
    ]
    metadata: dict[str, Any] = {
        "jupytext": {"formats": formats},
        "kernelspec": {"name": "python3", "display_name": "P"},
    }
    path = folder / "paired.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    jupytext = pytest.importorskip("jupytext")
    path = paired(tmp_path)
    jupytext.write(jupytext.read(path), tmp_path / "paired.py", fmt="py:percent")
    return tmp_path / "paired.py"


def test_the_text_file_follows_what_is_written(beside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import jupytext

    notebook = beside.with_suffix(".ipynb")
    assert main(["document", str(notebook), "--in-place", *FAKE]) == 0
    assert "nbcopilot · fake" in beside.read_text(encoding="utf-8")
    assert "was brought in step" in capsys.readouterr().err
    assert beside.stat().st_mtime >= notebook.stat().st_mtime
    manager = jupytext.TextFileContentsManager(root_dir=str(beside.parent))
    assert manager.get("paired.ipynb")["type"] == "notebook"
    assert main(["strip", str(notebook), "--in-place"]) == 0
    assert "nbcopilot ·" not in beside.read_text(encoding="utf-8")


def test_a_text_file_with_changes_of_its_own_is_left_and_said(beside: Path) -> None:
    notebook = beside.with_suffix(".ipynb")
    before = notebook.read_bytes()
    mine = beside.read_text(encoding="utf-8").replace("range(3)", "range(4)")
    beside.write_text(mine, encoding="utf-8")
    assert "has changes that paired.ipynb lacks" in follow(notebook, before)
    assert beside.read_text(encoding="utf-8") == mine


def test_without_jupytext_it_is_said_what_has_to_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = paired(tmp_path, "notebooks//ipynb,scripts//py:percent")
    real = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name.startswith("jupytext"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    said = follow(path, path.read_bytes())
    assert said == "paired with scripts/paired.py: jupytext --sync paired.ipynb brings them in step"


def test_formats_of_a_whole_folder_count_too(beside: Path) -> None:
    notebook = beside.with_suffix(".ipynb")
    node = json.loads(notebook.read_text())
    del node["metadata"]["jupytext"]
    notebook.write_text(json.dumps(node))
    assert follow(notebook, notebook.read_bytes()) == ""
    (beside.parent / "jupytext.toml").write_text('formats = "ipynb,py:percent"')
    assert "was brought in step" in follow(notebook, notebook.read_bytes())


def test_a_notebook_that_stands_alone_has_nothing_to_follow(tmp_path: Path) -> None:
    path = paired(tmp_path, "ipynb")
    assert follow(path, path.read_bytes()) == ""
