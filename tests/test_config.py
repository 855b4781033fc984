"""Settings: where they come from, and what a wrong one says."""

from __future__ import annotations

import dataclasses
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
        ({"temprature": 1}, "Did you mean `temperature`?"),
        ({"temperature": "hot"}, "It takes a number"),
        ({"temperature": -1}, "It takes 0 to 5"),
        ({"temperature": float("nan")}, "It takes 0 to 5"),
        ({"candidates": 0}, "It takes 1 to 32"),
        ({"check": "maybe"}, "It takes true or false"),
        ({"device": "tpu"}, "It takes auto, cpu, cuda, mps"),
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


@pytest.mark.parametrize(("former", "name"), config.RENAMED.items())
def test_a_former_name_works_with_a_notice_wherever_a_setting_may_stand(
    former: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    field = next(f for f in dataclasses.fields(config.Config) if f.name == name)
    value = field.metadata["choices"][-1] if field.metadata["choices"] else 5
    monkeypatch.chdir(tmp_path)
    told = f"is now called `{name}`"

    def check(overrides: dict[str, object], origin: str) -> None:
        found = config.effective(overrides)
        assert getattr(found.config, name) == value
        (notice,) = found.notices
        assert told in notice and f"`{former}` in {origin}" in notice and found.untrusted is None

    check({former: value}, "the call")
    (config.user_folder() / "config.toml").write_text(f"{former} = {value!r}\n")
    check({}, str(config.user_folder() / "config.toml"))
    (config.user_folder() / "config.toml").unlink()
    monkeypatch.setenv(f"NBCOPILOT_{former.upper()}", str(value))
    check({}, f"NBCOPILOT_{former.upper()}")
    assert getattr(config.with_changes(config.Config(), **{former: value}), name) == value


def test_the_present_name_counts_over_the_former_one_beside_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("retry_samples = 7\nredraws = 2\n", "redraws = 2\nretry_samples = 7\n"):
        (config.user_folder() / "config.toml").write_text(text)
        assert config.load().retry_samples == 7
    monkeypatch.setenv("NBCOPILOT_REDRAWS", "1")
    monkeypatch.setenv("NBCOPILOT_RETRY_SAMPLES", "9")
    assert config.load().retry_samples == 9


def test_a_former_name_in_a_project_that_is_not_trusted_may_do_no_more_than_the_present_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "nbcopilot.toml").write_text('carrier = "index"\nredraws = 1\n')
    monkeypatch.chdir(tmp_path)
    found = config.effective()
    assert (found.config.download_from, found.config.retry_samples) == ("auto", 1)
    assert any("download_from" in notice and "ignored" in notice for notice in found.notices)
