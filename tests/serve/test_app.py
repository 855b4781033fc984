"""The protocol, over real HTTP: the official client, our own, many at once, and requests that are wrong."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from serving import Served, eventually, served

from nbcopilot.engine.fake import FakeEngine
from nbcopilot.engine.remote import RemoteEngine
from nbcopilot.errors import ContextOverflowError, NbcopilotError, UnknownModelError, UsageError
from nbcopilot.inference import Chunk, Message, Prompt, Sampling
from nbcopilot.serve import connections, responses
from nbcopilot.serve.guard import LONGEST_WAIT_SECONDS, SlowDown

pytestmark = pytest.mark.server
HELLO = Prompt(messages=(Message("user", "hello there"),))


def shout(prompt: Prompt) -> str:
    """What the fake says here: all that it was asked, in capitals."""
    if prompt.text is not None:
        return f"{prompt.text.upper()}|{(prompt.suffix or '').upper()}"
    return prompt.messages[-1].content.upper()


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(shout)


@pytest.fixture
def server(engine: FakeEngine) -> Iterator[Served]:
    with served(lambda name: engine) as running:
        yield running


@pytest.fixture
def client(server: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def post(server: Served, path: str, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **headers}
    return httpx.post(f"{server.url}/v1{path}", content=content, headers=sent, timeout=120)


# --------------------------------------------------------------------------- the official client


def test_official_client_chats(client: openai.OpenAI, engine: FakeEngine) -> None:
    answer = client.chat.completions.create(
        model="fake",
        messages=[{"role": "system", "content": "be loud"}, {"role": "user", "content": "hello there"}],
        temperature=0.5,
        seed=7,
        stop=["THERE"],
        max_tokens=50,
    )
    assert answer.choices[0].message.content == "HELLO "
    assert answer.choices[0].finish_reason == "stop" and answer.model == "fake"
    assert answer.usage and answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert engine.samplings[0] == Sampling(temperature=0.5, seed=7, max_tokens=50)
    assert engine.prompts[0].messages == (Message("system", "be loud"), Message("user", "hello there"))


def test_official_client_streams(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="fake",
        messages=[{"role": "user", "content": "one two three four five six seven"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "ONE TWO THREE FOUR FIVE SIX SEVEN" and len(texts) > 2
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens > 0


def test_official_client_fills_in_the_middle(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="fake", prompt="a", suffix="b")
    assert answer.choices[0].text == "A|B"


def test_several_prompts_and_candidates_are_numbered_as_the_protocol_has_it(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="fake", prompt=["a", "b"], n=2, temperature=1)
    assert [(choice.index, choice.text) for choice in answer.choices] == [(0, "A|"), (1, "A|"), (2, "B|"), (3, "B|")]
    answer = client.completions.create(model="fake", prompt=["a", "b", "c"])
    assert [choice.text for choice in answer.choices] == ["A|", "B|", "C|"]


def test_limit_is_told(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="fake", messages=[{"role": "user", "content": "a b c d"}], max_completion_tokens=2
    )
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("A B", "length")
    assert answer.usage and answer.usage.completion_tokens == 2


def test_logprobs_are_given(client: openai.OpenAI) -> None:
    chat = client.chat.completions.create(
        model="fake", messages=[{"role": "user", "content": "a b"}], logprobs=True, top_logprobs=1
    )
    assert chat.choices[0].logprobs and chat.choices[0].logprobs.content
    assert [token.token for token in chat.choices[0].logprobs.content] == ["A", " B"]
    text = client.completions.create(model="fake", prompt="a b", logprobs=0)
    assert text.choices[0].logprobs and text.choices[0].logprobs.tokens == ["A", " B", "|"]
    assert text.choices[0].logprobs.text_offset == [0, 1, 3]
    stream = list(client.completions.create(model="fake", prompt="a b", logprobs=0, stream=True))
    parts = [part.choices[0].logprobs for part in stream if part.choices and part.choices[0].logprobs]
    assert [offset for part in parts for offset in part.text_offset or []] == [0, 1, 3]


def test_logprobs_of_an_engine_without_them_are_refused(server: Served, engine: FakeEngine) -> None:
    (loaded,) = server.state.pool.loaded()
    object.__setattr__(loaded.info, "detail", {})
    body = {"messages": [{"role": "user", "content": "a"}], "logprobs": True}
    error = post(server, "/chat/completions", body).json()["error"]
    assert error["param"] == "logprobs" and "gives no logprobs" in error["message"]


def test_an_echo_is_for_completions_and_for_engines_that_can(server: Served) -> None:
    chat = {"messages": [{"role": "user", "content": "a"}], "echo": True}
    error = post(server, "/chat/completions", chat).json()["error"]
    assert error["param"] == "echo" and "/v1/completions" in error["message"]
    error = post(server, "/completions", {"prompt": "a", "echo": True}).json()["error"]
    assert error["param"] == "echo" and "gives no echo" in error["message"]


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["fake"]
    assert client.models.retrieve("fake").owned_by == "nbcopilot"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"model": "gpt-4"}, openai.NotFoundError, "No model `gpt-4` is served here"),
        ({"max_tokens": -1}, openai.BadRequestError, "`max_tokens` is -1"),
        ({"temperature": 9}, openai.BadRequestError, "0 to 5"),
        ({"n": 1000}, openai.BadRequestError, "1 to 32"),
        ({"messages": []}, openai.BadRequestError, "`messages` is empty"),
        ({"messages": [{"role": "robot", "content": "x"}]}, openai.BadRequestError, r"`messages\[0\].role` is 'robot'"),
        (
            {"tools": [{"type": "function", "function": {"name": "f"}}]},
            openai.BadRequestError,
            "`tools` is not supported",
        ),
        ({"response_format": {"type": "json_object"}}, openai.BadRequestError, "`response_format` is not supported"),
    ],
)
def test_wrong_request_is_refused_in_the_protocols_shape(
    client: openai.OpenAI, changes: dict[str, Any], kind: type[openai.APIStatusError], words: str
) -> None:
    request: dict[str, Any] = {"model": "fake", "messages": [{"role": "user", "content": "a"}], **changes}
    with pytest.raises(kind, match=words) as caught:
        client.chat.completions.create(**request)
    body: Any = caught.value.body
    assert set(body) >= {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"messages": 5}', b'{"prompt": {"a": 1}}', b"[" * 100_000]
)
@pytest.mark.parametrize("path", ["/chat/completions", "/completions"])
def test_malformed_body_is_one_sentence(server: Served, path: str, body: bytes) -> None:
    response = post(server, path, body)
    assert response.status_code == 400
    assert response.json()["error"]["message"] and "\n" not in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "content", ["plain", [{"type": "text", "text": "pl"}, {"type": "text", "text": "ain"}]], ids=["text", "parts"]
)
def test_text_may_come_in_parts_but_pictures_may_not(server: Served, content: Any) -> None:
    body = {"messages": [{"role": "user", "content": content}]}
    assert post(server, "/chat/completions", body).json()["choices"][0]["message"]["content"] == "PLAIN"
    body["messages"][0]["content"] = [{"type": "image_url", "image_url": {"url": "x"}}]
    assert "holds more than text" in post(server, "/chat/completions", body).json()["error"]["message"]


def test_lone_surrogate_is_answered(server: Served) -> None:
    body = b'{"messages": [{"role": "user", "content": "a\\ud800b"}]}'
    assert post(server, "/chat/completions", body).json()["choices"][0]["message"]["content"] == "A?B"


def test_started_answer_is_continued(server: Served, engine: FakeEngine) -> None:
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Sure: "}]
    post(server, "/chat/completions", {"messages": messages})
    assert engine.prompts[0].prefill == "Sure: " and len(engine.prompts[0].messages) == 1


def test_body_without_end_is_refused(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbcopilot.serve.responses.LIMIT_BYTES", 1000)
    assert "larger than" in post(server, "/completions", {"prompt": "x" * 2000}).json()["error"]["message"]


# --------------------------------------------------------------------------- our own client


def test_our_client_gets_all_that_an_engine_gives(server: Served, engine: FakeEngine) -> None:
    prompt = Prompt(messages=HELLO.messages, prefill="Well, ", stop=("X",) * 9, answer="markdown", language="julia")
    sampling = Sampling(0.5, 0.9, 40, 0.1, 1.1, 2, 11, 99, logprobs=0)
    chunks = list(server.engine().generate(prompt, sampling, candidates=2))
    assert engine.prompts == [prompt] and engine.samplings == [sampling]
    finals = [chunk for chunk in chunks if chunk.finish]
    assert [chunk.index for chunk in finals] == [0, 1]
    assert all(chunk.usage and chunk.usage.completion_tokens == engine.count("HELLO THERE") for chunk in finals)
    assert "".join(score.text for chunk in chunks if chunk.index == 0 for score in chunk.scores) == "HELLO THERE"


def test_model_is_described_as_it_is(server: Served, engine: FakeEngine) -> None:
    assert server.engine().describe() == engine.describe()
    assert server.engine().count("one two three") == engine.count("one two three")


def test_errors_arrive_as_they_were_raised() -> None:
    small = FakeEngine(shout, context_tokens=4)
    with served(lambda name: small) as running:
        with pytest.raises(ContextOverflowError, match="fake takes 4") as caught:
            list(running.engine().generate(Prompt(messages=(Message("user", "word " * 50),)), Sampling()))
        assert caught.value.hint
        with pytest.raises(UnknownModelError, match="No model `other`"):
            list(running.engine(model="other").generate(HELLO, Sampling()))
        with pytest.raises(UsageError, match="`max_tokens` is -3"):
            list(running.engine().generate(HELLO, Sampling(max_tokens=-3)))


def test_fault_of_the_engine_is_one_sentence_and_the_next_request_works() -> None:
    answers = iter([RuntimeError("secret detail"), None])

    def say(prompt: Prompt) -> str:
        fault = next(answers)
        if fault:
            raise fault
        return "fine"

    with served(lambda name: FakeEngine(say)) as running:
        with pytest.raises(NbcopilotError, match="The engine failed: RuntimeError") as caught:
            list(running.engine().generate(HELLO, Sampling()))
        assert caught.value.code == "internal" and "secret" not in str(caught.value)
        assert "".join(chunk.text for chunk in running.engine().generate(HELLO, Sampling())) == "fine"


# --------------------------------------------------------------------------- many, slow, gone


def test_fifty_clients_at_once_each_get_their_own_answer(server: Served) -> None:
    def ask(number: int) -> str:
        prompt = Prompt(messages=(Message("user", f"client {number} says hello"),))
        return "".join(chunk.text for chunk in server.engine().generate(prompt, Sampling()))

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(ask, range(50)))
    assert answers == [f"CLIENT {number} SAYS HELLO" for number in range(50)]
    assert eventually(lambda: not server.state.jobs) and server.state.queue.running == 0


def test_batch_of_prompts_is_answered_in_place(server: Served) -> None:
    prompts = [Prompt(messages=(Message("user", f"p{number}"),)) for number in range(20)]
    texts = [""] * 20
    for at, chunk in server.engine().generate_batch(prompts, Sampling()):
        texts[at] += chunk.text
    assert texts == [f"P{number}" for number in range(20)]


class Gated(FakeEngine):
    """A fake that says one chunk and then waits for `go`."""

    def __init__(self) -> None:
        super().__init__(lambda prompt: "word " * 50)
        self.go, self.begun = threading.Event(), 0

    def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Iterator[Chunk]:
        self.begun += 1
        with contextlib.closing(super().generate(prompt, sampling, candidates=candidates)) as chunks:  # type: ignore[type-var]
            for chunk in chunks:
                yield chunk
                self.go.wait(120)


@pytest.fixture
def gated() -> Iterator[tuple[Served, Gated]]:
    engine = Gated()
    with served(lambda name: engine) as running:
        yield running, engine
        engine.go.set()


def test_client_that_goes_ends_the_decoding_at_the_next_token(gated: tuple[Served, Gated]) -> None:
    server, engine = gated
    chunks = server.engine().generate(HELLO, Sampling())
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert eventually(lambda: all(job.stopped for job in server.state.jobs))
    engine.go.set()
    assert eventually(lambda: engine.cancelled == 1 and not server.state.jobs)


def test_client_that_goes_before_the_answer_ends_it_too(gated: tuple[Served, Gated]) -> None:
    server, engine = gated
    body = json.dumps({"messages": [{"role": "user", "content": "x"}]}).encode()
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as raw:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        raw.sendall(head.encode() + body)
        assert eventually(lambda: engine.begun == 1)
    assert eventually(lambda: all(job.stopped for job in server.state.jobs))
    engine.go.set()
    assert eventually(lambda: engine.cancelled == 1 and not server.state.jobs)


def test_reader_that_never_reads_does_not_hold_the_engine() -> None:
    with served(lambda name: FakeEngine(lambda prompt: "x" * 400_000)) as running:
        body = {"messages": [{"role": "user", "content": "x"}], "stream": True, "max_tokens": 1_000_000}
        data = json.dumps(body).encode()
        with socket.create_connection(("127.0.0.1", int(running.url.rpartition(":")[2]))) as raw:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
            raw.sendall(head.encode() + data)
            assert eventually(lambda: running.state.queue.running == 0 and running.state.counts["requests"] == 1)
            assert "".join(c.text for c in running.engine().generate(HELLO, Sampling(max_tokens=3)))


def test_typing_is_answered_while_a_batch_fills_all_places(gated: tuple[Served, Gated]) -> None:
    server, engine = gated
    prompts = [Prompt(messages=(Message("user", str(number)),)) for number in range(20)]
    batch = server.engine().generate_batch(prompts, Sampling())
    next(batch)
    assert eventually(lambda: engine.begun == 8)
    assert eventually(lambda: server.state.queue.waiting()["batch"] == 12)
    typed = server.engine().generate(Prompt(text="a", suffix="b"), Sampling())
    assert next(typed).text
    magic = server.engine().generate(HELLO, Sampling())
    assert next(magic).text
    engine.go.set()
    for stream in (batch, typed, magic):
        for _ in stream:
            pass


def test_newer_completion_of_an_editor_voids_the_older(gated: tuple[Served, Gated]) -> None:
    server, engine = gated

    def suggest(prefix: str) -> str:
        body = {"prefix": prefix, "suffix": "\n", "client": "editor 1", "budget_seconds": 120}
        return str(post(server, "/nbcopilot/complete", body).json()["finish"])

    with ThreadPoolExecutor(2) as threads:
        older = threads.submit(suggest, "x = ")
        assert eventually(lambda: engine.begun == 1)
        newer = threads.submit(suggest, "y = ")
        assert eventually(lambda: any(job.reason == "superseded" for job in server.state.jobs))
        engine.go.set()
        assert (older.result(60), newer.result(60)) == ("superseded", "stop")


def test_shutdown_waits_for_running_answers_unless_told_now(gated: tuple[Served, Gated]) -> None:
    server, engine = gated
    stopped: list[bool] = []
    server.state.stop = stopped.append
    assert post(server, "/nbcopilot/shutdown", {}).status_code == 403, "over the network nobody may"
    server.state.open_to_all = True  # the loopback stands for the private socket where there is none
    running = server.engine().generate(HELLO, Sampling())
    first = next(running)
    assert post(server, "/nbcopilot/shutdown", {}).json() == {"stopping": True, "running": 1}
    assert stopped == [False]
    engine.go.set()
    assert first.text + "".join(chunk.text for chunk in running) == "word " * 50


# --------------------------------------------------------------------------- who may come in


def test_key_is_asked_for_and_compared(engine: FakeEngine) -> None:
    with served(lambda name: engine, key="s3cret") as running:
        assert httpx.get(f"{running.url}/v1/models").status_code == 401
        assert httpx.get(f"{running.url}/health").status_code == 200
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(base_url=f"{running.url}/v1", api_key="wrong", max_retries=0).models.list()
        with pytest.raises(NbcopilotError, match="refuses the key"):
            RemoteEngine(running.url, api_key="wrong").describe()
        assert RemoteEngine(running.url, api_key="s3cret").describe().id == "fake"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example:8321"}, 403),
        ({"Origin": "http://localhost:8888"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Host": "[::1]:8321"}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]evil.example"}, 403),
        ({"Host": "localhost@evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": ""}, 403),
        ({}, 200),
    ],
)
def test_web_pages_cannot_reach_a_server_without_a_key(server: Served, headers: dict[str, str], status: int) -> None:
    assert httpx.get(f"{server.url}/v1/models", headers=headers).status_code == status


def test_a_page_is_refused_with_the_key_too_unless_it_is_allowed(engine: FakeEngine) -> None:
    page = {"Origin": "https://lab.example", "Authorization": "Bearer s3cret"}
    with served(lambda name: engine, key="s3cret") as running:
        assert httpx.get(f"{running.url}/v1/models", headers=page).status_code == 403
    with served(lambda name: engine, key="s3cret", origins=frozenset({"https://lab.example"})) as running:
        found = httpx.get(f"{running.url}/v1/models", headers=page)
        assert found.status_code == 200 and found.headers["access-control-allow-origin"] == "https://lab.example"
        other = {**page, "Origin": "https://evil.example"}
        assert httpx.get(f"{running.url}/v1/models", headers=other).status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_form_can_send_is_not_read(server: Served, kind: str) -> None:
    found = post(
        server, "/chat/completions", {"messages": [{"role": "user", "content": "x"}]}, **{"Content-Type": kind}
    )
    assert found.status_code == 415 and server.state.counts["requests"] == 0


def test_each_wrong_key_of_an_address_waits_longer_up_to_a_limit() -> None:
    slow = SlowDown()
    waits = [slow.wait("a") for _ in range(12)]
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8] and waits[-1] == LONGEST_WAIT_SECONDS
    assert slow.wait("b") == 0.1
    slow.forget("a")
    assert slow.wait("a") == 0.1


def test_connections_without_a_header_make_room_and_end(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "most_waiting", lambda: 5)
    monkeypatch.setattr(connections, "HEADER_SECONDS", 1.0)
    port = int(server.url.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(20)]
        for one in slow:
            one.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert httpx.get(f"{server.url}/v1/models", timeout=60).status_code == 200
        for one in slow:
            one.settimeout(60)
            with contextlib.suppress(ConnectionError):
                assert one.recv(1) == b"", "closed, first for want of room, then for want of a header"
        assert not connections.Protocol.waiting


def test_a_body_that_does_not_come_is_not_waited_for(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "BODY_SECONDS", 0.5)
    head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as raw:
        raw.settimeout(60)
        raw.sendall(head.encode())
        assert raw.recv(1000).startswith(b"HTTP/1.1 400")


def test_strangers_cannot_have_models_loaded() -> None:
    asked: list[str] = []

    def load(name: str) -> FakeEngine:
        asked.append(name)
        return FakeEngine()

    with served(load) as closed:
        for path in ("/nbcopilot/load", "/nbcopilot/tokenize", "/nbcopilot/complete", "/completions"):
            body = {"model": "/etc/passwd", "text": "x", "prompt": "x", "prefix": "x"}
            assert post(closed, path, body).status_code == 404
        assert asked == ["fake"]
    with served(load, open_to_all=True) as opened:
        assert post(opened, "/nbcopilot/load", {"model": "other"}).status_code == 200
        assert asked[-1] == "other"


# --------------------------------------------------------------------------- looking at it


def test_status_counts_what_was_done(server: Served) -> None:
    list(server.engine().generate(HELLO, Sampling()))
    list(server.engine().generate(HELLO, Sampling()))
    found = httpx.get(f"{server.url}/v1/nbcopilot/status").json()
    assert found["requests"] == found["answers"] == 2 and found["loads"] == 1
    assert found["queue"] == {"running": 0, "waiting": {"inline": 0, "interactive": 0, "batch": 0}}
    assert found["models"][0]["id"] == "fake" and found["memory_bytes"] > 0


def test_looking_does_not_keep_the_engine_awake(server: Served) -> None:
    before = server.state.touched
    httpx.get(f"{server.url}/v1/nbcopilot/status")
    httpx.get(f"{server.url}/v1/models")
    assert server.state.touched == before
    post(server, "/nbcopilot/tokenize", {"text": "a"})
    assert server.state.touched > before
