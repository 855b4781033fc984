"""Published weights under transformers' names, one tensor at a time, whatever file they lie in.

`open_checkpoint(path)` reads a .gguf file or a transformers folder (safetensors or .bin). Step 1 of `convert`;
knows nothing of precision or of our store.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nbcopilot.engine.gguf_file import FourBits, GGUFFile
from nbcopilot.engine.layout import TensorSize
from nbcopilot.engine.model_config import json_object
from nbcopilot.errors import ModelCorruptError, UnknownModelError

_UNREADABLE = (
    SafetensorError,
    RuntimeError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    pickle.UnpicklingError,
)
# torch's types as safetensors names them.
_KINDS = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


class Checkpoint(Protocol):
    """Weights by name. `config` is transformers' config as plain values."""

    config: dict[str, Any]

    def names(self) -> Iterable[str]:
        """The names that `tensor` knows."""
        ...

    def size(self, name: str) -> TensorSize:
        """What the file says about a tensor, without reading it. Raises ModelCorruptError when it is missing."""
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
        self.config = json_object(path / "config.json")
        self._readers: dict[str, Callable[[str], Tensor]] = {}
        self._sizes: dict[str, TensorSize] = {}
        try:
            for file in sorted(path.glob("*.safetensors")):
                sizes, read = open_tensors(file)
                self._sizes |= sizes
                self._readers |= dict.fromkeys(sizes, read)
            if not self._readers:
                for file in sorted(path.glob("pytorch_model*.bin")):
                    self._add_old(torch.load(file, map_location="cpu", weights_only=True, mmap=True))
        except _UNREADABLE as exc:
            raise ModelCorruptError(
                f"the weights in {path} cannot be read: {exc}", hint="pull the model again"
            ) from exc

    def _add_old(self, state: object) -> None:
        if not isinstance(state, Mapping):
            raise ValueError(f"a pytorch_model file holds {type(state).__name__}, not tensors by name")
        for name, value in state.items():
            if isinstance(name, str) and isinstance(value, Tensor):
                self._sizes[name] = TensorSize(tuple(value.shape), _KINDS.get(value.dtype, str(value.dtype)))
                self._readers[name] = state.__getitem__

    def names(self) -> Iterable[str]:
        """All tensor names of all files."""
        return self._readers

    def size(self, name: str) -> TensorSize:
        """ModelConfig and type as the file's header has them. Raises ModelCorruptError when it is missing."""
        if name not in self._sizes:
            raise ModelCorruptError(f"{self._path} has no tensor {name}", hint="pull the model again")
        return self._sizes[name]

    def tensor(self, name: str) -> Tensor:
        """One tensor, memory-mapped where the file allows. Raises ModelCorruptError when it is missing."""
        self.size(name)
        return self._readers[name](name)

    def four_bits(self, name: str) -> None:
        """None: transformers folders hold floats."""


def open_tensors(path: Path) -> tuple[dict[str, TensorSize], Callable[[str], Tensor]]:
    """What a safetensors file holds, and a reader that gives a memory-mapped tensor. Raises SafetensorError.

    The file's offsets are held against its shapes and its length by the safetensors library as it opens.
    """
    file: Any = safe_open(path, framework="pt")
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    sizes = {name: TensorSize(tuple(part.get_shape()), str(part.get_dtype())) for name, part in slices.items()}
    return sizes, file.get_tensor


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

    def size(self, name: str) -> TensorSize:
        """ModelConfig as torch has it; what the file quantised comes out as float32. Raises ModelCorruptError."""
        if name not in self._names:
            raise ModelCorruptError(f"{self.file.path.name} has no tensor {name}", hint="pull it again")
        return TensorSize(self.file.tensors[self._names[name]].shape, "F32")

    def tensor(self, name: str) -> Tensor:
        """One tensor in float32. Raises ModelCorruptError when it is missing."""
        self.size(name)
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

    embed = file.tensors.get("token_embd.weight")
    if embed is None:
        raise ModelCorruptError(f"{file.path.name} has no tensor token_embd.weight", hint="pull it again")
    return {
        "model_type": family,
        "hidden_size": value("embedding_length"),
        "num_hidden_layers": value("block_count"),
        "num_attention_heads": value("attention.head_count"),
        "num_key_value_heads": value("attention.head_count_kv"),
        "head_dim": value("attention.key_length"),
        "intermediate_size": value("feed_forward_length"),
        "vocab_size": embed.shape[0],
        "max_position_embeddings": value("context_length"),
        "rms_norm_eps": value("attention.layer_norm_rms_epsilon", 1e-6),
        "rope_theta": value("rope.freq_base", 10000.0),
        "rope_scaling": {"rope_type": value("rope.scaling.type")} if value("rope.scaling.type") else None,
        "tie_word_embeddings": tied,
    }
