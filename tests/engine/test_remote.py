"""RemoteEngine against small real servers: what it sends, what it makes of odd answers, what it says of failures.

Against our own server: tests/serve. The servers here speak as other people's do.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from nbcopilot.engine.protocol import Engine
from nbcopilot.engine.remote import RemoteEngine, estimate
from nbcopilot.errors import (
    ConfigError,
    ContextOverflowError,
    EngineError,
    EngineUnavailableError,
    NbcopilotError,
    UnknownModelError,
)
from nbcopilot.inference import Chunk, Message, Prompt, Sampling

CHAT = Prompt(messages=(Message("user", "hello"),))
CODE = Prompt(messages=CHAT.messages, prefill="Here it is:\n```python\n", stop=("\n```",))
Reply = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """Answers /v1/models from `server.models`, everything else by `server.reply`; keeps what was asked."""

    server: Any

    def do_GET(self) -> None:
        self.json(200, {"data": self.server.models}) if self.server.models is not None else self.json(404, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body, dict(self.headers)))
        self.server.reply(self, body)

    def json(self, status: int, value: object, **headers: str) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(data)

    def stream(self, *texts: str, finish: str | None = "stop", done: bool = True, usage: bool = True) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            for text in texts:
                self.event({"choices": [{"index": 0, "delta": {"content": text}, "text": text}]})
            if finish:
                self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
            if usage:
                self.event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(texts)}})
            if done:
                self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            self.server.gone.set()

    def event(self, value: object) -> None:
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Any]:
    http: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.models, http.asked, http.gone = [{"id": "m", "owned_by": "somebody"}], [], threading.Event()
    http.reply = lambda handler, body: handler.stream("one ", "two")
    http.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield http
    http.shutdown()
    http.server_close()


def said(engine: Engine, prompt: Prompt = CHAT, **changes: Any) -> tuple[str, list[Chunk]]:
    chunks = list(engine.generate(prompt, Sampling(**changes)))
    return "".join(chunk.text for chunk in chunks), chunks


# --------------------------------------------------------------------------- answers


def test_answer_is_streamed_and_ends_with_finish_and_usage(server: Any) -> None:
    text, chunks = said(RemoteEngine(server.url), seed=3, temperature=0.5)
    assert text == "one two"
    assert len(chunks) == 3 and chunks[-1].finish == "stop"
    assert chunks[-1].usage and (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (7, 2)
    path, body, _ = server.asked[0]
    assert path == "/v1/chat/completions"
    assert (body["model"], body["seed"], body["temperature"], body["stream"]) == ("m", 3, 0.5, True)
    assert "nbcopilot" not in body


def test_url_with_a_path_is_taken_as_it_is_and_the_key_is_sent(server: Any) -> None:
    said(RemoteEngine(f"{server.url}/v1/", api_key="secret"))
    path, _, headers = server.asked[0]
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer secret"


def test_whole_answer_of_a_server_that_does_not_stream_is_taken(server: Any) -> None:
    server.reply = lambda handler, body: handler.json(
        200, {"choices": [{"index": 0, "message": {"content": "all at once"}, "finish_reason": "length"}]}
    )
    text, chunks = said(RemoteEngine(server.url))
    assert text == "all at once" and chunks[-1].finish == "length"


def test_without_prefill_the_opening_fence_is_taken_off_and_stops_are_applied_here(server: Any) -> None:
    server.reply = lambda handler, body: handler.stream("Sure!\n\n``", "`py", "thon\nx = 1", "\n", "``", "`\nmore")
    assert said(RemoteEngine(server.url), CODE)[0] == "x = 1"
    _, body, _ = server.asked[0]
    assert "stop" not in body and body["messages"][-1]["role"] == "user"


def test_answer_without_any_fence_is_kept_whole(server: Any) -> None:
    server.reply = lambda handler, body: handler.stream("x = ", "1")
    assert said(RemoteEngine(server.url), CODE)[0] == "x = 1"


@pytest.mark.parametrize(("owner", "flags"), [("vllm", True), ("llamacpp", False)])
def test_servers_that_continue_an_answer_are_given_its_start(server: Any, owner: str, flags: bool) -> None:
    server.models = [{"id": "m", "owned_by": owner, "max_model_len": 4096}]
    server.reply = lambda handler, body: handler.stream("Here it ", "is:\n```python\nx", " = 1")
    engine = RemoteEngine(server.url)
    assert said(engine, CODE)[0] == "x = 1"  # this one also repeats it
    _, body, _ = server.asked[0]
    assert body["messages"][-1] == {"role": "assistant", "content": CODE.prefill}
    assert body.get("continue_final_message", False) is flags
    assert engine.describe().context_tokens == 4096


def test_several_candidates_are_several_requests_where_n_is_not_known(server: Any) -> None:
    chunks = list(RemoteEngine(server.url).generate(CHAT, Sampling(seed=5, temperature=1), candidates=3))
    assert sorted(chunk.index for chunk in chunks if chunk.finish) == [0, 1, 2]
    assert sorted(body["seed"] for _, body, _ in server.asked) == [5, 6, 7]


def test_batch_gives_each_prompt_its_answer(server: Any) -> None:
    server.reply = lambda handler, body: handler.stream(body["messages"][0]["content"])
    prompts = [Prompt(messages=(Message("user", name),)) for name in "abc"]
    texts = ["", "", ""]
    for at, chunk in RemoteEngine(server.url).generate_batch(prompts, Sampling()):
        texts[at] += chunk.text
    assert texts == ["a", "b", "c"]


def test_fill_in_the_middle_falls_back_to_the_models_own_tokens(server: Any) -> None:
    server.models = [{"id": "Qwen2.5-Coder-0.5B", "owned_by": "vllm"}]

    def reply(handler: Handler, body: dict[str, Any]) -> None:
        if "suffix" in body:
            handler.json(400, {"message": "suffix is not currently supported"})
        else:
            handler.stream("b")

    server.reply = reply
    assert said(RemoteEngine(server.url), Prompt(text="a", suffix="c", prefill="\n"))[0] == "b"
    assert server.asked[-1][1]["prompt"] == "<|fim_prefix|>a\n<|fim_suffix|>c<|fim_middle|>"


def test_server_that_misplaces_the_suffix_gets_the_models_tokens_at_once(server: Any) -> None:
    server.models = [{"id": "qwen2.5-coder", "owned_by": "me"}]
    said(RemoteEngine(server.url), Prompt(text="a", suffix="c"))
    assert [body["prompt"] for _, body, _ in server.asked] == ["<|fim_prefix|>a<|fim_suffix|>c<|fim_middle|>"]
    server.models = [{"id": "another", "owned_by": "me"}]
    said(RemoteEngine(server.url), Prompt(text="a", suffix="c"))
    assert (server.asked[-1][1]["prompt"], server.asked[-1][1]["suffix"]) == ("a", "c")


def test_lone_surrogate_in_the_prompt_does_no_harm(server: Any) -> None:
    assert said(RemoteEngine(server.url), Prompt(messages=(Message("user", "a\ud800b"),)))[0] == "one two"
    assert server.asked[0][1]["messages"][0]["content"] == "a?b"


def test_tokens_are_estimated_and_said_to_be(server: Any) -> None:
    engine = RemoteEngine(server.url)
    assert engine.count("def f(x):\n    return x") == estimate("def f(x):\n    return x") >= 7
    assert engine.describe().detail["count"] == "estimate"


# --------------------------------------------------------------------------- failures


def fails(engine: RemoteEngine, prompt: Prompt = CHAT) -> NbcopilotError:
    with pytest.raises(NbcopilotError) as caught:
        said(engine, prompt)
    assert "Traceback" not in str(caught.value) and "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, {"error": {"message": "bad key"}}, EngineUnavailableError, "refuses the key"),
        (404, {"error": {"message": "no"}}, UnknownModelError, "has no model `m`"),
        (
            400,
            {"error": {"message": "This model's maximum context length is 8"}},
            ContextOverflowError,
            "context length",
        ),
        (400, {"error": {"message": "x", "code": "context_length_exceeded"}}, ContextOverflowError, "x"),
        (400, {"detail": "odd"}, EngineError, r"refused the request \(400\): odd"),
        (429, {"error": {"message": "slow down"}}, EngineUnavailableError, r"busy \(429\)"),
        (500, "<html><b>oops</b></html>", EngineUnavailableError, r"failed \(500\)"),
        (503, {"error": "loading"}, EngineUnavailableError, "loading"),
        (
            400,
            {"error": {"message": "full", "nbcopilot_code": "disk-full", "hint": "make room"}},
            NbcopilotError,
            "full",
        ),
    ],
)
def test_refusal_is_one_sentence_of_the_right_kind(
    server: Any, status: int, body: object, kind: type[NbcopilotError], words: str
) -> None:
    server.reply = lambda handler, _: handler.json(status, body, retry_after="0")
    error = fails(RemoteEngine(server.url))
    assert isinstance(error, kind)
    with pytest.raises(kind, match=words):
        raise error


def test_busy_server_is_asked_again(server: Any) -> None:
    def reply(handler: Handler, body: object) -> None:
        handler.json(429, {}, retry_after="0") if len(server.asked) < 3 else handler.stream("late")

    server.reply = reply
    assert said(RemoteEngine(server.url))[0] == "late"


def test_nobody_there_is_one_sentence_with_the_address() -> None:
    error = fails(RemoteEngine("http://127.0.0.1:9"))
    assert isinstance(error, EngineUnavailableError) and "http://127.0.0.1:9" in error.message and error.hint


def test_wrong_url_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="is not the URL of a server"):
        RemoteEngine("localhost:8000")


def test_page_that_is_not_the_protocol_is_said(server: Any) -> None:
    server.reply = lambda handler, body: handler.json(200, "hello")
    assert isinstance(fails(RemoteEngine(server.url)), EngineError)


def test_server_that_dies_in_the_middle_gives_the_text_so_far_and_one_sentence(server: Any) -> None:
    server.reply = lambda handler, body: handler.stream("one ", "two\n", finish=None, usage=False, done=False)
    text = ""
    with pytest.raises(EngineUnavailableError, match="in the middle of the answer"):
        for chunk in RemoteEngine(server.url).generate(Prompt(messages=CHAT.messages, stop=("\n\n",)), Sampling()):
            text += chunk.text
    assert text == "one two\n"


def test_reason_that_is_only_given_without_streaming_is_asked_for(server: Any) -> None:
    def reply(handler: Handler, body: dict[str, Any]) -> None:
        if body["stream"]:
            handler.stream(finish=None, usage=False, done=False)
        else:
            handler.json(400, {"error": {"message": "maximum context length is 8 tokens"}})

    server.reply = reply
    assert isinstance(fails(RemoteEngine(server.url)), ContextOverflowError)


def test_error_within_the_stream_is_raised(server: Any) -> None:
    def reply(handler: Handler, body: object) -> None:
        handler.stream("one", finish=None, usage=False, done=False)
        handler.event({"error": {"nbcopilot": {"code": "out-of-memory", "message": "ran out"}}})

    server.reply = reply
    error = fails(RemoteEngine(server.url))
    assert error.code == "out-of-memory" and error.message == "ran out"


def test_closing_the_answer_closes_the_connection(server: Any) -> None:
    def reply(handler: Handler, body: object) -> None:
        handler.stream(*(["word "] * 200_000))

    server.reply = reply
    chunks = RemoteEngine(server.url).generate(CHAT, Sampling())
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert server.gone.wait(60)


def test_several_models_and_none_named_asks_which(server: Any) -> None:
    server.models = [{"id": "a"}, {"id": "b"}]
    error = fails(RemoteEngine(server.url))
    assert isinstance(error, UnknownModelError) and "a, b" in error.hint
    assert said(RemoteEngine(server.url, model="b"))[0] == "one two"


def test_server_without_a_list_of_models_is_used_when_the_model_is_named(server: Any) -> None:
    server.models = None
    assert said(RemoteEngine(server.url, model="x"))[0] == "one two"
    assert server.asked[0][1]["model"] == "x"


def test_proxy_of_the_environment_is_not_asked_for_this_machine(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert said(RemoteEngine(server.url))[0] == "one two"
