from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from nbcopilot.engine.checkpoint import open_checkpoint
from nbcopilot.engine.device import Placement
from nbcopilot.engine.loading import NATIVE, load_model, prepare
from nbcopilot.engine.model import Segment
from nbcopilot.engine.model_config import ModelConfig
from nbcopilot.engine.quantize import has_vnni
from nbcopilot.errors import ModelCorruptError
from nbcopilot.models.store import Store, ensure

from .conftest import Opener, answer, gpt2, qwen2, saved

PLACES = [Placement("cpu", "int8"), Placement("cpu", "float32")]


@pytest.mark.parametrize("place", PLACES)
def test_a_model_is_converted_once(place: Placement, qwen_folder: Path) -> None:
    notes: list[str] = []
    source = ensure(str(qwen_folder))
    shutil.rmtree(Store().folder(source.ref), ignore_errors=True)
    load_model(source, place, 1, lambda done, total, note: notes.append(note)).model.close()
    assert notes
    notes.clear()
    load_model(source, place, 1, lambda done, total, note: notes.append(note)).model.close()
    assert notes == []


def test_a_damaged_copy_is_made_again(qwen_folder: Path, opened: Opener) -> None:
    wanted = answer(opened(qwen_folder), "def add(a, b):")
    source = ensure(str(qwen_folder))
    weights = prepare(source, NATIVE) / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:-4096])
    assert answer(opened(qwen_folder), "def add(a, b):") == wanted


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16", "int8"])
@pytest.mark.parametrize("folder", ["qwen_folder", "gpt2_folder"])
def test_every_precision_computes_what_transformers_does(
    precision: str, folder: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the kernels: within 1e-4 in float32, a few percent in the narrow types."""
    monkeypatch.setenv("NBCOPILOT_KERNELS", "off")
    path = request.getfixturevalue(folder)
    model = load_model(ensure(str(path)), Placement("cpu", precision), 1).model
    ids = list(range(6, 70))
    cache = model.new_cache(len(ids))
    model.forward([Segment(cache, ids[:20], 0)])
    got = torch.from_numpy(model.forward([Segment(cache, ids[20:], 44)]))
    reference = qwen2() if folder == "qwen_folder" else gpt2()
    with torch.inference_mode():
        wanted = reference(torch.tensor([ids])).logits[0, 20:]
    # Without VNNI the inputs of int8 layers have 7 bits, which doubles what is lost (`Int8Linear`).
    int8 = 0.08 if has_vnni() else 0.16
    limit = {"float32": 1e-4, "float16": 0.01, "int8": int8}.get(precision, 0.08)
    assert torch.linalg.norm(got - wanted) < limit * torch.linalg.norm(wanted)


def test_tied_and_old_files_are_read(tmp_path: Path, opened: Opener) -> None:
    """A model whose output matrix is its embedding, in pytorch_model.bin."""
    model = qwen2(tie_word_embeddings=True)
    folder = saved(model, tmp_path / "tied")
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    shape = ModelConfig.read(open_checkpoint(folder).config)
    assert shape is not None and shape.tied
    assert answer(opened(folder), "x") and answer(opened(folder, precision="float32"), "x")


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "gpt2"},
        {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
        {"use_sliding_window": True, "sliding_window": 128},
        {"hidden_act": "gelu"},
        {"mlp_bias": True},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}},
    ],
)
def test_what_is_not_computed_here_is_left_to_transformers(changes: dict[str, object], qwen_folder: Path) -> None:
    config = open_checkpoint(qwen_folder).config
    assert ModelConfig.read(config) is not None
    assert ModelConfig.read(config | changes) is None


def test_missing_weights_are_one_sentence(tmp_path: Path, qwen_folder: Path, opened: Opener) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(qwen_folder, broken)
    (broken / "model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(ModelCorruptError, match="cannot be read"):
        opened(broken)
    (broken / "model.safetensors").unlink()
    with pytest.raises(ModelCorruptError, match="has no tensor"):
        opened(broken)
    (broken / "config.json").write_text("{")
    with pytest.raises(ModelCorruptError, match=r"config\.json"):
        opened(broken)
