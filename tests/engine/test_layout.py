"""Tensors of a model file are held against the config's shape before anything computes on them: every one, on the way
into the store and on the way out of it."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from nbcopilot.engine import device, layout
from nbcopilot.engine.checkpoint import open_checkpoint
from nbcopilot.engine.convert import convert
from nbcopilot.engine.convert_native import convert_native
from nbcopilot.engine.device import Placement
from nbcopilot.engine.loading import load_model
from nbcopilot.engine.model import Segment
from nbcopilot.engine.model_config import ModelConfig
from nbcopilot.engine.native.binding import Library
from nbcopilot.engine.native_model import NativeModel
from nbcopilot.engine.transformer import Transformer
from nbcopilot.errors import InternalError, ModelCorruptError
from nbcopilot.models.files import write_manifest
from nbcopilot.models.store import ensure

from .conftest import Opener, answer, qwen2, saved

Edit = Callable[[torch.Tensor], torch.Tensor]
EDITS: dict[str, Edit] = {
    "one row more": lambda t: torch.cat([t, t[:1]]),
    "one row less": lambda t: t[:-1].clone(),
    "twice as wide": lambda t: torch.cat([t, t], dim=-1),
    "one dimension more": lambda t: t[None].clone(),
    "other numbers": lambda t: t.to(torch.int64),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One layer is as good as many: every name is tried."""
    return saved(qwen2(layers=1), tmp_path_factory.mktemp("numbers") / "source")


def names(source: Path) -> list[str]:
    shape = ModelConfig.read(open_checkpoint(source).config)
    assert shape is not None
    return list(layout.published(shape))


def with_tensor(source: Path, folder: Path, name: str, edit: Edit | None) -> Path:
    shutil.copytree(source, folder)
    tensors = load_file(folder / "model.safetensors")
    found = tensors.pop(name)
    if edit is not None:
        tensors[name] = edit(found).contiguous()
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("edit", EDITS)
def test_no_tensor_of_another_size_or_kind_is_converted(edit: str, source: Path, tmp_path: Path) -> None:
    for number, name in enumerate(names(source)):
        changed = with_tensor(source, tmp_path / str(number), name, EDITS[edit])
        out = tmp_path / f"{number}-converted"
        out.mkdir()
        for into in (convert_native, lambda source, out: convert(source, out, "float32")):
            with pytest.raises(ModelCorruptError, match=name.replace(".", r"\.")):
                into(changed, out)
        assert not list(out.iterdir())  # nothing was computed first


def test_no_tensor_may_be_missing_or_hold_other_than_numbers(source: Path, tmp_path: Path) -> None:
    for number, name in enumerate(names(source)):
        with pytest.raises(ModelCorruptError, match="has no tensor"):
            convert_native(with_tensor(source, tmp_path / f"{number}a", name, None), tmp_path)
        spoilt = with_tensor(source, tmp_path / f"{number}b", name, lambda t: t * float("nan"))
        with pytest.raises(ModelCorruptError, match="not finite"):
            convert_native(spoilt, tmp_path)


@pytest.fixture(scope="module")
def packed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    convert_native(source, folder)
    return folder


def test_no_number_of_the_kernels_index_is_believed(packed: Path) -> None:
    """Every number of weights.json, replaced by others: refused, or (an offset, the context) still within the file."""
    index = json.loads((packed / "weights.json").read_text())
    size = (packed / "weights.bin").stat().st_size
    shape, _ = layout.check_packed(index, size)
    refused = tried = 0
    for section in [index, index["shape"], *index["tensors"].values()]:
        for key, value in list(section.items()):
            if isinstance(value, dict):
                continue
            for other in (
                0,
                -1,
                1,
                7,
                2**31,
                2**63,
                10**30,
                None,
                "128",
                0.5,
                float("nan"),
                True,
                [value],
                value * 2,
                size - 64,
            ):
                if other == value and type(other) is type(value):
                    continue
                section[key], tried = other, tried + 1
                try:
                    found, _ = layout.check_packed(index, size)
                except ModelCorruptError:
                    refused += 1
                else:
                    assert key in ("offset", "context", "factor", "epsilon", "rope_base", "tied"), (key, other)
                    assert (found.hidden, found.inner, found.vocab) == (shape.hidden, shape.inner, shape.vocab)
            section[key] = value
    assert refused > 0.8 * tried > 300


def test_no_tensor_of_the_index_may_be_missing_or_reach_beyond_the_file(packed: Path) -> None:
    index = json.loads((packed / "weights.json").read_text())
    size = (packed / "weights.bin").stat().st_size
    for name in index["tensors"]:
        less, beyond = copy.deepcopy(index), copy.deepcopy(index)
        del less["tensors"][name]
        beyond["tensors"][name]["offset"] = size // 64 * 64 - 64 if "norm" not in name else size // 64 * 64
        if not name.endswith((".norm1", ".norm2")):
            with pytest.raises(ModelCorruptError, match=name.replace(".", r"\.")):
                layout.check_packed(beyond, size)
        with pytest.raises(ModelCorruptError, match=name.replace(".", r"\.")):
            layout.check_packed(less, size)


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_no_tensor_of_another_size_is_loaded_from_torch_s_copy(precision: str, source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path, precision)
    shape = ModelConfig.read(open_checkpoint(source).config)
    assert shape is not None
    for file in sorted(tmp_path.glob("*.safetensors")):
        whole = file.read_bytes()
        tensors = load_file(file)
        for name, tensor in tensors.items():
            save_file(tensors | {name: torch.cat([tensor, tensor[:1]])}, file)
            with pytest.raises(ModelCorruptError, match=name.replace(".", r"\.")):
                Transformer(tmp_path, shape, Placement("cpu", precision))
        file.write_bytes(whole)
    Transformer(tmp_path, shape, Placement("cpu", precision))


