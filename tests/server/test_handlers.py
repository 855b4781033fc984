"""The handlers in a real Jupyter server: authenticated, streamed, errors with a code and a hint, loop never blocked."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_server.auth.authorizer import AllowAllAuthorizer
from serving import eventually
from traitlets.config import Config as TraitConfig

from nbcopilot.config import RENAMED, Config, Effective, effective
from nbcopilot.errors import UsageError
from nbcopilot.server import settings as server_settings
from nbcopilot.server.routes import ROUTES
from nbcopilot.server.settings import Nbcopilot
from nbcopilot.server.state import State
from nbcopilot.types import Notebook

pytestmark = pytest.mark.server
Read = Callable[[str], Any]


def test_a_fix_is_streamed_to_an_edit(jupyter: Any, wire: Read) -> None:
    message = wire("stream_request")
    message["notebook"]["cells"][1]["source"] = message["task"]["target"]["source"] = "total = sum([]) / len([])"
    found = jupyter.lines("stream", message)
    kinds = [line["type"] for line in found]
    assert kinds[0] == "started"
    assert kinds[-1] == "done"
    assert kinds.index("context") < kinds.index("prompt") < kinds.index("token") < kinds.index("edit")
    best = [line for line in found if line["type"] == "edit" and line["best"]]
    assert len(best) == 1
    assert best[0]["edit"]["after"] == "b"
    assert best[0]["edit"]["previous"] is None


def test_every_candidate_has_an_edit_and_one_is_best(jupyter: Any, wire: Read) -> None:
    message = wire("stream_request")
    message["task"] |= {"kind": "generate", "instruction": "write mean(values)", "options": {"candidates": 3}}
    found = jupyter.lines("stream", message)
    edits = [line for line in found if line["type"] == "edit"]
    assert len(edits) >= 3
    assert sum(line["best"] for line in edits) == 1
    groups = {line["edit"]["group"] for line in edits}
    assert len(groups) == len(edits), "two answers to choose from are two requests to undo"


def test_a_notebook_is_documented_as_the_command_does_it(jupyter: Any, wire: Read) -> None:
    message = wire("stream_request")
    code = {"kind": "code", "outputs": [], "executed": None, "metadata": {}}
    message["notebook"]["cells"] = [
        {**code, "id": "a", "source": "def area(r):\n    return r * r"},
        {**code, "id": "t", "source": "The mean of the areas is shown here.", "kind": "markdown"},
        {**code, "id": "b", "source": "total = sum(map(area, range(9)))"},
        {**code, "id": "h", "source": "## Volume", "kind": "markdown"},
        {**code, "id": "c", "source": "def volume(r):\n    x = area(r)\n    return r * x"},
    ]
    message["notebook"]["error"] = None
    message["task"] |= {"kind": "document", "target": {"source": "", "cell_id": None, "names": [], "position": None}}
    found = jupyter.lines("stream", message)
    assert next(line for line in found if line["type"] == "progress")["total"] >= 2
    assert next(line for line in found if line["type"] == "parts")["cells"] == ["a", "c"]
    edits = [line for line in found if line["type"] == "edit"]
    assert [(line["index"], line["edit"]["after"]) for line in edits] == [(0, None), (1, "h")]
    title, summary = (cell["source"] for cell in edits[0]["edit"]["cells"])
    assert title.startswith("# ") and "area" in summary
    assert len({line["edit"]["group"] for line in edits}) == 1, "one request is undone in one go"


@pytest.mark.parametrize("name", ["stream", "complete", "pull"])
@pytest.mark.parametrize("body", ["{", "[]", '{"schema": 7}', '{"schema": 1}'])
def test_broken_bodies_get_a_sentence(jupyter: Any, name: str, body: str) -> None:
    answer = jupyter.client.post(f"nbcopilot/{name}", content=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "usage"
    assert "Traceback" not in answer.json()["message"]


def test_ghost_text_grows_to_its_end(jupyter: Any, wire: Read) -> None:
    found = jupyter.lines("complete", {**wire("complete_request"), "prefix": "def double(x):\n    return "})
    texts = [line["text"] for line in found if line["type"] == "text"]
    assert texts
    assert found[-1]["type"] == "done"


def test_status_names_model_and_says_that_nothing_leaves(jupyter: Any) -> None:
    found = jupyter.client.get("nbcopilot/status").json()
    assert found["model"] == {
        "id": "fake",
        "ready": True,
        "bytes": 0,
        "licence": "",
        "note": "scripted answers, no model",
    }
    assert (found["local"], found["problem"]) == (True, None)


def test_half_of_a_surrogate_pair_in_a_cell_is_answered(jupyter: Any, wire: Any) -> None:
    message = wire("stream_request")
    message["task"] = {**message["task"], "kind": "generate", "instruction": "add two numbers \ud83d"}
    message["notebook"]["cells"][1]["source"] = "x = '\udc00'"
    found = jupyter.lines("stream", message)
    assert not [line for line in found if line["type"] == "error"], found
    assert any(line["type"] == "edit" for line in found)


def test_models_are_offered_with_size_and_licence(jupyter: Any, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("NBCOPILOT_CACHE_DIR", str(tmp_path))
    found = jupyter.client.get("nbcopilot/models").json()["models"]
    assert {model["id"] for model in found} >= {"qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"}
    assert sum(model["recommended"] for model in found) == 1
    assert all(model["bytes"] > 0 and model["licence"] and not model["ready"] for model in found)


def test_a_model_that_is_set_is_the_only_one_offered(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBCOPILOT_CACHE_DIR", str(tmp_path))
    state = State(lambda: effective({"model": "smollm2-135m"}))
    assert [(model["id"], model["recommended"]) for model in state.models()["models"]] == [("smollm2-135m", True)]


def test_an_unknown_model_is_not_pulled(jupyter: Any) -> None:
    answer = jupyter.post("pull", {"model": "no-such-model"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-model")


@pytest.mark.parametrize("name", ["status", "models", "stream", "complete", "pull"])
def test_nobody_gets_in_without_a_token(jupyter: Any, name: str) -> None:
    method = "GET" if name in ("status", "models") else "POST"
    assert httpx.request(method, f"{jupyter.url}nbcopilot/{name}", content="{}").status_code == 403


def test_a_cookie_alone_is_not_enough_to_post(jupyter: Any) -> None:
    with httpx.Client(base_url=jupyter.url) as page:
        page.get("tree", params={"token": "for-the-tests"}, follow_redirects=True)
        assert page.get("nbcopilot/status").status_code == 200, "the cookie logs in"
        refused = page.post("nbcopilot/stream", content="{}")
        assert refused.status_code == 403, "a form of another site could post this"
        allowed = page.post("nbcopilot/stream", content="{}", headers={"X-XSRFToken": page.cookies["_xsrf"]})
        assert allowed.status_code == 400


def slow(wire: Read, pace: str) -> Any:
    message = wire("stream_request")
    message["task"] |= {"kind": "generate", "instruction": "write is_prime(n)", "options": {"model": pace}}
    return message


def test_a_slow_answer_blocks_neither_the_loop_nor_status(jupyter: Any, wire: Read) -> None:
    with jupyter.client.stream("POST", "nbcopilot/stream", content=json.dumps(slow(wire, "fake:1"))) as answer:
        lines = answer.iter_lines()
        assert json.loads(next(lines))["type"] == "started"
        assert jupyter.client.get("nbcopilot/status").json()["engine"]["queue"] == 1
        assert next(line for line in lines if '"token"' in line), "it goes on after that: a minute in all"
    assert eventually(lambda: jupyter.state.running == 0)


def test_a_page_that_goes_away_cancels_the_engine(jupyter: Any, wire: Read) -> None:
    with jupyter.client.stream("POST", "nbcopilot/stream", content=json.dumps(slow(wire, "fake:2"))) as answer:
        next(line for line in answer.iter_lines() if '"token"' in line)
        engine = jupyter.state.engine
    assert eventually(lambda: jupyter.state.running == 0)
    assert engine.cancelled == 1


def test_the_settings_of_the_server_are_those_of_config() -> None:
    names = {field.name for field in dataclasses.fields(Config)}
    assert set(Nbcopilot.class_trait_names(config=True)) == names | RENAMED.keys() | {"locked"}


def test_a_former_name_among_the_traits_of_the_server_counts_with_a_notice(tmp_path: Path) -> None:
    traits = TraitConfig({"Nbcopilot": {"opinions": 3}})
    found = server_settings.effective(traits, tmp_path)
    assert found.config.consensus_samples == 3
    assert any("`consensus_samples`" in notice for notice in found.notices)


def test_a_wrong_setting_is_shown_not_raised(jupyter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBCOPILOT_CANDIDATES", "many")
    problem = jupyter.client.get("nbcopilot/status").json()["problem"]
    assert problem["code"] == "config"
    assert "candidates" in problem["message"]


@pytest.mark.parametrize("body", [{"folder": "/"}, {"folder": ""}, {"folder": [1]}, {}, [], "x"])
def test_a_page_can_trust_no_folder_that_the_server_did_not_ask_about(jupyter: Any, body: Any) -> None:
    answer = jupyter.post("trust", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "usage")
    assert jupyter.client.get("nbcopilot/status").json()["untrusted"] is None


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("n.ipynb", True), ("sub/n.ipynb", True), ("{root}/n.ipynb", True), (None, True),
        ("../n.ipynb", False), ("sub/../../n.ipynb", False), ("/etc/n.ipynb", False), ("{root}2/n.ipynb", False),
        ("a\0b.ipynb", False), ("a" * 5000, False),
    ],
)  # fmt: skip
def test_a_notebook_must_lie_below_the_folder_of_the_server(tmp_path: Path, path: str | None, inside: bool) -> None:
    state = State(lambda: Effective(()), tmp_path)
    notebook = Notebook(path=None if path is None else Path(path.format(root=tmp_path)))
    if inside:
        found = state.below_root(notebook)
        assert found.path is None or found.path.is_relative_to(tmp_path)
        return
    with pytest.raises(UsageError, match="outside the folder"):
        state.below_root(notebook)


def test_a_user_who_may_only_read_neither_runs_code_nor_pulls_models(
    jupyter: Any, wire: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def only_read(self: object, handler: object, user: object, action: str, resource: str) -> bool:
        asked.append((action, resource))
        return action == "read"

    monkeypatch.setattr(AllowAllAuthorizer, "is_authorized", only_read)
    bodies = {"stream": wire("stream_request"), "complete": {}, "pull": {"model": "x"}, "trust": {"folder": "/"}}
    for name in ROUTES:
        status = (
            jupyter.post(name, bodies[name]).status_code
            if name in bodies
            else jupyter.client.get(f"nbcopilot/{name}").status_code
        )
        assert status == (403 if name in bodies else 200), name
    assert {resource for _, resource in asked} == {"nbcopilot"}


def test_a_body_of_brackets_is_one_sentence(jupyter: Any) -> None:
    found = jupyter.client.post("nbcopilot/stream", content="[" * 200_000)
    assert found.status_code == 400 and "not JSON" in found.json()["message"]
