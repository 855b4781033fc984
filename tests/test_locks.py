"""What the administrator has locked holds on every surface, whoever sets something else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from traitlets.config import Config as TraitConfig

from nbcopilot import config, locks, policy, session, trust
from nbcopilot.cli.main import main
from nbcopilot.errors import ConfigError, UsageError
from nbcopilot.magics.admin import run
from nbcopilot.server import settings as traits
from nbcopilot.server.wire import read_request

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


@pytest.mark.parametrize("name", ["air-gapped", "regulated"])
def test_the_presets_are_those_of_the_documentation_and_hold(name: str, locked: Path) -> None:
    docs = Path(__file__).parent.parent / "docs"
    preset = (docs / "policies" / f"{name}.toml").read_text(encoding="utf-8")
    assert f"```toml\n{preset}```" in (docs / "security.md").read_text(encoding="utf-8")
    locked.write_text(preset)
    found = config.load({"model": "fake"})
    assert found.redact and found.check and found.off.endswith("serve")
    assert found.engine == {"air-gapped": "auto", "regulated": "https://models.example.org/v1"}[name]
    with pytest.raises(ConfigError, match="engine"):
        config.load({"model": "fake", "engine": "https://other.example.org/v1"})


# --------------------------------------------------------------------------- every setting, every way

LOCKED = {
    "redact": (True, False),
    "redact_personal": (True, False),
    "check": (True, False),
    "check_fork": (False, True),
    "keep_prompts": (False, True),
    "column_values": ("never", "always"),
    "download_from": ("none", "hub"),
    "engine": ("in-process", "https://evil.example/v1"),
    "model": ("fake", "qwen2.5-coder-0.5b"),
    "policy": ("", "mine.toml"),
    "sandbox": ("landlock", "rlimits"),
    "off": ("generate, ghost-text", ""),
    "max_tokens": (100, 5000),
}


def by_environment(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv(f"NBCOPILOT_{name.upper()}", str(value))
    return getattr(config.load(), name)


def by_user_file(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> object:
    (config.user_folder() / "config.toml").write_text(f"{name} = {json.dumps(value)}\n")  # type: ignore[operator]
    return getattr(config.load(), name)


def by_trusted_project(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> object:
    Path("nbcopilot.toml").write_text(f"{name} = {json.dumps(value)}\n")
    trust.add(".")
    return getattr(config.load(), name)


def by_call(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> object:
    return getattr(config.load({name: value}), name)


def by_magic_line(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> object:
    session.reset()
    run(f"config {name}={value}", None)  # type: ignore[arg-type]
    return getattr(session.current().config, name)


def by_magic_option(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> object:
    return getattr(config.with_changes(config.load(), **{name: value}), name)


def by_request_of_a_page(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> object:
    message = json.loads((Path(__file__).parent / "data" / "wire" / "stream_request.json").read_text())
    message["task"]["options"] = {name: value}
    return getattr(read_request(message, config.load())[2], name)


def by_trait(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> object:
    return getattr(traits.effective(TraitConfig({"Nbcopilot": {name: value}}), Path.cwd()).config, name)


def by_variable_set_later(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv(locks.VARIABLE, "{}")
    return getattr(config.load({name: value}), name)


WAYS = (
    by_environment,
    by_user_file,
    by_trusted_project,
    by_call,
    by_magic_line,
    by_magic_option,
    by_request_of_a_page,
    by_trait,
    by_variable_set_later,
)


@pytest.fixture(params=["the file of the machine", "the server's configuration"])
def all_locked(request: pytest.FixtureRequest, locked: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    values = {name: good for name, (good, _) in LOCKED.items()}
    if request.param.startswith("the file"):
        locked.write_text("[settings]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
        return str(locked)
    locked.unlink()
    monkeypatch.setenv(locks.VARIABLE, "")
    monkeypatch.setattr(locks, "_told", "")
    traits.lock(TraitConfig({"Nbcopilot": {"locked": {"settings": values}}}))
    return locks.SERVER


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", LOCKED)
def test_no_way_leads_round_a_lock(
    name: str, way: Callable[..., object], all_locked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = LOCKED[name]
    try:
        assert way(name, bad, monkeypatch) == good
    except (ConfigError, UsageError) as exc:
        assert all_locked in str(exc) or "page cannot set" in str(exc)
    shown = next(one for one in config.explain() if one.name == name)
    assert shown.is_locked and all_locked in shown.origin


def test_a_locked_level_and_locked_features_are_the_least_not_the_most(locked: Path) -> None:
    locked.write_text('[settings]\nsandbox = "landlock"\noff = ["serve"]\n[allow]\nmodel = ["fake"]\n')
    found = config.load({"sandbox": "bubblewrap", "off": "explain, serve"})
    assert (found.sandbox, found.off) == ("bubblewrap", "explain, serve")
    (config.user_folder() / "config.toml").write_text('off = "sidebar"\n')  # type: ignore[operator]
    assert config.load().off == "sidebar, serve"
    with pytest.raises(ConfigError, match="It takes generate, explain"):
        config.load({"off": "everything"})


def test_what_server_and_machine_allow_holds_together(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_told", json.dumps({"allow": {"model": ["fake", "mine"]}}))
    locked.write_text('[allow]\nmodel = ["fake"]\n')
    assert config.load({"model": "fake"}).model == "fake"
    with pytest.raises(ConfigError, match=str(locked)):
        config.load({"model": "mine"})
    locked.write_text('[allow]\nmodel = ["other"]\n')
    with pytest.raises(ConfigError, match=r"c\.Nbcopilot\.locked"):
        config.load()


@pytest.mark.parametrize("told", ["[", "[]", '{"settings": {"redacted": true}}', '{"x": {}}'])
def test_locks_of_a_server_that_cannot_be_read_stop_its_kernels(
    told: str, locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_told", told)
    with pytest.raises(ConfigError):
        config.load()


@pytest.mark.parametrize("feature", ["generate", "explain", "testgen", "fix", "document", "serve"])
def test_what_is_switched_off_is_refused_by_every_command_that_begins_it(
    feature: str, locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    locked.write_text(f'[settings]\noff = ["{feature}"]\nmodel = "fake"\n')
    Path("a.ipynb").write_text(
        '{"cells": [{"cell_type": "code", "id": "a", "source": "def f(): return 1", "metadata": {}, "outputs": [],'
        ' "execution_count": null}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    )
    before = Path("a.ipynb").read_bytes()
    lines = {
        "generate": ["generate", "add"],
        "explain": ["explain", "a.ipynb"],
        "testgen": ["testgen", "a.ipynb"],
        "fix": ["fix", "a.ipynb::#1", "wrong"],
        "document": ["document", "a.ipynb", "--in-place"],
        "serve": ["serve", "--port", "0"],
    }
    assert main(lines[feature]) != 0
    assert f"{feature.capitalize()} is switched off by {locked}" in capsys.readouterr().err.replace(
        f"{feature} is switched", f"{feature.capitalize()} is switched"
    )
    assert Path("a.ipynb").read_bytes() == before


def test_a_level_that_is_required_is_the_level_of_a_run(locked: Path) -> None:
    locked.write_text('[settings]\nsandbox = "bubblewrap"\n')
    assert policy.load(config.load({"model": "fake"}).policy, config.load().sandbox).run_at == "bubblewrap"
