"""The program as it is installed: help, exit codes, and what it loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nbcopilot import __version__
from nbcopilot.cli import main as program


def nbcopilot(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "nbcopilot", *words],
        env={**os.environ, "NBCOPILOT_MODEL": "fake", **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_lists_every_command() -> None:
    done = nbcopilot("--help")
    assert done.returncode == 0 and done.stderr == ""
    assert all(f"    {command} " in done.stdout for command in program.COMMANDS)


def test_every_command_of_the_folder_is_in_the_table() -> None:
    modules = {p.stem for p in Path(program.__file__).parent.glob("*.py") if "def add_parser(" in p.read_text()}
    assert modules == set(program.COMMANDS.values())


@pytest.mark.parametrize("command", program.COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main([command, "--help"])
    assert ended.value.code == 0 and capsys.readouterr().out.startswith(f"usage: nbcopilot {command}")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["generat", "x"], "invalid choice: 'generat'"),
        (["generate", "x", "--temprature", "1"], "unrecognized arguments: --temprature"),
        (["generate", "x", "-n", "three"], "invalid int value: 'three'"),
        (["generate"], "the following arguments are required: instruction"),
    ],
)
def test_bad_usage_is_one_sentence_and_exit_2(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(words)
    said = capsys.readouterr()
    assert ended.value.code == 2 and says in said.err and "--help" in said.err
    assert len(said.err.strip().splitlines()) == 1 and not said.out


def test_without_a_command_it_says_what_there_is() -> None:
    assert program.main([]) == 2


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--version"])
    assert capsys.readouterr().out.strip() == f"nbcopilot {__version__}"


def test_a_wrong_setting_is_one_sentence_without_a_traceback() -> None:
    done = nbcopilot("generate", "x", NBCOPILOT_TEMPERATURE="hot")
    assert done.returncode == 2 and "NBCOPILOT_TEMPERATURE" in done.stderr and "Traceback" not in done.stderr


def test_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from nbcopilot.cli import doctor

    def stopped(args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "run", stopped)
    assert program.main(["doctor"]) == 130
    assert capsys.readouterr().err == "nbcopilot: interrupted\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    line = f"{sys.executable} -m nbcopilot --help | head -1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
