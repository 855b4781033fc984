"""The resident engine with the real 0.5b: shared by two kernels and the command line, warm across a restart."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import nbformat
import openai
import pytest
from driver import FrontEnd, text_of
from serving import daemons, pid_of

from nbcopilot.cli.serve import text as status_text
from nbcopilot.config import Config
from nbcopilot.inference import Message, Prompt, Sampling
from nbcopilot.serve import client, runtime
from nbcopilot.serve.complete import Gap

MODEL = "qwen2.5-coder-0.5b"
ASK = "%%generate --max-tokens 120 --no-check\nWrite a function double(x) that returns twice its argument."

pytestmark = [pytest.mark.model, pytest.mark.server]


@pytest.fixture
def environ(place: Path) -> Iterator[dict[str, str]]:
    from nbcopilot.models.store import Store

    Store().pull(MODEL)
    yield {**os.environ, "NBCOPILOT_MODEL": MODEL}


def cells(front: FrontEnd, name: str) -> list[str]:
    """What was written that defines the function `name`."""
    return [cell.source for cell in front.nb.cells if f"def {name}" in cell.source and "%%" not in cell.source]


@pytest.mark.kernel
def test_two_kernels_and_the_command_line_share_one_process_and_one_load(
    place: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    with (
        FrontEnd(nbformat.v4.new_notebook(), env=environ, cwd=tmp_path) as first,
        FrontEnd(nbformat.v4.new_notebook(), env=environ, cwd=tmp_path) as second,
    ):
        for front in (first, second):
            front.run("%load_ext nbcopilot")
            cell = front.run(ASK)
            assert cells(front, "double"), text_of(cell)
        process = pid_of(place)
        first.restart()
        first.run("%load_ext nbcopilot")
        cell = first.run(ASK.replace("double", "triple").replace("twice", "three times"))
        assert cells(first, "triple"), text_of(cell)
    command = [sys.executable, "-m", "nbcopilot", "generate", "a function half(x)", "--max-tokens", "80", "--no-check"]
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "def half" in done.stdout, done.stderr
    found = client.status(place)
    assert found is not None
    assert [one.pid for one in daemons(place)] == [process] == [found["pid"]]
    assert found["loads"] == 1 and found["answers"] >= 4
    assert [model["id"] for model in found["models"]] == [MODEL]


def test_real_answers_keep_the_protocol(place: Path, environ: dict[str, str]) -> None:
    engine = client.connect(Config(model=MODEL))
    prompt = Prompt(
        messages=(Message("user", "Write a Python function add(a, b)."),), prefill="```python\n", stop=("\n```",)
    )

    def say(candidates: int = 1, **changes: int) -> list[str]:
        texts = [""] * candidates
        for chunk in engine.generate(prompt, Sampling(max_tokens=60, **changes), candidates=candidates):
            texts[chunk.index] += chunk.text
        return texts

    (text,) = say()
    assert "def add(a, b)" in text and "```" not in text
    assert say() == [text] and say(candidates=2) == [text, text]
    assert engine.count("def add(a, b):") == 6
    record = runtime.read(place)
    assert record is not None
    with openai.OpenAI(base_url="http://localhost/v1", api_key="-", http_client=_over(record.socket)) as official:
        scored = official.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "1+1="}], max_tokens=4, logprobs=True, top_logprobs=2
        )
        assert scored.choices[0].logprobs and scored.choices[0].logprobs.content
        assert all(len(token.top_logprobs) == 2 for token in scored.choices[0].logprobs.content)
        gap = official.completions.create(
            model=MODEL,
            prompt="def mean(values):\n    return ",
            suffix="\n",
            n=2,
            temperature=0,  # unlike ours, the protocol's default is 1
            max_tokens=12,
            stop="\n",
            logprobs=1,
        )
        assert [choice.text for choice in gap.choices] == [gap.choices[0].text] * 2 and "sum" in gap.choices[0].text
        assert gap.usage and gap.usage.completion_tokens >= 2 and gap.choices[0].logprobs
        told = official.completions.create(
            model=MODEL, prompt="import numpy as np", echo=True, logprobs=0, max_tokens=1
        )
        scores = told.choices[0].logprobs
        assert (
            scores and scores.tokens and scores.token_logprobs and told.choices[0].text.startswith("import numpy as np")
        )
        assert scores.tokens[:4] == ["import", " numpy", " as", " np"] and (scores.token_logprobs[3] or 0) > -0.1
        with pytest.raises(openai.BadRequestError, match="tokens") as caught:
            official.completions.create(model=MODEL, prompt="word " * 60_000, max_tokens=5)
        assert caught.value.code == "context_length_exceeded"
    found = client.status(place)
    assert found is not None
    shown = status_text(found)
    assert "kept prefixes" in shown and shown.count("of at most 1.0 GB") == 2, shown


def test_gap_is_filled_with_what_belongs_there(place: Path, environ: dict[str, str]) -> None:
    engine = client.connect(Config(model=MODEL))
    after = "\n    for value in values:\n        result += value\n    return result\n"
    gap = Gap("def total(values):\n    result = ", after, budget_seconds=120)
    (*_, suggestion) = engine.suggest(gap)
    assert suggestion.text == "0" and suggestion.finish == "stop"


def test_half_a_word_is_continued(place: Path, environ: dict[str, str]) -> None:
    """Read as it stands, `max(are` goes on with `s)`, and `thres` with `old_value`."""
    engine = client.connect(Config(model=MODEL))
    areas = "def area(w, h):\n    return w * h\n\nsizes = [(1, 2), (3, 4)]\nareas = [area(w, h) for w, h in sizes]\n"
    (*_, suggestion) = engine.suggest(Gap("largest = max(are", "\n", before=(areas,), budget_seconds=120))
    assert suggestion.text == "as)"
    asked = Prompt(text="threshold_value = 3\nprint(thres", suffix=")\n")
    said = "".join(chunk.text for chunk in engine.generate(asked, Sampling(max_tokens=6)))
    assert said.startswith("hold_value")


def _over(socket: str) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=socket))
