"""Settings: where they come from, and what a wrong one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbcopilot import config
from nbcopilot.errors import ConfigError


def origins(**overrides: object) -> dict[str, tuple[object, str]]:
    return {s.name: (s.value, s.origin) for s in config.explain(overrides)}


def test_later_layers_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (config.user_folder() / "config.toml").write_text("max_tokens = 1\nseed = 1\ntop_k = 1\nbeams = 2\n")
    (tmp_path / "nbcopilot.toml").write_text("max_tokens = 2\nseed = 2\ntop_k = 2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBCOPILOT_SEED", "3")
    monkeypatch.setenv("NBCOPILOT_MAX_TOKENS", "3")
    found = origins(max_tokens=4)
    assert [found[n][0] for n in ("max_tokens", "seed", "top_k", "beams", "min_p")] == [4, 3, 2, 2, 0.0]
    assert found["max_tokens"][1] == "the call" and found["seed"][1] == "NBCOPILOT_SEED"
    assert found["min_p"][1] == "default"


def test_project_settings_may_stand_in_pyproject(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.nbcopilot]\nseed = 7\n")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    assert config.load().seed == 7


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"temprature": 1}, "did you mean `temperature`?"),
        ({"temperature": "hot"}, "it takes a number"),
        ({"temperature": -1}, "it takes 0 to 5"),
        ({"temperature": float("nan")}, "it takes 0 to 5"),
        ({"candidates": 0}, "it takes 1 to 32"),
        ({"check": "maybe"}, "it takes true or false"),
        ({"device": "tpu"}, "it takes auto, cpu, cuda, mps"),
    ],
)
def test_impossible_setting_is_a_sentence(overrides: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match="the call") as caught:
        config.load(overrides)
    assert said in str(caught.value)


def test_broken_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nbcopilot.toml").write_text("seed = = 1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"nbcopilot\.toml cannot be read"):
        config.load()
