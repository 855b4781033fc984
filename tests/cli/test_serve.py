"""`nbcopilot serve | stop | status` as a user meets them. Real processes, the fake engine."""

from __future__ import annotations

import argparse
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import pytest

from nbcopilot.cli import serve
from nbcopilot.config import Config
from nbcopilot.errors import EngineUnavailableError, UsageError
from nbcopilot.serve import client, runtime

pytestmark = pytest.mark.server
SERVE = "import sys; from nbcopilot.cli import serve; import argparse; p = argparse.ArgumentParser(); serve.add_parser(p.add_subparsers(dest='command')); sys.exit(serve.run(p.parse_args()))"


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    serve.add_parser(parser.add_subparsers(dest="command"))
    return serve.run(parser.parse_args(words))


@pytest.fixture
def place() -> Path:
    return runtime.folder()


@dataclass
class Foreground:
    """A running `nbcopilot serve`, and where it says that it answers."""

    process: subprocess.Popen[str]
    url: str


@contextmanager
def started() -> Iterator[Foreground]:
    command = [sys.executable, "-c", SERVE, "serve", "--port", "0", "--model", "fake"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            lines = []
            while "answers at" not in (line := process.stderr.readline()):
                assert line, "".join(lines)
                lines.append(line)
            found = re.search(r"http://127\.0\.0\.1:[1-9]\d*(?=/v1 )", line)
            assert found, line
            yield Foreground(process, found[0])
        finally:
            process.kill()


@pytest.fixture
def foreground(place: Path) -> Iterator[Foreground]:
    with started() as found:
        yield found


def test_status_without_an_engine_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status") == 3
    assert "No resident engine is running" in capsys.readouterr().out
    assert run("status", "--json") == 3
    assert json.loads(capsys.readouterr().out) == {"running": False}
    assert run("stop") == 0


def test_status_shows_model_memory_queue_and_speed(capsys: pytest.CaptureFixture[str]) -> None:
    client.connect(Config(model="fake"))
    assert run("status") == 0
    shown = capsys.readouterr().out
    for words in (
        "version 0.1.0, process",
        "memory   ",
        "running  0 (waiting: none)",
        "fake (none on cpu",
        "inline   0",
    ):
        assert words in shown
    assert run("status", "--json") == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["running"] is True and found["models"][0]["id"] == "fake"
    assert run("stop") == 0 and run("status") == 3


def test_foreground_serves_other_programs_and_notebooks_from_one_process(foreground: Foreground, place: Path) -> None:
    other = openai.OpenAI(base_url=f"{foreground.url}/v1", api_key="none", max_retries=0)
    assert [model.id for model in other.models.list()] == ["fake"]
    assert client.connect(Config(model="fake")).describe().id == "fake"
    status = client.status(place)
    assert status is not None and status["pid"] == foreground.process.pid and status["loads"] == 1
    with pytest.raises(EngineUnavailableError, match=f"served already .process {foreground.process.pid}"):
        run("serve", "--port", "0", "--model", "fake")


@pytest.mark.parametrize("how", ["stop", signal.SIGINT, signal.SIGTERM])
def test_foreground_ends_cleanly(foreground: Foreground, place: Path, how: str | signal.Signals) -> None:
    process = foreground.process
    if isinstance(how, signal.Signals):
        process.send_signal(how)
    else:
        assert run("stop") == 0
    assert process.wait(60) == 0
    assert process.stderr is not None and "Traceback" not in process.stderr.read()
    assert runtime.read(place) is None


def test_background_engine_makes_room_for_the_foreground(place: Path) -> None:
    client.connect(Config(model="fake"))
    with started() as found:
        record = runtime.read(place)
        assert record is not None and record.pid == found.process.pid
        answer = httpx.get(f"{found.url}/health", trust_env=False, timeout=60)
        assert answer.json() == {"status": "ok"}


def test_without_a_key_it_never_listens_to_the_network() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(UsageError, match=f"not on {host}"):
            run("serve", "--host", host)


def test_taken_port_is_one_sentence(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EngineUnavailableError, match=f"Cannot listen on 127.0.0.1:{port}"):
            run("serve", "--port", str(port), "--model", "fake")
    lock = runtime.acquire(place)
    assert lock is not None and list(place.glob("*.sock")) == []
    lock.release()
