"""The conversation of a notebook over HTTP: kept below the server's folder, in its own words only, and said when lost."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.server
SECRET = "AKIA" + "IOSFODNN7EXAMPLQ"
TURN = {"id": "t1", "kind": "generate", "asked": f"use {SECRET}", "text": "x = 1", "created": "2026-11-21T00:00:00Z"}


def test_a_turn_is_kept_without_secrets_found_again_removed_and_all_are_cleared(jupyter: Any) -> None:
    root = jupyter.state.root
    (root / "a.ipynb").write_text("{}")
    empty = jupyter.client.get("nbcopilot/conversation?path=a.ipynb").raise_for_status().json()
    assert empty == {"turns": [], "notice": ""}
    for one in (TURN, {**TURN, "id": "t2", "asked": "as bars"}):
        jupyter.post("conversation", {"path": "a.ipynb", "turn": one}).raise_for_status()
    found = jupyter.client.get("nbcopilot/conversation?path=a.ipynb").json()["turns"]
    assert [turn["id"] for turn in found] == ["t1", "t2"] and SECRET not in found[0]["asked"]
    kept = root / ".ipynb_checkpoints" / "a-conversation.json"
    assert SECRET not in kept.read_text()
    left = jupyter.client.delete("nbcopilot/conversation?path=a.ipynb&turn=t1").json()["turns"]
    assert [turn["id"] for turn in left] == ["t2"]
    jupyter.client.delete("nbcopilot/conversation?path=a.ipynb").raise_for_status()
    assert not kept.exists()


def test_a_place_outside_the_folder_is_refused_and_a_notebook_that_is_no_file_has_none(jupyter: Any) -> None:
    assert jupyter.client.get("nbcopilot/conversation?path=../other.ipynb").status_code == 400
    assert jupyter.post("conversation", {"path": "../other.ipynb", "turn": TURN}).status_code == 400
    assert jupyter.post("conversation", {"path": "not-there.ipynb", "turn": TURN}).json()["turns"] == []
    assert not list(jupyter.state.root.glob("**/not-there*"))


@pytest.mark.parametrize("body", [[], {"path": "a.ipynb"}, {"path": "a.ipynb", "turn": {"id": "x"}}])
def test_what_is_no_turn_is_one_sentence(jupyter: Any, body: Any) -> None:
    answer = jupyter.post("conversation", body)
    assert answer.status_code == 400 and answer.json()["message"]


def test_who_is_not_logged_in_sees_nothing(jupyter: Any) -> None:
    import httpx

    assert httpx.get(f"{jupyter.url}nbcopilot/conversation?path=a.ipynb").status_code == 403
