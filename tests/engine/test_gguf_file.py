from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from nbcopilot.engine.checkpoint import open_checkpoint
from nbcopilot.engine.gguf_file import GGUFFile
from nbcopilot.engine.model_config import ModelConfig
from nbcopilot.engine.tokenizer_file import write_tokenizer
from nbcopilot.engine.tokens import Tokens
from nbcopilot.errors import ModelCorruptError, UnknownModelError

from .conftest import Opener, answer, qwen2, write_gguf
from .conftest import write_tokenizer as own_tokenizer


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    return write_gguf(qwen2(), own_tokenizer(folder), folder / "tiny.gguf")


def test_metadata_and_tensors_are_those_of_the_gguf_package(file: Path) -> None:
    ours, theirs = GGUFFile(file), gguf.GGUFReader(file)
    assert ours.metadata["qwen2.embedding_length"] == 128
    assert ours.metadata["tokenizer.ggml.tokens"][:2] == ["<|endoftext|>", "<|im_start|>"]
    assert set(ours.tensors) == {tensor.name for tensor in theirs.tensors}
    for tensor in theirs.tensors:
        wanted = gguf.dequantize(tensor.data, tensor.tensor_type)
        np.testing.assert_array_equal(ours.tensor(tensor.name), wanted.reshape(ours.tensors[tensor.name].shape))


def test_four_bit_blocks_are_taken_apart_exactly(file: Path) -> None:
    ours = GGUFFile(file)
    assert ours.four_bits("blk.1.ffn_down.weight") is None
    parts = ours.four_bits("blk.0.ffn_down.weight")
    assert parts is not None and parts.q.max() == 15
    values = parts.q.reshape(len(parts.q), -1, 32) * parts.scale[:, :, None] - parts.lowest[:, :, None]
    np.testing.assert_allclose(values.reshape(len(parts.q), -1), ours.tensor("blk.0.ffn_down.weight"), atol=1e-6)


def test_the_shape_is_read_from_the_header(file: Path) -> None:
    shape = ModelConfig.read(open_checkpoint(file).config)
    assert shape is not None
    assert (shape.layers, shape.heads, shape.kv_heads, shape.head_dim, shape.vocab, shape.tied) == (
        2,
        4,
        2,
        32,
        320,
        False,
    )


def test_the_tokenizer_of_the_file_encodes_as_its_source(file: Path, tmp_path: Path) -> None:
    source = own_tokenizer(tmp_path)
    (tmp_path / "converted").mkdir()
    write_tokenizer(file, tmp_path / "converted")
    tokens = Tokens(tmp_path / "converted")
    for text in ("def add(a, b):\n    return 1 + 22", "  é漢字\t\n\n", ""):
        assert tokens.encode(text) == source.encode(text).ids
        assert tokens.decode(tokens.encode(text)) == text
    assert tokens.ends >= {0, 2}


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_a_gguf_file_answers(file: Path, precision: str, opened: Opener) -> None:
    engine = opened(file, precision=precision)
    assert engine.describe().context_tokens == 512
    assert answer(engine, "def add(a, b):")


@pytest.mark.parametrize("cut", [0, 3, 40, 4000])
def test_a_file_that_is_cut_short_is_one_sentence(file: Path, cut: int, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ModelCorruptError, match=r"broken\.gguf"):
        GGUFFile(broken)


def test_weights_that_are_cut_short_are_one_sentence(file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(file.read_bytes()[:-5000])
    with pytest.raises(ModelCorruptError, match=r"ends at byte \d+, the file has \d+"):
        GGUFFile(broken)


def test_another_architecture_is_named(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "bert.gguf", "bert")
    writer.add_tensor("token_embd.weight", np.zeros((4, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(UnknownModelError, match="bert"):
        open_checkpoint(tmp_path / "bert.gguf")
