"""The handlers in a real Jupyter server: authenticated, streamed, errors with a code and a hint, loop never blocked."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

pytestmark = pytest.mark.server
Read = Callable[[str], Any]


async def post(jp_fetch: Any, name: str, body: Any, **options: Any) -> Any:
    return await jp_fetch("nbcopilot", name, method="POST", body=json.dumps(body), request_timeout=60, **options)


async def test_a_fix_is_streamed_to_an_edit(jp_fetch: Any, wire: Read, lines: Any) -> None:
    message = wire("stream_request")
    message["notebook"]["cells"][1]["source"] = message["task"]["target"]["source"] = "total = sum([]) / len([])"
    found = lines(await post(jp_fetch, "stream", message))
    kinds = [line["type"] for line in found]
    assert kinds[0] == "started"
    assert kinds[-1] == "done"
    assert kinds.index("context") < kinds.index("prompt") < kinds.index("token") < kinds.index("edit")
    best = [line for line in found if line["type"] == "edit" and line["best"]]
    assert len(best) == 1
    assert best[0]["edit"]["after"] == "b"
    assert best[0]["edit"]["previous"] is None


async def test_every_candidate_has_an_edit_and_one_is_best(jp_fetch: Any, wire: Read, lines: Any) -> None:
    message = wire("stream_request")
    message["task"] |= {"kind": "generate", "instruction": "write mean(values)", "options": {"candidates": 3}}
    found = lines(await post(jp_fetch, "stream", message))
    edits = [line for line in found if line["type"] == "edit"]
    assert len(edits) >= 3
    assert sum(line["best"] for line in edits) == 1
    groups = {line["edit"]["group"] for line in edits}
    assert len(groups) == len(edits), "two answers to choose from are two requests to undo"


async def test_a_notebook_is_documented_part_by_part(jp_fetch: Any, wire: Read, lines: Any) -> None:
    message = wire("stream_request")
    code = {"kind": "code", "outputs": [], "executed": None, "metadata": {}}
    message["notebook"]["cells"] = [
        {**code, "id": "a", "source": "x = 1"},
        {**code, "id": "t", "source": "text", "kind": "markdown"},
        {**code, "id": "b", "source": "y = 2"},
        {**code, "id": "c", "source": "z = x + y"},
    ]
    message["notebook"]["error"] = None
    message["task"] |= {"kind": "document", "target": {"source": "", "cell_id": None, "names": [], "position": None}}
    found = lines(await post(jp_fetch, "stream", message))
    assert next(line for line in found if line["type"] == "parts")["cells"] == ["a", "c"]
    edits = [line for line in found if line["type"] == "edit"]
    assert [(line["index"], line["edit"]["after"]) for line in edits] == [(0, None), (1, "b")]


async def test_a_notebook_that_needs_no_text_says_so(jp_fetch: Any, wire: Read, lines: Any) -> None:
    message = wire("stream_request")
    message["task"] |= {"kind": "document", "target": {"source": "", "cell_id": None, "names": [], "position": None}}
    found = lines(await post(jp_fetch, "stream", message))
    assert [line["type"] for line in found] == ["started", "error"]
    assert "already" in found[1]["message"]


@pytest.mark.parametrize("name", ["stream", "complete", "pull"])
async def test_broken_bodies_get_a_sentence(jp_fetch: Any, name: str) -> None:
    for body in (b"{", b"[]", b'{"schema": 7}'):
        with pytest.raises(HTTPClientError) as caught:
            await jp_fetch("nbcopilot", name, method="POST", body=body)
        said = json.loads(caught.value.response.body)
        assert caught.value.code == 400, said
        assert said["code"] in ("usage", "unknown-model")
        assert "Traceback" not in said["message"]


async def test_ghost_text_grows_to_its_end(jp_fetch: Any, wire: Read, lines: Any) -> None:
    found = lines(
        await post(jp_fetch, "complete", {**wire("complete_request"), "prefix": "def double(x):\n    return "})
    )
    texts = [line["text"] for line in found if line["type"] == "text"]
    assert texts
    assert found[-1]["type"] == "done"


async def test_status_names_model_and_says_that_nothing_leaves(jp_fetch: Any) -> None:
    found = json.loads((await jp_fetch("nbcopilot", "status")).body)
    assert found["model"] == {
        "id": "fake",
        "ready": True,
        "bytes": 0,
        "licence": "",
        "note": "scripted answers, no model",
    }
    assert (found["local"], found["problem"]) == (True, None)


async def test_models_are_offered_with_size_and_licence(jp_fetch: Any, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("NBCOPILOT_CACHE_DIR", str(tmp_path))
    found = json.loads((await jp_fetch("nbcopilot", "models")).body)["models"]
    assert {model["id"] for model in found} >= {"qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"}
    assert sum(model["recommended"] for model in found) == 1
    assert all(model["bytes"] > 0 and model["licence"] and not model["ready"] for model in found)


async def test_an_unknown_model_is_not_pulled(jp_fetch: Any) -> None:
    with pytest.raises(HTTPClientError) as caught:
        await post(jp_fetch, "pull", {"model": "no-such-model"})
    assert json.loads(caught.value.response.body)["code"] == "unknown-model"


@pytest.mark.parametrize(
    ("name", "method"), [("status", "GET"), ("stream", "POST"), ("complete", "POST"), ("pull", "POST")]
)
async def test_nobody_gets_in_without_a_token(
    http_server_client: Any, jp_base_url: str, name: str, method: str
) -> None:
    body = None if method == "GET" else "{}"
    with pytest.raises(HTTPClientError) as caught:
        await http_server_client.fetch(f"{jp_base_url}nbcopilot/{name}", method=method, body=body)
    assert caught.value.code == 403


async def test_a_slow_answer_blocks_neither_the_loop_nor_status(
    jp_fetch: Any, jp_serverapp: Any, wire: Read, lines: Any
) -> None:
    message = wire("stream_request")
    message["task"] |= {"kind": "generate", "instruction": "write is_prime(n)", "options": {"model": "fake:40"}}
    answer = asyncio.ensure_future(post(jp_fetch, "stream", message))
    await asyncio.sleep(0.3)
    started = time.monotonic()
    found = json.loads((await jp_fetch("nbcopilot", "status")).body)
    waited = time.monotonic() - started
    assert not answer.done(), "too fast to show anything"
    assert found["engine"]["queue"] == 1
    lines(await answer)
    assert waited < 30


async def test_a_page_that_goes_away_cancels_the_engine(jp_fetch: Any, jp_serverapp: Any, wire: Read) -> None:
    message = wire("stream_request")
    message["task"] |= {"kind": "generate", "instruction": "write is_prime(n)", "options": {"model": "fake:2"}}
    with pytest.raises(HTTPClientError):  # gives up after a second: two tokens of many
        await jp_fetch("nbcopilot", "stream", method="POST", body=json.dumps(message), request_timeout=3)
    state = jp_serverapp.web_app.settings["nbcopilot"]
    for _ in range(200):
        if state.running == 0:
            break
        await asyncio.sleep(0.1)
    assert state.running == 0
    assert state.copilot(state.load().__class__(model="fake:2")).engine.cancelled == 1


async def test_settings_of_the_server_are_those_of_config() -> None:
    import dataclasses

    from nbcopilot.config import Config
    from nbcopilot.server.settings import Nbcopilot

    assert set(Nbcopilot.class_trait_names(config=True)) == {field.name for field in dataclasses.fields(Config)}
