"""`nbcopilot generate|explain|testgen|fix` as a user types them: answers, files, exit codes, and bad input."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest

from nbcopilot.cli.main import main
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.session import Session
from nbcopilot.types import CellEdit
from nbcopilot.write import files

SOURCE = '''def parse_date(text):
    """Year, month and day of 'YYYY-MM-DD'."""
    year, month, day = text.split("-")
    return int(year), int(month), int(day)


class Box:
    def __init__(self, n):
        self.n = n
'''


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBCOPILOT_MODEL", "fake")


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "dates.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def book(tmp_path: Path) -> Path:
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("rows = [1, 2]"), nbformat.v4.new_code_cell(SOURCE)])
    path = tmp_path / "book.ipynb"
    nbformat.write(nb, path)
    return path


def failed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Exit code and the one sentence on stderr of a call that must fail."""
    code = main(words)
    said = capsys.readouterr()
    assert "Traceback" not in said.err and len(said.err.strip().splitlines()) == 1, said.err
    assert said.err.startswith("nbcopilot: ")
    return code, said.err


# --------------------------------------------------------------------------- answers


def test_generate_prints_code_alone_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "a function that adds two numbers", "--answer-seconds", "0"]) == 0
    said = capsys.readouterr()
    compile(said.out, "answer", "exec")
    first, *outcome = said.err.strip().split("\n")
    assert "```" not in said.out and first.startswith("nbcopilot: ran clean")
    assert first.endswith("unsure whether it does what was asked") and outcome == ["new: total, function"]


def test_generate_writes_a_labelled_cell_below_the_one_named(book: Path) -> None:
    before = nbformat.read(book, 4).cells
    assert main(["generate", "sum the rows", "--notebook", str(book), "--after", "#1", "--write"]) == 0
    after = nbformat.read(book, 4)
    nbformat.validate(after)
    assert [cell.id for cell in after.cells if cell.id in {c.id for c in before}] == [cell.id for cell in before]
    made = after.cells[1]
    assert made.source.startswith("# nbcopilot · fake") and made.metadata.nbcopilot.role == "code"


def test_explain_is_text_and_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "danger.py"
    path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    assert main(["explain", str(path)]) == 0
    assert capsys.readouterr().out.strip() and not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("answer", "code", "written"),
    [
        ("It calls `train_network` 99 times.", 0, False),
        ("It calls `train_network` 99 times. It splits the `text`.", 0, True),
    ],
)
def test_an_explanation_that_the_notebook_does_not_bear_out_is_shown_and_not_written(
    book: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
    written: bool,
) -> None:
    monkeypatch.setattr(Session, "engine", lambda self, config=None: FakeEngine(lambda prompt: answer))
    before = book.read_bytes()
    assert main(["explain", f"{book}::parse_date", "--write"]) == code
    said = capsys.readouterr()
    assert said.out.strip()
    assert (book.read_bytes() != before) is written
    assert ("nothing in the text is borne out by the notebook" in said.err) is not written


def test_fix_takes_the_cell_that_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = nbformat.v4.new_output(
        "error", ename="NameError", evalue="name 'maths' is not defined", traceback=["NameError: name 'maths' is not defined"]
    )  # fmt: skip
    cells = [nbformat.v4.new_code_cell("import math"), nbformat.v4.new_code_cell("x = maths.pi", outputs=[error])]
    path = tmp_path / "failed.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell("y = 1")]), path)
    main(["fix", str(path), "--json"])
    assert "x = " in json.loads(capsys.readouterr().out.splitlines()[-1])["source"]


