"""Which diagnostics are told: settings and comments, as people know them from ruff."""

from __future__ import annotations

import pytest

from nbcopilot.checks import registry, suppression
from nbcopilot.config import Config
from nbcopilot.errors import ConfigError
from nbcopilot.types import Target, Task
from nbcopilot.verdict import Diagnostic

FOUND = [
    Diagnostic("NB201", "error", {"error": "E", "problem": ""}),
    Diagnostic("NB205", "intent", {}),
    Diagnostic("NB301", "info", {}),
    Diagnostic("NB401", "error", {}),
]


def kept(source: str = "", **settings: str) -> list[str]:
    task = Task("fix", target=Target(source))
    return [d.code for d in suppression.kept(FOUND, Config(**settings), task)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "codes"),
    [
        ({}, ["NB201", "NB205", "NB301", "NB401"]),
        ({"ignore": "NB205"}, ["NB201", "NB301", "NB401"]),
        ({"ignore": "NB2, nb3"}, ["NB201", "NB401"]),
        ({"select": "NB3"}, ["NB201", "NB301", "NB401"]),
        ({"select": "NB2 NB3", "ignore": "NB301"}, ["NB201", "NB205", "NB401"]),
    ],
)
def test_settings_take_codes_and_their_beginnings_and_ignore_wins(settings: dict[str, str], codes: list[str]) -> None:
    assert kept(**settings) == codes


@pytest.mark.parametrize(
    ("source", "codes"),
    [
        ("x = 1  # nbcopilot: ignore[NB205]", ["NB201", "NB301", "NB401"]),
        ("# nbcopilot: ignore[NB205, NB301]\nx = 1", ["NB201", "NB401"]),
        ("# nbcopilot: ignore\nx", ["NB201", "NB401"]),
        ("x = '# nbcopilot: ignore[NB205]'", ["NB201", "NB205", "NB301", "NB401"]),
        ("# nbcopilot: ignore[NB205]\nx = (", ["NB201", "NB301", "NB401"]),
        ("# nbcopilot ignores this", ["NB201", "NB205", "NB301", "NB401"]),
    ],
)
def test_a_comment_in_the_users_cell_silences_codes_and_a_text_does_not(source: str, codes: list[str]) -> None:
    assert kept(source) == codes


def test_severities_change_but_for_what_protects() -> None:
    config = Config(severity="NB205=error NB401=info")
    found = {d.code: d.severity for d in suppression.kept(FOUND, config, Task("fix"))}
    assert found["NB205"] == "error" and found["NB401"] == "error"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"ignore": "NB999"}, "There is no rule NB999"),
        ({"select": "XY"}, "There is no rule XY"),
        ({"severity": "NB205=loud"}, "It takes error, warning, intent, info"),
        ({"severity": "NB999=error"}, "There is no rule NB999"),
    ],
)
def test_an_unknown_code_or_severity_is_one_sentence(settings: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as error:
        kept(**settings)
    assert says in f"{error.value.message} {error.value.hint}"


def test_a_renumbered_code_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.RENAMED, "NB299", "NB205")
    assert kept(ignore="NB299") == ["NB201", "NB301", "NB401"]
    assert kept("# nbcopilot: ignore[NB299]") == ["NB201", "NB301", "NB401"]
