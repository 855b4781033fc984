"""One folder's files in the resident engine that all notebooks share: they harm nobody but who names them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file
from serving import eventually, pid_of

from nbcopilot.config import Config
from nbcopilot.errors import EngineError, ModelCorruptError
from nbcopilot.inference import Message, Prompt, Sampling
from nbcopilot.serve import client

from .conftest import qwen2, saved

pytestmark = pytest.mark.server
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}{{ messages }}"
ASK = Prompt(messages=(Message("user", "write a function is_prime(n)"),))
ASKER = """
import sys
from nbcopilot.config import Config
from nbcopilot.serve.client import connect
from nbcopilot.inference import Message, Prompt, Sampling
engine = connect(Config(model=sys.argv[1]))
print("asking", flush=True)
list(engine.generate(Prompt(messages=(Message("user", "x"),)), Sampling(max_tokens=4)))
"""


def answer(model: str) -> str:
    engine = client.connect(Config(model=model))
    return "".join(chunk.text for chunk in engine.generate(ASK, Sampling(max_tokens=8)))


@pytest.fixture
def place() -> Path:
    import os

    return Path(os.environ["NBCOPILOT_RUNTIME_DIR"])


def test_weights_of_another_size_are_one_sentence_and_the_engine_lives(tmp_path: Path, place: Path) -> None:
    folder = saved(qwen2(), tmp_path / "bad")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.0.self_attn.o_proj.weight"] = torch.ones(100_000, 128)
    save_file(tensors, folder / "model.safetensors")
    assert answer("fake")
    before = pid_of(place)
    for _ in range(2):
        with pytest.raises(ModelCorruptError, match=r"o_proj\.weight` has the shape 100000 x 128"):
            answer(str(folder))
    assert answer("fake") and pid_of(place) == before


def test_an_endless_template_holds_up_nobody_and_ends_when_its_asker_has_gone(tmp_path: Path, place: Path) -> None:
    folder = saved(qwen2(), tmp_path / "endless")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": LOOP}))
    assert answer("fake")
    before = pid_of(place)
    with pytest.raises(EngineError, match="chat template cannot be used"):
        answer(str(folder))
    askers = [subprocess.Popen([sys.executable, "-c", ASKER, str(folder)], stdout=subprocess.PIPE) for _ in range(3)]
    for asker in askers:
        assert asker.stdout is not None and asker.stdout.readline() == b"asking\n"
    assert answer("fake")  # while the template computes
    for asker in askers:
        asker.kill()
        asker.wait()
    engine = psutil.Process(before)

    def computed() -> float:
        alive = [engine, *engine.children(recursive=True)]
        start = sum(sum(process.cpu_times()[:2]) for process in alive)
        time.sleep(3)
        return sum(sum(process.cpu_times()[:2]) for process in alive if process.is_running()) - start

    assert eventually(lambda: computed() < 0.1, 120)
    assert answer("fake") and pid_of(place) == before
