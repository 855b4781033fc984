"""`nbcopilot replay`: the same again is told from drift, from another model, and from what cannot be asked again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nbcopilot.cli.main import main
from nbcopilot.inference import Message, Prompt
from nbcopilot.write import kept

CODE = "def double(x):\n    return 2 * x"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NBCOPILOT_MODEL", "fake")
    monkeypatch.setenv("NBCOPILOT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prompts"


@pytest.fixture
def book(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "book.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("x = 1", id="a"), new_code_cell(CODE, id="b")]), path)
    assert main(["testgen", f"{path}::double", "--write"]) == 0
    assert main(["generate", "double x", "--notebook", str(path), "--write"]) == 0
    capsys.readouterr()
    return path


def replayed(capsys: pytest.CaptureFixture[str], path: Path, *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["replay", str(path), "--json", *words])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


def edit(path: Path, place: int, **changes: Any) -> None:
    nb = nbformat.read(path, 4)
    nb.cells[place].metadata.nbcopilot.update(changes)
    nbformat.write(nb, path)


def test_the_same_model_prompt_and_seed_give_the_same(
    book: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = book.read_bytes()
    code, found = replayed(capsys, book)
    assert (code, found["cells"], found["same"]) == (0, 2, 2), found
    assert book.read_bytes() == before
    assert place.stat().st_mode & 0o777 == 0o700 and all(p.stat().st_mode & 0o777 == 0o600 for p in place.iterdir())


def test_an_answer_that_differs_is_drift_with_its_diff(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(book, 3, answer_sha256="sha256:" + "0" * 64)
    nb = nbformat.read(book, 4)
    nb.cells[3].source = "y = 3"
    nbformat.write(nb, book)
    code, found = replayed(capsys, book)
    assert (code, found["drift"], found["same"]) == (1, 1, 1)
    row = next(row for row in found["rows"] if row["state"] == "drift")
    assert row["cell"] == 4 and "-y = 3" in row["diff"]
    assert main(["replay", str(book), "--diff"]) == 1
    said = capsys.readouterr().out
    assert "cell #4 code by fake: drift" in said and "-y = 3" in said and "2 generated cells: 1 same, 1 drift" in said


def test_another_model_is_one_sentence_and_no_drift(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(book, 3, model={"id": "fake", "sha256": "ab" * 32, "engine": "local"})
    code, found = replayed(capsys, book)
    assert (code, found["another model"]) == (3, 1)
    (row,) = (row for row in found["rows"] if row["state"] == "another model")
    assert row["reason"].startswith("it was written by fake (abababababab); asked is fake (")
    edit(book, 3, model={"id": "qwen2.5-coder-0.5b", "sha256": "ab" * 32, "engine": "local"})
    code, found = replayed(capsys, book)
    assert code == 3 and "nbcopilot models pull qwen2.5-coder-0.5b" in str(found["rows"])


def test_a_prompt_that_is_not_kept_is_rendered_anew_or_said_to_be_lost(
    book: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in place.iterdir():
        path.unlink()
    code, found = replayed(capsys, book)
    assert code == 0 and found["not replayed"] + found["same"] == 2 and found["not replayed"] >= 1
    assert "not kept here" in str(found["rows"])


def test_nothing_is_kept_where_that_is_turned_off(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NBCOPILOT_KEEP_PROMPTS", "false")
    assert main(["generate", "double x"]) == 0
    assert not place.exists()


def test_bad_input_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.ipynb").write_text("{")
    code, found = replayed(capsys, tmp_path / "bad.ipynb")
    assert code == 0 and found["not replayed"] == 1 and "is not JSON" in found["rows"][0]["reason"]
    assert main(["replay", str(tmp_path / "none.ipynb")]) == 2


def test_kept_prompts_come_back_whole_and_the_oldest_go(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 3)
    prompts = [Prompt((Message("user", f"é {n}"),), prefill="```", stop=("\n```",), language="r") for n in range(5)]
    for prompt in prompts:
        kept.keep(prompt)
    assert kept.find(prompts[-1].hash) == prompts[-1] and len(list(place.iterdir())) == 3
    assert kept.find(Prompt(text="other").hash) is None and kept.find("../../x") is None
    (place / f"{prompts[-1].hash.removeprefix('sha256:')}.json").write_text("{}")
    assert kept.find(prompts[-1].hash) is None
