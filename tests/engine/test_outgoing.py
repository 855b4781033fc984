"""What an engine behind a URL gets has been redacted, whoever asks: the wire itself is looked at."""

from __future__ import annotations

import ast
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import nbcopilot
from nbcopilot import urls
from nbcopilot.config import Config
from nbcopilot.engine.outgoing import RedactingEngine, engine_at
from nbcopilot.engine.protocol import Engine
from nbcopilot.engine.remote import RemoteEngine
from nbcopilot.inference import Message, Prompt, Sampling
from nbcopilot.pipeline import Copilot
from nbcopilot.serve.complete import Completer, Gap
from nbcopilot.session import Session
from nbcopilot.types import ErrorInfo, Notebook, Target, Task

KEY, PASSWORD = "AKIA" + "IOSFODNN7EXAMPLF", "hunter2" + "hunter2"
SECRET = f'connect(password="{PASSWORD}", key="{KEY}")'


class Wire(BaseHTTPRequestHandler):
    """An OpenAI-compatible server of some other make that keeps what it gets."""

    got: list[str]

    def do_GET(self) -> None:
        self._say({"data": [{"id": "other", "owned_by": "nbcopilot" if self.path.endswith("ours") else "somebody"}]})

    def do_POST(self) -> None:
        self.got.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        text = "```python\nraise ValueError('x')\n```"
        choice = {"index": 0, "text": text, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        self._say({"choices": [choice]})

    def _say(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def wire() -> Iterator[tuple[str, list[str]]]:
    handler = type("Handler", (Wire,), {"got": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1", handler.got
    server.shutdown()
    server.server_close()


def engine(url: str) -> Engine:
    return Session(Config(engine=url, model="other")).engine()


def assert_clean(got: list[str]) -> None:
    body = "\n".join(got)
    assert got and "redacted:" in body
    assert PASSWORD not in body and KEY not in body


def test_prompts_of_every_form_are_redacted(wire: tuple[str, list[str]]) -> None:
    url, got = wire
    one = engine(url)
    chat = Prompt((Message("system", SECRET), Message("user", SECRET), Message("assistant", SECRET)), prefill=SECRET)
    for prompt in (chat, Prompt(text=SECRET), Prompt(text=SECRET, suffix=SECRET)):
        list(one.generate(prompt, Sampling()))
        list(one.generate_batch([prompt, prompt], Sampling()))
    assert len(got) >= 9
    assert_clean(got)


def test_ghost_text_is_redacted(wire: tuple[str, list[str]]) -> None:
    url, got = wire
    gap = Gap(prefix=f"{SECRET}\nx = ", suffix=SECRET, before=(SECRET,))
    list(Completer().suggest(engine(url), gap))
    assert_clean(got)


def test_a_secret_that_the_cursor_stands_in_is_redacted_on_both_sides(wire: tuple[str, list[str]]) -> None:
    url, got = wire
    for at in range(1, len(PASSWORD)):
        list(
            engine(url).generate(Prompt(text=f'password = "{PASSWORD[:at]}', suffix=f'{PASSWORD[at:]}"\n'), Sampling())
        )
    assert all("hunter" not in body and "ter2" not in body for body in got)


def test_what_an_error_quotes_is_redacted_in_repair_turns(wire: tuple[str, list[str]]) -> None:
    url, got = wire
    notebook = Notebook(error=ErrorInfo("ValueError", SECRET, f"Traceback\n{SECRET}", source="f()"))
    copilot = Copilot(engine(url), Config(redact=False, check=False))  # a caller that forgets it
    copilot.run(Task("fix", "", Target(f"f()  # {SECRET}"), check=False), notebook)
    assert_clean(got)


def test_a_text_is_redacted_before_it_is_counted() -> None:
    class Counting:
        def count(self, text: str) -> int:
            seen.append(text)
            return 1

    seen: list[str] = []
    RedactingEngine(Counting()).count(SECRET)  # type: ignore[arg-type]
    assert_clean(seen)


@pytest.mark.parametrize(
    ("url", "on", "wrapped"),
    [("http://gpu.example.org/v1", False, True), ("http://127.0.0.1.example.org:80/v1", False, True), ("http://10.0.0.5:8000/v1", False, True),
     ("http://localhost:11434/v1", False, False), ("http://[::1]:8000/v1", False, False), ("http://127.0.0.1:8000/v1", True, True)],
)  # fmt: skip
def test_only_for_this_machine_can_it_be_switched_off(url: str, on: bool, wrapped: bool) -> None:
    assert isinstance(engine_at(url, on=on), RedactingEngine) == wrapped
    assert isinstance(engine_at(url, on=on), RemoteEngine) != wrapped
    assert on or wrapped != urls.is_local(url)


def test_no_other_code_makes_an_engine_for_a_url() -> None:
    package = Path(nbcopilot.__file__).parent
    makers = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "RemoteEngine"
    ]
    assert set(makers) == {"engine/outgoing.py"}
