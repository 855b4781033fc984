"""What the administrator has locked holds on every surface, whoever sets something else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from traitlets.config import Config as TraitConfig

from nbcopilot import config, locks, session, trust
from nbcopilot.cli.main import main
from nbcopilot.errors import ConfigError
from nbcopilot.server import settings as traits

FILE = """
[settings]
redact = true
check = true
[allow]
engine = ["auto", "https://models.example/v1/*", "https://plain.example"]
model = ["qwen2.5-coder-*", "fake"]
"""


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "etc" / "policy.toml"
    path.parent.mkdir()
    path.write_text(FILE)
    path.chmod(0o644)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(locks, "path", lambda: path)
    if os.geteuid() != 0:
        pytest.skip("only root can own the file")
    return path


def test_a_fixed_value_wins_over_every_layer(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config.user_folder() / "config.toml").write_text('redact = false\nmodel = "fake"\n')  # type: ignore[operator]
    monkeypatch.setenv("NBCOPILOT_CHECK", "false")
    Path("nbcopilot.toml").write_text("redact = false\n")
    trust.add(".")
    session.reset()
    for found in (config.load(), session.current().config, traits.effective(TraitConfig(), Path.cwd()).config):
        assert (found.redact, found.check) == (True, True)
    said = config.effective()
    assert any("redact" in notice and str(locked) in notice for notice in said.notices)
    assert next(s for s in said.settings if s.name == "redact").origin.endswith("(locked)")


@pytest.mark.parametrize("change", [{"redact": False}, {"engine": "https://evil.example/v1"}, {"model": "./mine"}])
def test_a_call_that_asks_for_something_else_is_refused(change: dict[str, object], locked: Path) -> None:
    have = config.load({"model": "fake"})
    for act in (lambda: config.load({"model": "fake", **change}), lambda: config.with_changes(have, **change)):
        with pytest.raises(ConfigError, match=r"locked|not allowed"):
            act()


@pytest.mark.parametrize(
    ("engine", "is_allowed"),
    [
        ("auto", True),
        ("in-process", False),
        ("https://models.example/v1/chat", True),
        ("https://MODELS.example:443/v1/", True),
        ("https://plain.example/any/path", True),
        ("http://models.example/v1/x", False),
        ("https://models.example.evil.example/v1/x", False),
        ("https://models.example@evil.example/v1/x", False),
        ("https://evil.example/https://models.example/v1/x", False),
    ],
)
def test_engines_are_allowed_by_server_not_by_spelling(engine: str, is_allowed: bool, locked: Path) -> None:
    if is_allowed:
        assert config.load({"engine": engine, "model": "fake"}).engine == engine
    else:
        with pytest.raises(ConfigError):
            config.load({"engine": engine, "model": "fake"})


def test_a_value_that_is_not_allowed_gives_way_to_the_first_that_is(locked: Path) -> None:
    (config.user_folder() / "config.toml").write_text('engine = "https://mine.example"\n')  # type: ignore[operator]
    assert config.load({"model": "fake"}).engine == "auto"
    assert config.load().model == "fake"  # `auto` is not allowed here


@pytest.mark.parametrize(
    "text", ["[setting]\nx = 1", "[settings]\nredacted = true", "[allow]\nengine = 7", "[", "settings = 1"]
)
def test_a_file_that_cannot_be_believed_stops_everything(text: str, locked: Path) -> None:
    locked.write_text(text)
    with pytest.raises(ConfigError):
        config.load()
    assert main(["generate", "x", "--model", "fake"]) == 2


@pytest.mark.parametrize("mode", [0o666, 0o664])
def test_a_file_that_others_can_write_is_refused(mode: int, locked: Path) -> None:
    locked.chmod(mode)
    with pytest.raises(ConfigError, match="could be written by others"):
        config.load()


def test_without_the_file_nothing_is_locked(locked: Path) -> None:
    locked.unlink()
    assert config.load({"redact": False}).redact is False


def test_the_presets_of_the_documentation_are_valid(locked: Path) -> None:
    text = (Path(__file__).parent.parent / "docs" / "security.md").read_text(encoding="utf-8")
    presets = [
        block.partition("```")[0] for block in text.split("```toml\n")[1:] if "[allow]" in block.partition("```")[0]
    ]
    assert len(presets) == 2
    for preset in presets:
        locked.write_text(preset)
        found = config.load({"model": "fake"})
        assert found.redact and found.check and found.engine in ("auto", "https://models.example.org/v1")
