"""`nbcopilot eval` end to end with the scripted engine: one JSON object at the end, one sentence for bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import suite_builders as builders

from nbcopilot.cli.main import main


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return builders.write(tmp_path / "items.jsonl", builders.DOUBLE, builders.SHOUT)


def test_the_last_line_is_one_json_object_and_the_table_stands_above_it(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "generate", "--data", str(data), "--model", "fake", "--mode", "raw,context"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out.splitlines()[-1])
    assert (found["suite"], found["model"], found["n"]) == ("generate", "fake", 2)
    assert list(found["ablation"]) == ["raw", "context"]
    assert "| raw |" in out
    assert "2 of 2 items" in err


def test_json_prints_only_the_json_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "humaneval", "--data", str(data), "--mode", "reference", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (found["n"], found["pass_at_1"]) == (1, 1.0)


def test_a_journal_and_a_memo_are_kept_and_a_second_run_asks_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["eval", "generate", "--data", str(data), "--model", "fake", "--mode", "context", "--json"]
    command += ["--resume", str(tmp_path / "run" / "j.jsonl"), "--memo", str(tmp_path / "run" / "m.jsonl")]
    assert main(command) == 0
    size = (tmp_path / "run" / "m.jsonl").stat().st_size
    first = json.loads(capsys.readouterr().out)
    assert main(command) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["ablation"] == first["ablation"]
    assert (tmp_path / "run" / "m.jsonl").stat().st_size == size > 0


def test_failures_are_written_for_reading(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "wrong.md"
    main(["eval", "generate", "--data", str(data), "--model", "fake", "--mode", "raw", "--failures", str(path)])
    assert "## t/" in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["chess"], "Unknown suite `chess`"),
        (["generate", "--mode", "chess"], "Unknown mode `chess`"),
        (["generate", "--mode", ","], "--mode names no mode"),
        (["generate", "--limit", "0"], "--limit is 0"),
        (["generate", "--jobs", "0"], "--jobs is 0"),
        (["generate", "--sample", "0"], "--sample is 0"),
        (["generate", "--kinds", "fix"], "--kinds names fix"),
        (["everyday"], "No folder"),
        (["fix"], "is no item of this suite"),
    ],
)
def test_bad_usage_is_one_sentence_and_exit_2(
    arguments: list[str], sentence: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", *arguments, "--data", str(data), "--model", "fake"]) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


def test_an_interrupted_run_prints_what_it_has_and_ends_at_once(tmp_path: Path) -> None:
    slow = {**builders.DOUBLE, "id": "t/slow", "test": "import time\ntime.sleep(60)\n"}
    data = builders.write(tmp_path / "items.jsonl", builders.DOUBLE, slow)
    command = [sys.executable, "-m", "nbcopilot", "eval", "generate", "--data", str(data), "--mode", "reference"]
    command += ["--jobs", "1", "--resume", str(tmp_path / "journal.jsonl")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    journal = tmp_path / "journal.jsonl"
    while not journal.is_file() or "t/double" not in journal.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    sent = time.monotonic()
    os.kill(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert time.monotonic() - sent < 5
    assert child.returncode == 130
    found = json.loads(out.splitlines()[-1])
    assert (found["n"], found["pass_at_1"], found["interrupted"]) == (1, 1.0, True)
    assert "1 answers were judged" in err
    assert "Traceback" not in err


def test_former_names_of_options_and_modes_work_and_say_what_they_are_called_now(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(data), "--model", "fake", "--mode", "redraws", "--redraws", "1", "--opinions", "0"]
    assert main(["eval", "generate", *arguments, "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out.splitlines()[-1])
    assert list(found["ablation"]) == ["retries"]
    for former, name in (
        ("--redraws", "--retry-samples"),
        ("--opinions", "--consensus-samples"),
        ("redraws", "retries"),
    ):
        assert any(former in line and name in line for line in said.err.splitlines())
