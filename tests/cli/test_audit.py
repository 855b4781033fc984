"""`audit` lists what was generated, and what happened to it since."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from nbcopilot.batch.tasks import generated
from nbcopilot.cli.main import main
from nbcopilot.hashing import text_hash
from nbcopilot.inference import ModelInfo, Sampling
from nbcopilot.notebook import document
from nbcopilot.write.provenance import Provenance, cell_metadata

MODEL = Provenance(ModelInfo("tiny", "ab"), Sampling(), "sha256:0", "g", "2026-11-22T00:00:00Z", "0.1.0")


def test_audit_tells_edited_and_outdated_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def written(source: str, now: str, about: str) -> nbformat.NotebookNode:
        record = cell_metadata("code", MODEL, None, "a", source_hash=text_hash(about), cell_hash=text_hash(source))
        return nbformat.v4.new_code_cell(now, metadata=record)

    cells = [
        nbformat.v4.new_code_cell("x = 1", id="a"),
        written("y = 1", "y = 1", "x = 1"),
        written("y = 1", "y = 2", "x = 0"),
    ]
    path = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    rows = list(generated(document.read(path)))
    assert [(r["cell"], r["edited"], r["outdated"]) for r in rows] == [(2, False, False), (3, True, True)]

    assert main(["audit", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["notebooks"], found["generated"], [cell["cell"] for cell in found["cells"]]) == (1, 2, [2, 3])


def test_one_notebook_that_cannot_be_read_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.ipynb").write_text("not json")
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "good.ipynb")
    assert main(["audit", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "is not JSON" in captured.err and "0 generated cells in 2 notebooks" in captured.out


@pytest.mark.parametrize("command", ["audit", "replay", "strip", "check"])
def test_metadata_of_any_type_is_listed_and_is_no_fault_of_ours(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"strip": ["strip", "--dry-run"], "check": ["document", "--check"], "replay": ["replay", "--model", "fake"]}
    good = dict(cell_metadata("code", MODEL, None, "a", answer_sha256="sha256:0")["nbcopilot"])
    cells = []
    for key in (*good, "sampling", "drawn", "names"):
        for wrong in ([1], 5, "x", {"a": 1}, None, True, [["a"]], {"id": [1], "tests": {"passed": [1]}}):
            cells.append(nbformat.v4.new_code_cell("x = 1", metadata={"nbcopilot": {**good, key: wrong}}))
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(nbformat.v4.new_notebook(cells=cells)))
    assert main([*words.get(command, [command]), str(path)]) in (0, 1, 3)
    said = "".join(capsys.readouterr())
    assert "please report it" not in said and "Traceback" not in said, said[-500:]
