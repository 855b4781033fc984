"""`nbcopilot document` and `nbcopilot strip` as a user types them."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cell_builders import code, markdown, raw
from serving import eventually

from nbcopilot.cli import document as document_command
from nbcopilot.cli import strip as strip_command
from nbcopilot.errors import NbcopilotError

BIG = "def f(x):\n    y = x + 1\n    return y"
BIG2 = "def g(x):\n    y = x + 2\n    return y"


def command(*words: str) -> int:
    """The exit code of a command line of the two commands, errors as main maps them."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command")
    document_command.add_parser(commands)
    strip_command.add_parser(commands)
    args = parser.parse_args(words)
    try:
        return (document_command if args.command == "document" else strip_command).run(args)
    except NbcopilotError as exc:
        print(f"nbcopilot: {exc}", file=sys.stderr)
        return exc.exit_code


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBCOPILOT_MODEL", "fake")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.ipynb"
    path.write_bytes(raw(code(BIG), code(BIG2)))
    return path


def last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_in_place_then_check_then_strip_gives_the_notebook_back(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = book.read_bytes()
    assert command("document", str(book), "--check") == 1
    out = capsys.readouterr().out
    assert f"{book}: cell #1: summary missing" in out and "title and overview missing" in out
    assert command("document", str(book), "--in-place", "--json") == 0
    assert last_json(capsys)["cells_written"] == 3
    written = book.read_bytes()
    assert command("document", str(book), "--in-place") == 0
    assert book.read_bytes() == written, "a second run changes nothing"
    assert command("document", str(book), "--check") == 0
    assert command("strip", str(book), "--in-place") == 0
    assert book.read_bytes() == before


def test_json_has_the_contracts_keys_as_the_last_line(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (book.parent / "bad.ipynb").write_text("not json")
    assert command("document", str(book.parent), "-o", str(book.parent / "out"), "--json") == 1
    found = last_json(capsys)
    assert list(found) == ["notebooks", "ok", "failed", "skipped", "cells_written", "seconds"]
    assert (found["notebooks"], found["ok"], found["skipped"], found["cells_written"]) == (2, 1, 0, 3)
    assert found["failed"][0]["path"].endswith("bad.ipynb") and "is not JSON" in found["failed"][0]["error"]


def test_check_needs_no_model(book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NBCOPILOT_MODEL", "there-is-no-such-model")
    assert command("document", str(book), "--check", "--json") == 1
    assert [cell["problem"] for cell in last_json(capsys)["stale"][0]["cells"]] == [
        "summary missing",
        "title and overview missing",
        "summary missing",
    ]


def test_dry_run_shows_a_diff_and_writes_nothing(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = book.read_bytes()
    assert command("document", str(book), "--dry-run") == 0
    out = capsys.readouterr().out
    assert "+++ book.ipynb cell" in out and "\n+Needed before the later steps" in out
    assert book.read_bytes() == before and os.listdir(book.parent) == ["book.ipynb"]


def test_output_folder_mirrors_the_tree(book: Path) -> None:
    (book.parent / "sub").mkdir()
    (book.parent / "sub" / "b.ipynb").write_bytes(raw(code(BIG)))
    out = book.parent / "out"
    assert command("document", str(book.parent), "-o", str(out)) == 0
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.ipynb")) == ["book.ipynb", "sub/b.ipynb"]
    assert command("document", str(book.parent), "-o", str(out)) == 0, "the output is not searched"
    assert len(list(out.rglob("*.ipynb"))) == 2


def test_old_formats_are_written_only_to_a_new_file_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.ipynb"
    cell = {"cell_type": "code", "collapsed": False, "input": BIG, "language": "python", "metadata": {}, "outputs": []}
    old = {
        "metadata": {"name": ""},
        "nbformat": 3,
        "nbformat_minor": 0,
        "worksheets": [{"cells": [cell], "metadata": {}}],
    }
    path.write_text(json.dumps(old, indent=1))
    before = path.read_bytes()
    assert command("document", str(path), "--in-place") == 0
    assert "nbformat 3 is written only to a new file: use -o FOLDER" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert command("document", str(path), "-o", str(tmp_path / "out")) == 0
    assert "nbformat 3" in capsys.readouterr().err
    assert command("strip", str(tmp_path / "out"), "--in-place") == 0
    assert (tmp_path / "out" / "old.ipynb").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (["document", "book.ipynb"], 2, "needs to know where to write. Say -o DIR, --in-place, --check or --dry-run"),
        (["strip", "book.ipynb"], 2, "needs to know where to write. Say -o DIR, --in-place or --dry-run"),
        (["document", "bok.ipynb", "--in-place"], 2, "bok.ipynb is not there. Did you mean book.ipynb?"),
        (["document", "*.md", "--in-place"], 2, "Nothing matches *.md"),
        (["document", "empty", "--in-place"], 2, "No notebook in the folder empty"),
        (["document", "book.ipynb", "--in-place", "--jobs", "0"], 2, "--jobs is 0. It takes 1 or more"),
        (["document", "book.ipynb", "-o", "."], 2, "-o . would overwrite book.ipynb"),
        (["document", "bad.ipynb", "-o", "out"], 2, "is not JSON"),
        (["document", "list.ipynb", "-o", "out"], 2, "is JSON but not a notebook"),
        (["document", "book.ipynb", "--in-place", "--model", "no-such-model"], 3, "no-such-model"),
    ],
)
def test_bad_input_is_one_sentence_with_a_hint_and_nothing_is_lost(
    book: Path,
    words: list[str],
    exit_code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(book.parent)
    before = book.read_bytes()
    Path("bad.ipynb").write_text("not json")
    Path("list.ipynb").write_text("[]")
    Path("empty").mkdir()
    assert command(*words) == exit_code
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err
    assert book.read_bytes() == before


def test_a_file_that_cannot_be_written_fails_alone(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = book.parent / "out"
    out.mkdir()
    (out / "book.ipynb").mkdir()  # a folder in the way: also root cannot write there
    (book.parent / "other.ipynb").write_bytes(raw(code(BIG)))
    assert command("document", str(book.parent), "-o", str(out), "--json") == 1
    captured = capsys.readouterr()
    found = json.loads(captured.out.splitlines()[-1])
    assert found["ok"] == 1 and "could not be written" in found["failed"][0]["error"]


def test_progress_without_a_terminal_is_plain_lines_on_stderr(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("document", str(book), "--in-place") == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"1/1 {book}: 3 cells written" in captured.err and "\x1b" not in captured.err


def test_strip_can_keep_other_roles(book: Path) -> None:
    assert command("document", str(book), "--in-place") == 0
    documented = book.read_bytes()
    assert command("strip", str(book), "--in-place", "--role", "tests") == 0
    assert book.read_bytes() == documented


def test_labels_can_be_left_out(book: Path) -> None:
    assert command("document", str(book), "--in-place", "--no-label") == 0
    assert b"<sub>" not in book.read_bytes()


def test_pre_commit_reads_our_hooks_and_they_name_real_commands() -> None:
    from pre_commit.clientlib import load_manifest

    root = Path(__file__).parents[2]
    hooks = load_manifest(str(root / ".pre-commit-hooks.yaml"))
    assert [hook["id"] for hook in hooks] == ["nbcopilot-check", "nbcopilot-strip"]
    for hook in hooks:
        program, *words = hook["entry"].split()
        assert program == "nbcopilot" and command(*words, "no-such.ipynb") == 2


def in_repository(folder: Path) -> None:
    """Make `folder` a git repository with all that is in it."""
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "start", "--allow-empty"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_the_example_for_pre_commit_stops_an_undocumented_notebook(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    example = (root / "docs" / "ci" / "pre-commit-config.yaml").read_text()
    (book.parent / ".pre-commit-config.yaml").write_text(example)
    in_repository(book.parent)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PRE_COMMIT_HOME", str(book.parent / ".git" / "pre-commit"))

    def hook() -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--verbose"]
        return subprocess.run(words, cwd=book.parent, capture_output=True, text=True)

    stopped = hook()
    assert stopped.returncode == 1 and "cell #1: summary missing" in stopped.stdout, stopped.stdout + stopped.stderr
    assert command("document", str(book), "--in-place") == 0
    assert hook().returncode == 0


def test_the_example_for_github_runs_as_it_stands(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    root = Path(__file__).parents[2]
    job = yaml.safe_load((root / "docs" / "ci" / "github-actions.yml").read_text())["jobs"]["documented"]
    line = next(step["run"] for step in job["steps"] if "nbcopilot document" in step.get("run", ""))
    in_repository(book.parent)
    subprocess.run(["git", "update-ref", "refs/remotes/origin/main", "HEAD"], cwd=book.parent, check=True)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

    def step() -> int:
        return subprocess.run(["bash", "-e", "-c", line], cwd=book.parent, capture_output=True).returncode

    assert step() == 0, "nothing has changed"
    (book.parent / "new.ipynb").write_bytes(raw(code(BIG)))
    assert step() == 1 and (book.parent / "notebooks.xml").exists() and (book.parent / "notebooks.html").exists()


def test_whole_collection_in_one_run_and_back(
    evals_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = evals_folder / "notebooks"
    total = len(list(source.rglob("*.ipynb")))
    out = tmp_path / "out"
    command("document", str(source), "-o", str(out), "--jobs", "2", "--json")
    captured = capsys.readouterr()
    found = json.loads(captured.out.splitlines()[-1])
    assert found["notebooks"] == total and found["ok"] + len(found["failed"]) + found["skipped"] == total
    assert "Traceback" not in captured.err
    assert command("document", str(out), "--check") == 0
    assert command("strip", str(out), "--in-place") == 0
    for path in out.rglob("*.ipynb"):
        assert path.read_bytes() == (source / path.relative_to(out)).read_bytes(), path


def start(*words: str, cwd: Path) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", "import sys; from nbcopilot.cli.main import main; sys.exit(main())", *words]
    return subprocess.Popen(program, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_ctrl_c_exits_130_says_how_to_go_on_and_resume_finishes(tmp_path: Path) -> None:
    for i in range(6):
        (tmp_path / f"n{i}.ipynb").write_bytes(raw(code(BIG), code(BIG2), markdown("## End")))
    whole = {path: path.read_bytes() for path in tmp_path.glob("*.ipynb")}
    child = start("document", ".", "--in-place", "--json", "--model", "fake:40", cwd=tmp_path)
    assert eventually(lambda: any(path.read_bytes() != data for path, data in whole.items()), 120)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 130, err
    assert "nothing is half-written, go on with --resume" in err and "Traceback" not in err
    assert json.loads(out.splitlines()[-1])["notebooks"] == 6
    done = [path for path, data in whole.items() if path.read_bytes() != data]
    assert 0 < len(done) < 6
    again = start("document", ".", "--in-place", "--json", "--resume", "--model", "fake:40", cwd=tmp_path)
    out, err = again.communicate(timeout=120)
    found = json.loads(out.splitlines()[-1])
    assert again.returncode == 0 and found["skipped"] == len(done) and found["ok"] == 6 - len(done), err


@pytest.mark.parametrize("wait", [0.3, 0.6, 0.9])
def test_kill_at_any_moment_leaves_every_notebook_whole(tmp_path: Path, wait: float) -> None:
    for i in range(20):
        (tmp_path / f"n{i}.ipynb").write_bytes(raw(code(BIG), code(BIG2)))
    child = start("document", ".", "--in-place", "--model", "fake:400", cwd=tmp_path)
    time.sleep(wait)
    child.kill()
    child.communicate()
    for path in tmp_path.glob("*.ipynb"):
        assert len(json.loads(path.read_text())["cells"]) in (2, 5)