def test_testgen_json_has_the_contracts_keys_as_the_last_line(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["testgen", f"{module}::parse_date", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    keys = ["target", "tests", "passed", "disagree", "line_coverage", "mutants", "killed"]
    assert [*found][:7] == keys and "source" in found
    assert found["target"] == f"{module}::parse_date" and found["passed"] == found["tests"] > 0


@pytest.mark.parametrize("command", ["generate", "explain", "fix"])
def test_json_is_one_object_as_the_last_line(module: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([command, "double x" if command == "generate" else f"{module}::parse_date", "--json"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["kind"] == command and found["model"] == "fake" and isinstance(found["ok"], bool)


def test_tests_of_a_module_are_written_beside_it_and_never_over_a_file(
    module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["testgen", f"{module}::parse_date", "--write"]) == 0
    made = module.with_name("test_dates.py")
    assert made.read_text().splitlines()[1] == "from dates import parse_date"
    capsys.readouterr()
    code, said = failed(capsys, "testgen", f"{module}::parse_date", "--write")
    assert code == 2 and "test_dates.py exists already" in said


# --------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["generate", "  "], 2, "There is nothing to generate. Say what the code should do"),
        (["generate", "x", "--write"], 2, "--write needs --notebook"),
        (["generate", "x", "--after", "#1"], 2, "--after needs --notebook"),
        (["generate", "x", "--notebook", "{tmp}/none.ipynb"], 2, "none.ipynb"),
        (["generate", "x", "--notebook", "{tmp}/text.ipynb"], 2, "is not JSON"),
        (["generate", "x", "--notebook", "{tmp}/list.ipynb"], 2, "not a notebook"),
        (["generate", "x", "--notebook", "{tmp}/book.ipynb", "--after", "#9"], 2, "It has cells #1 to #2"),
        (["generate", "x" * 200_000], 2, "The request alone is"),
        (["generate", "x", "--temperature", "9"], 2, "It takes 0 to 5"),
        (["generate", "x", "--model", "no-such-model"], 3, "`nbcopilot models list` shows all"),
        (["generate", "x", "--model", "no/such"], 3, "`nbcopilot models pull no/such`"),
        (["explain", "{tmp}/none.py"], 2, "Give a .py file or a notebook"),
        (["explain", "{tmp}/dates.py::parse_dat"], 2, "It has parse_date, Box"),
        (["explain", "{tmp}/latin.py"], 2, "Save it as UTF-8"),
        (["explain", "{tmp}/empty.py"], 2, "has no code"),
        (["fix", "{tmp}/dates.py", "--write"], 2, "--write takes a notebook"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_with_a_hint_and_its_exit_code(
    module: Path, book: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, says: str
) -> None:
    tmp = book.parent
    (tmp / "text.ipynb").write_text("not json")
    (tmp / "list.ipynb").write_text("[]")
    (tmp / "latin.py").write_bytes("x = 'é'".encode("latin-1"))
    (tmp / "empty.py").write_text("\n")
    before = {path.name: path.read_bytes() for path in tmp.iterdir()}
    found, said = failed(capsys, *(word.replace("{tmp}", str(tmp)) for word in words))
    assert (found, says in said) == (code, True), said
    assert {path.name: path.read_bytes() for path in tmp.iterdir()} == before


def test_a_model_that_is_not_pulled_says_the_line_and_the_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NBCOPILOT_CACHE_DIR", str(tmp_path / "empty"))
    code, said = failed(capsys, "generate", "x", "--model", "qwen2.5-coder-0.5b")
    assert code == 3 and "`nbcopilot models pull qwen2.5-coder-0.5b`" in said and "491 MB" in said


def test_a_notebook_that_changed_on_disk_is_left_and_the_answer_is_shown(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apply = files.apply

    def saved_meanwhile(path: Path, edits: list[CellEdit], base: bytes | None) -> None:
        nb = nbformat.read(path, 4)
        nb.cells[0].source = "rows = [3]"
        nbformat.write(nb, path)
        apply(path, edits, base)

    monkeypatch.setattr(files, "apply", saved_meanwhile)
    assert main(["generate", "sum the rows", "--notebook", str(book), "--write"]) == 1
    said = capsys.readouterr()
    assert "changed on disk since it was read; nothing was overwritten. Run it again" in said.err
    assert "Traceback" not in said.err and said.out.strip()
    assert [cell.source for cell in nbformat.read(book, 4).cells] == ["rows = [3]", SOURCE.rstrip("\n") + "\n"]


def test_a_full_disk_leaves_the_notebook_and_shows_the_answer(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = book.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    assert main(["generate", "sum the rows", "--notebook", str(book), "--write"]) == 1
    said = capsys.readouterr()
    assert "the disk is full" in said.err and "free some space" in said.err and said.out.strip()
    assert book.read_bytes() == before and [p.name for p in book.parent.iterdir()] == [book.name]
