"""The file of a conversation: found again, bounded, merged by turn, and never lost silently."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from nbcopilot.conversation import store
from nbcopilot.conversation.reading import cleaned, read_turn, read_turns
from nbcopilot.errors import UsageError
from nbcopilot.preview import FigureView, Preview, TableView, ValueView
from nbcopilot.turns import Turn

TABLE = TableView(("a",), ("0",), (("1",),), 1, 1, (True,))
PICTURE = FigureView("iVBORw0KGgo=", "1 line")
SEEN = Preview(ValueView("DataFrame", "", TABLE, "f(x)"), (PICTURE,), printed="p", files=(("a.csv", 3),), group="1f")


def turn(number: int, **more: object) -> Turn:
    made = Turn(f"t{number}", "generate", f"ask {number}", "x = 1", preview=SEEN, created=f"2026-11-21T00:{number:04}")
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    path = tmp_path / "sales.ipynb"
    path.write_text("{}")
    return path


def test_what_is_kept_is_found_again_whole_beside_the_checkpoints(notebook: Path) -> None:
    store.put(notebook, turn(2))
    store.put(notebook, turn(1))
    assert store.read(notebook).turns == (turn(1), turn(2)), "in the order in which they were asked"
    path = notebook.parent / ".ipynb_checkpoints" / "sales-conversation.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert notebook.read_text() == "{}", "nothing goes into the notebook"


def test_a_turn_takes_the_place_of_the_one_with_its_id_and_others_stay(notebook: Path) -> None:
    store.put(notebook, turn(1))
    store.put(notebook, turn(2))
    store.put(notebook, turn(1, state="taken", cells=("c1",)))
    found = store.read(notebook).turns
    assert [(one.id, one.state) for one in found] == [("t1", "taken"), ("t2", "offered")]
    assert [one.id for one in store.remove(notebook, "t1").turns] == ["t2"]
    store.clear(notebook)
    store.clear(notebook)
    assert store.read(notebook) == store.Conversation()


@pytest.mark.parametrize("content", ["not json", "[1]", '{"schema": "x", "turns": []}', '{"schema": 1}', "[" * 100_000])
def test_a_damaged_file_is_kept_aside_and_said(notebook: Path, content: str) -> None:
    path = store.place(notebook)
    path.parent.mkdir()
    for number in (1, 2):
        path.write_text(content)
        found = store.read(notebook)
        assert found.turns == () and "is damaged" in found.notice and f"damaged-{number}.json" in found.notice
        assert (path.parent / f"sales-conversation.damaged-{number}.json").read_text() == content
    store.put(notebook, turn(1))
    assert len(store.read(notebook).turns) == 1


def test_a_file_of_a_newer_version_is_kept_aside_and_said(notebook: Path) -> None:
    path = store.place(notebook)
    path.parent.mkdir()
    path.write_text(json.dumps({"schema": 2, "turns": {"new": "form"}, "more": 1}))
    assert "damaged" in store.read(notebook).notice
    path.write_text(json.dumps({"schema": 2, "turns": []}))
    assert "newer version" in store.read(notebook).notice


def test_it_is_bounded_in_turns_bytes_and_pictures(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST", 5)
    monkeypatch.setattr(store, "WITH_FIGURES", 2)
    for number in range(8):
        store.put(notebook, turn(number))
    found = store.read(notebook).turns
    assert [one.id for one in found] == ["t3", "t4", "t5", "t6", "t7"]
    assert [bool(one.preview and one.preview.figures) for one in found] == [False] * 3 + [True] * 2
    monkeypatch.setattr(store, "MAX_BYTES", 3000)
    store.put(notebook, turn(9, text="y" * 1500))
    assert store.place(notebook).stat().st_size <= 3000
    assert store.read(notebook).turns[-1].id == "t9"


def test_a_link_in_the_place_of_the_file_is_not_followed(notebook: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.mkdir()
    (notebook.parent / ".ipynb_checkpoints").symlink_to(elsewhere)
    with pytest.raises(Exception, match="leads out"):
        store.put(notebook, turn(1))
    assert list(elsewhere.iterdir()) == []


def test_what_is_no_turn_is_refused_and_what_is_too_long_is_cut() -> None:
    for raw in (None, [], {"id": "", "asked": "x"}, {"id": "a", "asked": 3}):
        with pytest.raises(UsageError):
            read_turn(raw)
    found = read_turn({"id": "a", "asked": "x" * 9999, "state": "odd", "cells": [1, "c"] * 99, "preview": "<b>"})
    assert (len(found.asked), found.state, len(found.cells), found.preview) == (4000, "offered", 20, None)
    assert [one.id for one in read_turns([{"id": "a", "asked": "x"}, 3, {"id": "b", "asked": "y"}], 2)] == ["b"]


def test_secrets_are_taken_out_of_every_text_before_it_is_kept() -> None:
    secret = "AKIA" + "IOSFODNN7EXAMPLQ"
    seen = replace(SEEN, printed=f"key {secret}")
    made = cleaned(turn(1, asked=f"use {secret}", text=f'k = "{secret}"', preview=seen))
    assert secret not in repr(made) and "redacted" in made.asked
    assert made.preview is not None and made.preview.figures == (PICTURE,)
