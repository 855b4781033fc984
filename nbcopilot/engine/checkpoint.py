"""Published weights under transformers' names, one tensor at a time, whatever file they lie in.

`open_checkpoint(path)` reads a .gguf file or a transformers folder (safetensors or .bin). Step 1 of `convert`;
knows nothing of precision or of our store.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nbcopilot.engine.gguf_file import FourBits, GGUFFile
from nbcopilot.errors import ModelCorruptError, UnknownModelError


class Checkpoint(Protocol):
    """Weights by name. `config` is transformers' config as plain values."""

    config: dict[str, Any]

    def names(self) -> Iterable[str]:
        """The names that `tensor` knows."""
        ...

    def tensor(self, name: str) -> Tensor:
        """One tensor, on the CPU, in whatever type it was stored. Raises ModelCorruptError."""
        ...

    def four_bits(self, name: str) -> FourBits | None:
        """The tensor as published when it was published in 4 bits, else None."""
        ...


def open_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at `path`. Raises ModelCorruptError, UnknownModelError for an unknown architecture in a .gguf."""
    return GGUFCheckpoint(path) if path.is_file() else FolderCheckpoint(path)


class FolderCheckpoint:
    """A transformers folder: config.json beside one or many safetensors or pytorch_model files."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.config: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise ModelCorruptError(
                f"{path}/config.json cannot be read: {exc}", hint="name a transformers folder"
            ) from exc
        self._readers: dict[str, Callable[[str], Tensor]] = {}
        try:
            for file in sorted(path.glob("*.safetensors")):
                names, read = open_tensors(file)
                self._readers |= dict.fromkeys(names, read)
            if not self._readers:
                for file in sorted(path.glob("pytorch_model*.bin")):
                    state: Mapping[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
                    self._readers |= dict.fromkeys(state, state.__getitem__)
        except (SafetensorError, RuntimeError, OSError, ValueError) as exc:
            raise ModelCorruptError(
                f"the weights in {path} cannot be read: {exc}", hint="pull the model again"
            ) from exc

    def names(self) -> Iterable[str]:
        """All tensor names of all files."""
        return self._readers

    def tensor(self, name: str) -> Tensor:
        """One tensor, memory-mapped where the file allows. Raises ModelCorruptError when it is missing."""
        try:
            return self._readers[name](name)
        except KeyError:
            raise ModelCorruptError(f"{self._path} has no tensor {name}", hint="pull the model again") from None

    def four_bits(self, name: str) -> None:
        """None: transformers folders hold floats."""


def open_tensors(path: Path) -> tuple[frozenset[str], Callable[[str], Tensor]]:
    """The names in a safetensors file, and a reader that gives a memory-mapped tensor. Raises SafetensorError."""
    file: Any = safe_open(path, framework="pt")
    return frozenset(file.keys()), file.get_tensor


# (pattern in a .gguf, name in transformers)
_NAMES = [
    (r"token_embd\.weight", "model.embed_tokens.weight"),
    (r"output_norm\.weight", "model.norm.weight"),
    (r"output\.weight", "lm_head.weight"),
    (r"blk\.(\d+)\.attn_(q|k|v)\.(weight|bias)", r"model.layers.\1.self_attn.\2_proj.\3"),
    (r"blk\.(\d+)\.attn_output\.weight", r"model.layers.\1.self_attn.o_proj.weight"),
    (r"blk\.(\d+)\.attn_(q|k)_norm\.weight", r"model.layers.\1.self_attn.\2_norm.weight"),
    (r"blk\.(\d+)\.attn_norm\.weight", r"model.layers.\1.input_layernorm.weight"),
    (r"blk\.(\d+)\.ffn_norm\.weight", r"model.layers.\1.post_attention_layernorm.weight"),
    (r"blk\.(\d+)\.ffn_(gate|up|down)\.weight", r"model.layers.\1.mlp.\2_proj.weight"),
]
_FAMILIES = ("qwen2", "qwen3", "llama")


class GGUFCheckpoint:
    """A .gguf of the Llama family, dequantised tensor by tensor."""

    def __init__(self, path: Path) -> None:
        self.file = GGUFFile(path)
        family = str(self.file.metadata.get("general.architecture"))
        if family not in _FAMILIES:
            raise UnknownModelError(
                f"{path.name} holds a {family} model; .gguf files are read for {', '.join(_FAMILIES)}",
                hint="use the model's transformers repository instead",
            )
        self._names = {_renamed(name): name for name in self.file.tensors}
        self.config = _config(self.file, family, tied="lm_head.weight" not in self._names)

    def names(self) -> Iterable[str]:
        """All tensor names, as transformers has them."""
        return self._names

    def tensor(self, name: str) -> Tensor:
        """One tensor in float32. Raises ModelCorruptError when it is missing."""
        if name not in self._names:
            raise ModelCorruptError(
                f"{self.file.path.name} has no tensor {self._names.get(name, name)}", hint="pull it again"
            )
        weight = torch.from_numpy(self.file.tensor(self._names[name]).copy())
        heads = self._interleaved_heads(name)
        return _unpermute(weight, heads) if heads else weight

    def four_bits(self, name: str) -> FourBits | None:
        """The tensor as published when it is of type Q4_K and its rows need no new order, else None."""
        return None if self._interleaved_heads(name) else self.file.four_bits(self._names[name])

    def _interleaved_heads(self, name: str) -> int:
        if self.config["model_type"] != "llama" or not (match := re.search(r"self_attn\.(q|k)_proj", name)):
            return 0
        return int(self.config["num_attention_heads" if match[1] == "q" else "num_key_value_heads"])


def _unpermute(weight: Tensor, heads: int) -> Tensor:
    # llama.cpp interleaves the rotary pairs of Llama's q and k; transformers keeps the two halves apart.
    rows = weight.shape[0]
    return weight.reshape(heads, rows // heads // 2, 2, -1).transpose(1, 2).reshape(weight.shape).contiguous()


def _renamed(name: str) -> str:
    for pattern, replacement in _NAMES:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, replacement, name)
    return name


def _config(file: GGUFFile, family: str, *, tied: bool) -> dict[str, Any]:
    def value(key: str, default: Any = None) -> Any:
        return file.metadata.get(f"{family}.{key}", default)

    try:
        hidden, heads = value("embedding_length"), value("attention.head_count")
        return {
            "model_type": family,
            "hidden_size": hidden,
            "num_hidden_layers": value("block_count"),
            "num_attention_heads": heads,
            "num_key_value_heads": value("attention.head_count_kv", heads),
            "head_dim": value("attention.key_length", hidden // heads),
            "intermediate_size": value("feed_forward_length"),
            "vocab_size": file.tensors["token_embd.weight"].shape[0],
            "max_position_embeddings": value("context_length"),
            "rms_norm_eps": value("attention.layer_norm_rms_epsilon", 1e-6),
            "rope_theta": value("rope.freq_base", 10000.0),
            "rope_scaling": {"rope_type": value("rope.scaling.type")} if value("rope.scaling.type") else None,
            "tie_word_embeddings": tied,
        }
    except (KeyError, TypeError) as exc:
        raise ModelCorruptError(f"{file.path.name} lacks {exc} in its header", hint="pull it again") from exc