# --------------------------------------------------------------------------- the store


def changed(folder: Path) -> None:
    """A digit of the index is another one: the same size, the same place."""
    index = folder / "weights.json"
    index.write_text(index.read_text().replace('"n": 128', '"n": 928', 1))


def test_an_index_that_was_changed_is_made_again(qwen_folder: Path, opened: Opener) -> None:
    wanted = answer(opened(qwen_folder), "def add(a, b):")
    folder = opened(qwen_folder)._loaded.folder
    whole = (folder / "weights.json").read_text()
    changed(folder)
    assert answer(opened(qwen_folder), "def add(a, b):") == wanted
    assert (folder / "weights.json").read_text() == whole


def test_an_index_that_was_changed_with_its_manifest_is_one_sentence(qwen_folder: Path, opened: Opener) -> None:
    folder = opened(qwen_folder)._loaded.folder
    changed(folder)
    write_manifest(folder)
    with pytest.raises(ModelCorruptError, match=r"has n 928 in weights\.json, the model's shape makes it 128"):
        opened(qwen_folder)
    shutil.rmtree(folder)


# --------------------------------------------------------------------------- at run time


def ids_of(model: Any, *ids: int) -> None:
    model.forward([Segment(model.new_cache(16), ids)])


@pytest.mark.parametrize("folder", ["qwen_folder", "gpt2_folder"])
@pytest.mark.parametrize("kernels", ["", "off"])
def test_an_id_beyond_the_embedding_is_one_sentence(
    folder: str, kernels: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBCOPILOT_KERNELS", kernels)
    model = load_model(ensure(str(request.getfixturevalue(folder))), Placement("cpu", "int8"), 1).model
    ids_of(model, 0, 319)
    for outside in (320, -1, 2**31 - 1):
        with pytest.raises(ModelCorruptError, match=f"gives the id {outside}, the model's embedding has 320 rows"):
            ids_of(model, 7, outside)
    model.close()


def test_a_tokenizer_that_knows_more_than_the_model_hurts_its_own_prompts_only(tmp_path: Path, opened: Opener) -> None:
    folder = saved(qwen2(), tmp_path / "more")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"] += [
        dict(tokenizer["added_tokens"][0], id=320 + n, content=f"<|far{n}|>") for n in range(99)
    ]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    engine = opened(folder)
    with pytest.raises(ModelCorruptError, match="embedding has 320 rows"):
        answer(engine, "x <|far98|> y")
    assert answer(engine, "def add(a, b):")


SPOILT: dict[str, Callable[[NativeModel], None]] = {
    "hidden": lambda m: setattr(m._model, "hidden", 4096),
    "inner": lambda m: setattr(m._model, "inner", 32),
    "heads": lambda m: setattr(m._model, "heads", 3),
    "no key heads": lambda m: setattr(m._model, "kv_heads", 0),
    "head dim": lambda m: setattr(m._model, "dim", 512),
    "vocab": lambda m: setattr(m._model, "vocab", 2),
    "rows of o": lambda m: setattr(m._layers[0].o, "n", 1024),
    "width of down": lambda m: setattr(m._layers[0].down, "k", 128),
    "group": lambda m: setattr(m._layers[0].qkv, "group", 0),
    "bits": lambda m: setattr(m._layers[0].qkv, "bits", 2),
    "no scale": lambda m: setattr(m._layers[0].qkv, "scale", None),
}


@pytest.mark.parametrize("what", SPOILT)
def test_the_kernels_refuse_sizes_that_do_not_fit_together(what: str, packed: Path) -> None:
    """The last words before memory is written, should anything above them ever be wrong."""
    library, reason = device.kernels()
    assert library, reason
    model = NativeModel(packed, Library(library), 1)
    ids_of(model, 7)
    SPOILT[what](model)
    with pytest.raises(InternalError, match="do not fit together"):
        ids_of(model, 7)
    model.close()


def test_a_context_of_ten_thousand_million_takes_no_memory(tmp_path: Path, opened: Opener) -> None:
    folder = saved(qwen2(), tmp_path / "long")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 10**10}))
    engine = opened(folder)
    assert answer(engine, "def add(a, b):")
    assert len(engine._loaded.model._rotary[0]) <= 4096  # type: ignore[attr-defined]


def test_positions_beyond_the_first_table_are_computed_as_in_one(long_folder: Path, tmp_path: Path) -> None:
    library, reason = device.kernels()
    assert library, reason
    convert_native(long_folder, tmp_path)
    model = NativeModel(tmp_path, Library(library), 2)
    ids = [int(i) for i in np.random.default_rng(0).integers(6, 320, 4500)]
    cache = model.new_cache(len(ids))
    for start in range(0, len(ids), 100):  # the table grows on the way
        last = model.forward([Segment(cache, ids[start : start + 100])])
    once = model.forward([Segment(model.new_cache(len(ids)), ids)])
    model.close()
    assert np.array_equal(last, once)


def test_what_transformers_would_build_is_bounded_by_what_the_folder_holds(gpt2_folder: Path, tmp_path: Path) -> None:
    for number, changes in enumerate([{"n_layer": 10**9}, {"n_embd": 2**20}, {"n_layer": 1000, "n_embd": 4096}]):
        folder = tmp_path / str(number)
        shutil.copytree(gpt2_folder, folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))
        with pytest.raises(ModelCorruptError):
            load_model(ensure(str(folder)), Placement("cpu", "float32"), 1)
