"""Kept prompts hold no secret, grow old, take limited room, and can be forgotten."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from nbcopilot.cli.main import main
from nbcopilot.config import Config
from nbcopilot.inference import Message, Prompt
from nbcopilot.write import kept

SECRET = "AKIA" + "IOSFODNN7EXAMPLF"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NBCOPILOT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prompts"


def prompt(text: str) -> Prompt:
    return Prompt((Message("user", text),))


def age(place: Path, one: Prompt, days: float) -> None:
    path = place / f"{one.hash.removeprefix('sha256:')}.json"
    then = time.time() - days * 86400
    os.utime(path, (then, then))


def test_secrets_are_not_kept_whatever_redact_says(place: Path) -> None:
    for one in (
        prompt(f"key {SECRET}"),
        Prompt(text=f'k = "{SECRET[:9]}', suffix=f'{SECRET[9:]}"'),
        Prompt(prefill=SECRET),
    ):
        kept.keeper(Config(redact=False))(one)
        found = kept.find(one.hash)
        assert found is not None and found.hash != one.hash
    assert all(SECRET not in path.read_text() for path in place.iterdir())


def test_a_prompt_without_secrets_comes_back_as_it_was() -> None:
    one = prompt("add 1 and 2")
    kept.keep(one)
    assert kept.find(one.hash) == one


def test_what_is_older_than_keep_days_goes(place: Path) -> None:
    old, new = prompt("old"), prompt("new")
    kept.keep(old)
    age(place, old, 31)
    kept.keeper(Config())(new)
    assert kept.find(old.hash) is None and kept.find(new.hash) == new


def test_the_oldest_go_when_the_room_is_full(place: Path) -> None:
    prompts = [prompt(f"{n} " + "words " * 20_000) for n in range(5)]
    for n, one in enumerate(prompts):
        kept.keep(one, megabytes=0.3)
        age(place, one, 5 - n)
    assert [kept.find(one.hash) is not None for one in prompts] == [False, False, False, True, True]
    assert sum(path.stat().st_size for path in place.iterdir()) < 0.3e6


def test_forget_removes_all_or_what_is_old(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = prompt("old"), prompt("new")
    for one in (old, new):
        kept.keep(one)
    age(place, old, 3)
    assert main(["forget", "--older-than", "2d", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == 1
    assert kept.find(old.hash) is None and kept.find(new.hash) == new
    assert main(["forget"]) == 0
    assert "Removed 1 kept prompt (" in capsys.readouterr().out
    assert list(place.iterdir()) == []
    assert main(["forget"]) == 0


def test_an_age_that_is_none_removes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    one = prompt("stays")
    kept.keep(one)
    for wrong in ("soon", "30", "-1d", ""):
        assert main(["forget", f"--older-than={wrong}"]) == 2
    assert "12h, 30d or 2w" in capsys.readouterr().err
    assert kept.find(one.hash) == one
