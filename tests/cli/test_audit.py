"""`audit` lists what was generated, and what happened to it since."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from nbcopilot.cli import audit
from nbcopilot.types import ModelInfo, Sampling, text_hash
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
    rows = list(audit.generated(path))
    assert [(r["cell"], r["edited"], r["outdated"]) for r in rows] == [(2, False, False), (3, True, True)]

    import argparse

    assert audit.run(argparse.Namespace(paths=[path], json=True)) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["generated"] == 2
