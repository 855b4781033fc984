"""Small builders for the tests of write/ and batch/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nbcopilot.inference import ModelInfo, Sampling
from nbcopilot.notebook import document
from nbcopilot.notebook.document import NotebookFile
from nbcopilot.types import Candidate, Cell, CellKind, Notebook, Target, Task, TaskKind
from nbcopilot.verdict import Evidence, Verdict
from nbcopilot.write.provenance import Provenance

# The notebooks of real repositories beside the checkout, see their README.
COLLECTION = Path(__file__).resolve().parents[2] / "shared" / "evals" / "notebooks"


def code(
    source: str, cell_id: str | None = None, *, outputs: list[Any] | None = None, **metadata: Any
) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "outputs": outputs or [],
    }
    return _with_id(cell, source, cell_id)


def markdown(source: str, cell_id: str | None = None, **metadata: Any) -> dict[str, Any]:
    return _with_id({"cell_type": "markdown", "metadata": metadata}, source, cell_id)


def stream(text: str) -> dict[str, Any]:
    return {"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}


def _with_id(cell: dict[str, Any], source: str, cell_id: str | None) -> dict[str, Any]:
    cell["source"] = source.splitlines(keepends=True)
    if cell_id is not None:
        cell["id"] = cell_id
    return cell


def node(*cells: dict[str, Any], minor: int = 5, language: str = "python") -> dict[str, Any]:
    """A notebook as nbformat has it; cells without an id get one where the format wants it."""
    for index, cell in enumerate(cells):
        if minor >= 5:
            cell.setdefault("id", f"cell-{index}")
        else:
            cell.pop("id", None)
    kernel = {"display_name": language, "language": language, "name": language}
    return {
        "cells": list(cells),
        "metadata": {"kernelspec": kernel, "language_info": {"name": language}},
        "nbformat": 4,
        "nbformat_minor": minor,
    }


def raw(*cells: dict[str, Any], minor: int = 5, language: str = "python") -> bytes:
    """The bytes as nbformat and JupyterLab write them."""
    body = json.dumps(node(*cells, minor=minor, language=language), indent=1, sort_keys=True, ensure_ascii=False)
    return (body + "\n").encode()


def file(*cells: dict[str, Any], minor: int = 5, language: str = "python") -> NotebookFile:
    return document.loads(raw(*cells, minor=minor, language=language))


def sources(data: bytes) -> list[tuple[str, str]]:
    return [(c["cell_type"], document.source_text(c)) for c in document.loads(data).cells]


def provenance(model: str = "qwen2.5-coder-0.5b", group: str = "11111111-1111-4111-8111-111111111111") -> Provenance:
    return Provenance(
        model=ModelInfo(id=model, sha256="ab" * 32, engine="local"),
        sampling=Sampling(temperature=0.0, seed=0),
        prompt_sha256="sha256:" + "0" * 64,
        group=group,
        created="2026-11-21T23:00:00Z",
        version="0.1.0",
    )


def notebook(*cells: tuple[str, CellKind, str], **more: Any) -> Notebook:
    return Notebook(tuple(Cell(cell_id, kind, source) for cell_id, kind, source in cells), **more)


def task(kind: TaskKind = "generate", instruction: str = "do it", **target: Any) -> Task:
    return Task(kind, instruction, Target(**target))


def passed(text: str, answer: str = "code", **evidence: Any) -> tuple[Candidate, Verdict]:
    verdict = Verdict(True, checks={"syntax": "ok", "names": "ok", "run": "passed"}, evidence=Evidence(**evidence))
    return Candidate(text, answer), verdict  # type: ignore[arg-type]
