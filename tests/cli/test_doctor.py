"""`nbcopilot doctor`: findings, reasons, and exit 3 when nothing could answer."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

import pytest
from carriers import put

from nbcopilot.cli import doctor as command
from nbcopilot.models.catalog import ModelRef
from nbcopilot.models.store import Store


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers(dest="command"))
    return command.run(parser.parse_args(["doctor", *words]))


def test_without_a_model_it_says_the_pull_line_and_exits_3(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 3
    out = capsys.readouterr().out
    assert (
        "GB of memory free" in out and "no model can be used" in out and "`nbcopilot models pull qwen2.5-coder-" in out
    )


def test_with_a_model_it_is_ready(
    tiny: ModelRef, store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store)
    monkeypatch.setenv("NBCOPILOT_MODEL", "tiny")
    assert run() == 0
    out = capsys.readouterr().out
    assert "tiny: named in the settings" in out and "tiny: pulled 121 kB" in out and out.endswith("verdict     ready\n")
    assert "model = tiny (NBCOPILOT_MODEL)" in out


def test_json_has_every_finding_and_no_secret(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBCOPILOT_API_KEY", "sk-hunter2")
    assert run("--model", "fake", "--json") == 0
    out = capsys.readouterr().out
    found = json.loads(out.splitlines()[-1])
    assert {
        "python",
        "packages",
        "processors",
        "memory",
        "device",
        "model",
        "pulled",
        "store",
        "sandbox",
        "settings",
    } <= set(found)
    assert found["model"]["id"] == "fake" and found["settings"]["model"]["origin"] == "the call"
    assert "hunter2" not in out


def test_a_server_that_does_not_answer_is_no_model(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBCOPILOT_ENGINE", "http://127.0.0.1:9/v1")
    assert run() == 3
    assert "http://127.0.0.1:9/v1 does not answer" in capsys.readouterr().out


def test_a_part_that_fails_is_a_finding() -> None:
    said = command._ask("nbcopilot.errors", "describe")["problem"]
    assert said.startswith("cannot be told: AttributeError")


def test_a_finding_reads_as_words() -> None:
    said = {"level": "bubblewrap", "vnni": True, "bf16": False, "threads": 2, "quota": None, "hint": ""}
    assert command._words(said) == "bubblewrap, vnni, threads 2"


def test_building_the_command_line_loads_no_heavy_package() -> None:
    code = (
        "import sys, argparse\n"
        "from nbcopilot.cli import models, doctor\n"
        "sub = argparse.ArgumentParser().add_subparsers()\n"
        "models.add_parser(sub); doctor.add_parser(sub)\n"
        "print([m for m in ('torch', 'rich', 'huggingface_hub', 'httpx', 'psutil') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
