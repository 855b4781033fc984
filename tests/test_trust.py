"""What a project's file may do before its folder is trusted: every setting, on every surface, from every file."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config as TraitConfig

from nbcopilot import config, session, trust
from nbcopilot.cli import configured
from nbcopilot.cli.main import main
from nbcopilot.config import Config
from nbcopilot.config_schema import FIELDS, FREE
from nbcopilot.errors import ConfigError, UsageError
from nbcopilot.server import settings as traits

# What neither decides where text goes nor protects: how an answer is sampled, shown and tried again.
HARMLESS = {
    "device",
    "grounding",
    "precision",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "beams",
    "candidates",
    "max_tokens",
    "seed",
    "few_shot",
    "think",
    "context_tokens",
    "repairs",
    "retry_samples",
    "consensus_samples",
    "label",
    "insert_via",
}
# For every other setting: what the user has, and what a project would like better.
LOOSER: list[tuple[str, Any, Any]] = [
    ("engine", "auto", "https://attacker.example/v1"),
    ("engine", "http://127.0.0.1:8000/v1", "http://127.0.0.1:8001/v1"),
    ("engine", "auto", "in-process"),
    ("api_key", "", "theirs"),
    ("model", "auto", "./evil"),
    ("model", "auto", "evil"),
    ("model", "auto", "/tmp/evil.gguf"),
    ("model", "auto", "attacker/evil-model"),
    ("model", "auto", "http://attacker.example/model"),
    ("model", "auto", "file:///tmp/evil"),
    ("redact", True, False),
    ("check", True, False),
    ("check_seconds", 10.0, 0.1),
    ("check_seconds", 10.0, 3000.0),
    ("check_total_seconds", 30.0, 0.1),
    ("check_memory_mb", 4096, 100_000),
    ("check_fork", False, True),
    ("keep_prompts", False, True),
    ("policy", "mine.toml", ""),
    ("policy", "", "../outside.toml"),
    ("policy", "", "/etc/passwd"),
    ("select", "", "NB301"),
    ("ignore", "", "NB2"),
    ("severity", "", "NB205=warning"),
    ("keep_mb", 50.0, 100_000.0),
    ("keep_days", 30.0, 0.0),
    ("column_values", "never", "always"),
    ("redact_personal", True, False),
    ("answer_seconds", 20.0, 0.0),
    ("dataframe_rows", 0, 20),
    ("download_from", "hub", "index"),
    ("download_from", "none", "hub"),
    ("sandbox", "bubblewrap", "rlimits"),
    ("off", "serve", ""),
    ("outcomes", False, True),
    ("threads", 2, 512),
    ("cache_mb", 100, 1_000_000),
    ("idle_minutes", 30.0, 100_000.0),
]
STRICTER: list[tuple[str, Any, Any]] = [
    ("redact", False, True),
    ("redact_personal", False, True),
    ("check", False, True),
    ("check_fork", True, False),
    ("keep_prompts", True, False),
    ("dataframe_rows", 5, 1),
    ("model", "./mine", "qwen2.5-coder-0.5b"),
    ("model", "./mine", "auto"),
]


def written(name: str, value: Any) -> str:
    return f"{name} = {json.dumps(value)}\n"


def by_toml(folder: Path, text: str) -> None:
    (folder / "nbcopilot.toml").write_text(text)


def by_pyproject(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text("[tool.nbcopilot]\n" + text)


def by_parent(folder: Path, text: str) -> None:
    (folder.parent / "nbcopilot.toml").write_text(text)


def in_kernel(folder: Path) -> Config:
    session.reset()
    return session.current().config


SURFACES: dict[str, Callable[[Path], Config]] = {
    "core": lambda folder: config.load(folder=folder),
    "kernel": in_kernel,
    "command line": lambda folder: configured.load({}),
    "server": lambda folder: traits.effective(TraitConfig(), folder).config,
}
FILES = (by_toml, by_pyproject, by_parent)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repo" / "sub"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def user_has(name: str, value: Any) -> None:
    (config.user_folder() / "config.toml").write_text(written(name, value))


def notices(folder: Path) -> str:
    return " ".join(config.effective(folder=folder).notices)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("write", FILES)
@pytest.mark.parametrize(("name", "users", "theirs"), LOOSER)
def test_a_project_cannot_loosen_what_the_user_has(
    name: str, users: Any, theirs: Any, write: Callable[[Path, str], None], surface: str, project: Path
) -> None:
    user_has(name, users)
    write(project, "seed = 7\n" + written(name, theirs))
    found = SURFACES[surface](project)
    assert getattr(found, name) == users and found.seed == 7


@pytest.mark.parametrize("write", FILES)
@pytest.mark.parametrize(("name", "users", "theirs"), LOOSER)
def test_what_is_ignored_is_said_with_the_line_to_type_and_counts_after_it(
    name: str, users: Any, theirs: Any, write: Callable[[Path, str], None], project: Path
) -> None:
    user_has(name, users)
    write(project, written(name, theirs))
    place = project.parent if write is by_parent else project
    said = notices(project)
    if (name, theirs) != ("policy", ""):  # nothing of it is wanted, and nothing is taken
        assert name in said and f"nbcopilot trust {place}" in said and said.count("\n") == 0
        assert config.effective(folder=project).untrusted == place
    trust.add(place)
    found = config.load({"engine": "https://attacker.example"} if name == "api_key" else {}, folder=project)
    assert getattr(found, name) != users or name == "api_key"
    assert not config.effective(folder=project).notices


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("write", FILES)
@pytest.mark.parametrize(("name", "users", "theirs"), STRICTER)
def test_a_project_may_be_stricter(
    name: str, users: Any, theirs: Any, write: Callable[[Path, str], None], surface: str, project: Path
) -> None:
    user_has(name, users)
    write(project, written(name, theirs))
    assert getattr(SURFACES[surface](project), name) == theirs
    assert not notices(project)


def test_every_setting_is_sorted_and_each_that_matters_is_in_the_matrix() -> None:
    free = {name for name, field in FIELDS.items() if field.metadata["project"] == FREE}
    assert free == HARMLESS
    assert {name for name, _, _ in LOOSER} == set(FIELDS) - HARMLESS


def test_environment_and_call_still_win(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_toml(project, "redact = true\ncheck = true\n")
    monkeypatch.setenv("NBCOPILOT_REDACT", "false")
    found = config.load({"check": False})
    assert (found.redact, found.check) == (False, False)


def test_policies_of_user_and_project_are_held_together(project: Path, tmp_path: Path) -> None:
    from nbcopilot import policy

    (tmp_path / "mine.toml").write_text('forbid = ["shell"]\nrun_at = "landlock"\n')
    (project / "theirs.toml").write_text('forbid = ["network"]\nforbid_imports = ["torch"]\nrun_at = "rlimits"\n')
    user_has("policy", str(tmp_path / "mine.toml"))
    by_toml(project, 'policy = "theirs.toml"\n')
    found = policy.load(config.load().policy)
    assert found == policy.Policy(frozenset({"shell", "network"}), frozenset(), frozenset({"torch"}), "landlock")
    (project / "theirs.toml").unlink()
    (project / "theirs.toml").symlink_to(tmp_path / "mine.toml")
    assert "policy" in notices(project)


# --------------------------------------------------------------------------- whose file, and how far up


def test_the_walk_ends_at_the_projects_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nbcopilot.toml").write_text("seed = 7\n")
    for mark in (".git", "pyproject.toml", "setup.py", "setup.cfg", ".hg"):
        inner = tmp_path / mark.strip(".") / "deep"
        inner.mkdir(parents=True)
        assert config.load(folder=inner).seed == 7
        (inner.parent / mark).touch()
        assert config.load(folder=inner).seed == 0, mark


def test_the_walk_ends_at_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nbcopilot.toml").write_text("seed = 7\n")
    (tmp_path / "home" / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert config.load(folder=tmp_path / "home" / "work").seed == 0


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", ["nbcopilot.toml", "pyproject.toml"])
@pytest.mark.parametrize("whose", ["file", "folder"])
def test_files_of_others_are_passed_over_and_said(whose: str, name: str, tmp_path: Path) -> None:
    shared, mine = tmp_path / "shared", tmp_path / "shared" / "me" / "work"
    mine.mkdir(parents=True)
    shared.chmod(0o1777)
    (shared / name).write_text(
        "[tool.nbcopilot]\nseed = 7\n" if name == "pyproject.toml" else "seed = 7\nredact = true\n"
    )
    os.chown(shared / name if whose == "file" else shared, 65534, -1)
    said = notices(mine)
    assert config.load(folder=mine).seed == 0
    assert str(shared / name) in said and "65534" in said and f"nbcopilot trust {shared}" in said
    trust.add(shared)
    if whose == "folder":
        assert config.load(folder=mine).seed == 7
        os.chown(shared, 65533, -1)  # it has changed hands since
        assert config.load(folder=mine).seed == 0


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such modes")
def test_a_folder_that_all_may_write_into_is_not_believed(project: Path) -> None:
    by_toml(project, "seed = 7\n")
    project.chmod(0o777)
    assert config.load().seed == 0 and "everybody may write" in notices(project)
    project.chmod(0o1777)
    assert config.load().seed == 7
    (project / "nbcopilot.toml").chmod(0o666)
    assert config.load().seed == 0


def test_a_file_that_is_no_ordinary_file_is_passed_over(project: Path, tmp_path: Path) -> None:
    (tmp_path / "private.toml").write_text("seed = 7\n")
    place = project / "nbcopilot.toml"
    makers: list[Callable[[], None]] = [
        lambda: place.symlink_to(tmp_path / "private.toml"),
        lambda: os.mkfifo(place),
        lambda: place.mkdir(),
        lambda: place.symlink_to("/dev/zero"),
        lambda: place.symlink_to(place),
    ]
    for make in makers:
        make()
        assert config.load().seed == 0
        assert str(place) in notices(project)
        place.rmdir() if place.is_dir() and not place.is_symlink() else place.unlink()
    (project / "settings.toml").write_text("seed = 7\n")
    place.symlink_to("settings.toml")  # within the project: its own business
    assert config.load().seed == 7


# --------------------------------------------------------------------------- the key


HERE, THERE = "https://team.example/v1", "https://attacker.example/v1"


@pytest.mark.parametrize(
    ("user", "project_file", "environ", "call", "sent"),
    [
        ({"api_key": "k", "engine": HERE}, {}, {}, {}, True),
        ({"api_key": "k", "engine": HERE}, {}, {}, {"engine": "https://TEAM.example:443/v1/"}, True),
        ({"api_key": "k", "engine": HERE}, {}, {}, {"engine": THERE}, False),
        ({"api_key": "k", "engine": HERE}, {}, {}, {"engine": "http://team.example/v1"}, False),
        ({"api_key": "k", "engine": HERE}, {}, {}, {"engine": "https://team.example:8443/v1"}, False),
        ({"api_key": "k", "engine": HERE}, {}, {"engine": THERE}, {}, False),
        ({"api_key": "k", "engine": HERE}, {"engine": THERE}, {}, {}, False),
        ({"api_key": "k"}, {"engine": THERE}, {}, {}, False),
        ({"api_key": "k"}, {}, {}, {"engine": THERE}, False),
        ({}, {"engine": THERE}, {"api_key": "k"}, {}, True),
        ({"engine": HERE}, {}, {"api_key": "k"}, {}, True),
        ({"engine": HERE}, {}, {"api_key": "k"}, {"engine": THERE}, False),
        ({}, {}, {"api_key": "k"}, {"engine": HERE}, True),
        ({"engine": HERE}, {}, {}, {"engine": THERE, "api_key": "k"}, True),
    ],
)
def test_a_key_is_sent_to_its_own_engine_only(
    user: dict[str, str], project_file: dict[str, str], environ: dict[str, str], call: dict[str, str], sent: bool,
    project: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (config.user_folder() / "config.toml").write_text("".join(written(*pair) for pair in user.items()))
    by_toml(project, "".join(written(*pair) for pair in project_file.items()))
    trust.add(project)
    for name, value in environ.items():
        monkeypatch.setenv(f"NBCOPILOT_{name.upper()}", value)
    found = config.effective(call)
    assert (found.config.api_key == "k") is sent
    assert bool(found.notices) is not sent and "k" not in " ".join(found.notices).split()


def test_a_changed_engine_loses_the_key(project: Path) -> None:
    have = Config(engine=HERE, api_key="k")
    assert config.with_changes(have, engine=THERE).api_key == ""
    assert config.with_changes(have, engine="https://TEAM.example/v1").api_key == "k"
    assert config.with_changes(have, engine=THERE, api_key="other").api_key == "other"
    assert config.with_changes(have, temperature=1.0).api_key == "k"


# --------------------------------------------------------------------------- the command, and saying it


def test_trust_is_listed_and_taken_back(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = project.parent / "link"
    link.symlink_to(project)
    by_toml(project, "redact = false\n")
    assert main(["trust", str(link)]) == 0
    assert config.load().redact is False
    capsys.readouterr()
    assert main(["trust", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["folders"]
    assert [(one["folder"], one["owner"]) for one in listed] == [(str(project), os.stat(project).st_uid)]
    assert main(["trust", "--remove", str(project)]) == 0
    assert config.load().redact is True
    assert main(["trust", "--remove", str(project)]) == 1
    assert main(["trust", str(project / "nowhere")]) == 2
    assert main(["trust"]) == 2


def test_trust_covers_neither_folders_below_nor_beside(project: Path) -> None:
    trust.add(project.parent)
    by_toml(project, "redact = false\n")
    assert config.load().redact is True
    with pytest.raises(UsageError):
        trust.add(project / "nbcopilot.toml")


def test_a_list_that_cannot_be_read_is_an_error_and_trusts_nothing(project: Path) -> None:
    by_toml(project, "redact = false\n")
    for text in ("{", "[1]", '[{"folder": "/"}]', "null"):
        (config.user_folder() / "trusted.json").write_text(text)
        with pytest.raises(ConfigError, match="cannot be read"):
            config.load()


def test_a_command_says_once_what_it_ignores(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_toml(project, 'engine = "https://attacker.example/v1"\nredact = false\ncheck = false\nseed = 3\n')
    configured._said.clear()
    for _ in range(2):
        assert main(["generate", "a list of three numbers", "--model", "fake", "--json"]) == 0
    said = capsys.readouterr().err
    assert said.count("nbcopilot trust") == 1 and "engine, redact and check" in said and "seed" not in said


def test_a_kernel_says_once_what_it_ignores(project: Path) -> None:
    by_toml(project, "redact = false\n")
    session.reset()
    first = list(session.current().notices)
    assert len(first) == 1 and f"nbcopilot trust {project}" in first[0]
    assert session.current().notices == first


def test_a_server_asks_about_the_one_folder_and_trusts_no_other(project: Path, tmp_path: Path) -> None:
    from nbcopilot.server.state import State

    by_toml(project, "redact = false\n")
    state = State(lambda: traits.effective(TraitConfig(), project))
    asked = state.status()["untrusted"]
    assert asked["folder"] == str(project) and "redact" in asked["message"]
    for other in (str(tmp_path), "/", "", str(project / "..")):
        with pytest.raises(UsageError):
            state.trust(other)
    state.trust(asked["folder"])
    assert state.status()["untrusted"] is None and state.load().redact is False
    assert dataclasses.asdict(trust.folders()[0])["folder"] == str(project)
