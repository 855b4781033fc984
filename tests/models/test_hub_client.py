"""Which files of a repository make a model."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from nbcopilot.models.hub_client import ChoiceError, choose


def test_transformers_files_are_weights_config_and_tokenizer_never_code() -> None:
    names = [
        "README.md",
        "config.json",
        "model.safetensors",
        "pytorch_model.bin",
        "tokenizer.json",
        "modeling_x.py",
        "onnx/model.onnx",
    ]
    assert choose(names) == ["model.safetensors", "config.json", "tokenizer.json"]


def test_shards_come_with_their_index() -> None:
    names = [
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ]
    assert choose(names) == [*sorted(names[1:]), "config.json"]


def test_old_weights_are_taken_when_there_are_no_others() -> None:
    assert choose(["config.json", "pytorch_model.bin", "training_args.bin"]) == ["pytorch_model.bin", "config.json"]


def test_one_gguf_is_the_model_and_among_several_the_usual_one() -> None:
    assert choose(["README.md", "x.Q8_0.gguf"]) == ["x.Q8_0.gguf"]
    assert choose(["x-q2_k.gguf", "x-Q4_K_M.gguf", "x-q4_k_m-00001-of-00002.gguf"]) == ["x-Q4_K_M.gguf"]


@pytest.mark.parametrize("names", [["a.Q2_K.gguf", "b.Q3_K.gguf"], ["README.md"], ["config.json", "tf_model.h5"]])
def test_no_telling_is_an_error(names: list[str]) -> None:
    with pytest.raises(ChoiceError, match=r"gguf"):
        choose(names)


def test_it_ends_when_its_parent_does() -> None:
    # Its standard input is closed at once: it must not go on, whatever it was asked.
    request = {"repo": "a/b", "revision": "main", "file": "c", "folder": "."}
    done = subprocess.run(
        [sys.executable, "-m", "nbcopilot.models.hub_client", json.dumps(request)],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
    )  # fmt: skip
    assert b"done" not in done.stdout
