"""RemoteEngine against a real server of other people: llama-cpp-python's, when the `bench` extra is installed."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from nbcopilot.engine.remote import RemoteEngine
from nbcopilot.errors import ContextOverflowError, EngineUnavailableError
from nbcopilot.inference import Message, Prompt, Sampling

pytestmark = [pytest.mark.model, pytest.mark.server]
MODEL = "qwen2.5-coder-0.5b"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    from nbcopilot.models.store import Store

    pytest.importorskip(
        "llama_cpp.server.app", reason="the bench extra is not installed (pip install nbcopilot[bench])"
    )
    path = Store().pull(MODEL).path
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--model", str(path), "--model_alias", MODEL, "--port", str(port), "--n_ctx", "1024"]
    with subprocess.Popen([sys.executable, "-m", "llama_cpp.server", *options]) as process:
        try:
            yield _when_ready(f"http://127.0.0.1:{port}")
        finally:
            process.kill()


def _when_ready(url: str) -> str:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            RemoteEngine(url).describe()
            return url
        except EngineUnavailableError:
            time.sleep(0.2)
    raise TimeoutError(url)


def say(engine: RemoteEngine, prompt: Prompt) -> str:
    chunks = list(engine.generate(prompt, Sampling(max_tokens=60)))
    assert chunks[-1].finish and chunks[-1].usage
    return "".join(chunk.text for chunk in chunks)


def test_code_comes_without_the_fence_that_it_cannot_be_given(url: str) -> None:
    ask = (Message("user", "Write a Python function add(a, b). Answer with one code block."),)
    text = say(RemoteEngine(url), Prompt(messages=ask, prefill="Here it is:\n```python\n", stop=("\n```",)))
    assert text.lstrip().startswith("def add(a, b)") and "```" not in text


def test_gap_is_filled(url: str) -> None:
    suffix = "\n    for value in values:\n        result += value\n    return result\n"
    prompt = Prompt(text="def total(values):\n    result =", suffix=suffix, stop=("\n",))
    assert say(RemoteEngine(url), prompt).strip() == "0"


def test_prompt_that_is_too_long_is_said_to_be(url: str) -> None:
    with pytest.raises(ContextOverflowError):
        say(RemoteEngine(url), Prompt(messages=(Message("user", "word " * 3000),)))


def test_batch_and_candidates_are_answered(url: str) -> None:
    engine = RemoteEngine(url)
    prompts = [Prompt(messages=(Message("user", f"Say {word}."),)) for word in ("one", "two")]
    texts = ["", ""]
    for at, chunk in engine.generate_batch(prompts, Sampling(max_tokens=8)):
        texts[at] += chunk.text
    assert all(texts)
    finishes = list(engine.generate(prompts[0], Sampling(max_tokens=4, temperature=1, seed=1), candidates=2))
    assert sorted(chunk.index for chunk in finishes if chunk.finish) == [0, 1]
