"""Published weights -> one flat file that the compiled kernels read where it lies, and its index.

weights.bin: every tensor at a multiple of 4096 bytes. weights.json: {"shape", "bytes", "tensors": {name: {"offset",
...}}}; linears have "bits", "n", "k", "group": 4 bits where they were published so (Q4_K), else 8. Names: embed, norm, head, and `<layer>.qkv|o|gate_up|down|norm1|norm2|
query_norm|key_norm`, with `.scale` and `.bias` beside a linear.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nbcopilot.engine.checkpoint import Checkpoint, open_checkpoint
from nbcopilot.engine.device import require_memory
from nbcopilot.engine.gguf_file import FourBits
from nbcopilot.engine.layout import check_finite, check_published
from nbcopilot.engine.model import Array
from nbcopilot.engine.model_config import ModelConfig
from nbcopilot.engine.native.pack import BLOCK, fits, group_size, pack4, pack8
from nbcopilot.engine.tokenizer_file import write_tokenizer
from nbcopilot.errors import UnknownModelError
from nbcopilot.models.fetch import Progress

ALIGN = 4096


def convert_native(source: Path, folder: Path, progress: Progress | None = None) -> None:
    """Fill `folder` from a .gguf file or a transformers folder of a shape that `fits`.

    One layer is in memory at a time. Raises ModelCorruptError, UnknownModelError.
    """
    checkpoint = open_checkpoint(source)
    shape = ModelConfig.read(checkpoint.config)
    if shape is None or not fits(shape):
        raise UnknownModelError(f"the kernels do not compute {source.name}", hint='set `precision = "float32"`')
    check_published(checkpoint.size, shape)
    require_memory(4 * shape.vocab * shape.hidden, source.name, "cpu")
    write_tokenizer(source, folder)
    report = progress or (lambda done, total, note: None)
    with (folder / "weights.bin").open("wb") as file:
        out = _Writer(file)
        for number in range(shape.layers):
            report(number, shape.layers + 1, "converting to int8")
            _layer(out, checkpoint, shape, number)
        report(shape.layers, shape.layers + 1, "converting to int8")
        embed = _read(checkpoint, "model.embed_tokens.weight")
        out.add("embed", embed.astype(np.float16))
        out.add("norm", _read(checkpoint, "model.norm.weight"))
        out.linear("head", embed if shape.tied else _read(checkpoint, "lm_head.weight"))
        size = file.tell()
    index = {"shape": shape.as_dict(), "bytes": size, "tensors": out.index}
    (folder / "weights.json").write_text(json.dumps(index), encoding="utf-8")
    report(shape.layers + 1, shape.layers + 1, "converted to int8")


_MATRICES = {
    "o": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}


class _Writer:
    """Appends tensors to the file and remembers where they are."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.index: dict[str, dict[str, Any]] = {}

    def add(self, name: str, values: Array, **entry: Any) -> None:
        if values.dtype.kind == "f":
            check_finite(name, values)
        self._file.write(b"\0" * (-self._file.tell() % ALIGN))
        self.index[name] = {"offset": self._file.tell(), **entry}
        self._file.write(np.ascontiguousarray(values).data)

    def linear(self, name: str, weight: Array, bias: Array | None = None) -> None:
        """A float matrix, rounded to 8 bits."""
        check_finite(name, weight)
        values, scales = pack8(weight)
        outputs, inputs = values.shape[0] * BLOCK, weight.shape[1]
        self.add(name, values, bits=8, n=outputs, k=inputs, group=group_size(inputs))
        self.add(f"{name}.scale", scales)
        if bias is not None:
            self.add(f"{name}.bias", np.pad(bias, (0, outputs - len(bias))))

    def linear4(self, name: str, parts: Sequence[FourBits]) -> None:
        """Matrices that were published in 4 bits, one below the other, as they are."""
        q, scale, lowest = (np.concatenate([getattr(part, f) for part in parts]) for f in ("q", "scale", "lowest"))
        values, scales, minima, factor = pack4(q, scale, lowest)
        self.add(name, values, bits=4, n=q.shape[0], k=q.shape[1], group=group_size(q.shape[1]), factor=factor)
        self.add(f"{name}.scale", scales)
        self.add(f"{name}.lowest", minima)


def _layer(out: _Writer, source: Checkpoint, shape: ModelConfig, number: int) -> None:
    at = f"model.layers.{number}."

    def joined(*names: str) -> Array:
        return np.concatenate([_read(source, at + name) for name in names])

    heads = [f"self_attn.{name}_proj" for name in "qkv"]
    bias = joined(*(f"{name}.bias" for name in heads)) if shape.bias else None
    out.linear(f"{number}.qkv", joined(*(f"{name}.weight" for name in heads)), bias)
    for name, members in _MATRICES.items():
        published = [source.four_bits(f"{at}{member}.weight") for member in members]
        parts = [part for part in published if part is not None and len(part.q) % BLOCK == 0]
        if len(parts) == len(members):
            out.linear4(f"{number}.{name}", parts)
        else:
            out.linear(f"{number}.{name}", joined(*(f"{member}.weight" for member in members)))
    out.add(f"{number}.norm1", joined("input_layernorm.weight"))
    out.add(f"{number}.norm2", joined("post_attention_layernorm.weight"))
    if shape.query_norm:
        out.add(f"{number}.query_norm", joined("self_attn.q_norm.weight"))
        out.add(f"{number}.key_norm", joined("self_attn.k_norm.weight"))


def _read(source: Checkpoint, name: str) -> Array:
    weight: Array = source.tensor(name).float().numpy()
    return weight
