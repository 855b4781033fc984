"""Which tensors a decoder has, where, and of what size; files are held against this before anything computes on them.

Three forms of the same model: published (transformers' names), converted for torch (`convert`), and packed for the
kernels (`convert_native`). Each check reads names, sizes, kinds and offsets only, never a weight, and raises one
ModelCorruptError that names the tensor, what was found and what was expected. With `shape`, the one place where
numbers of a model file are believed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nbcopilot.engine.model_config import ModelConfig, bounded, wrong
from nbcopilot.engine.native.pack import BLOCK, fits, group_size

FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
Sizes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class TensorSize:
    """What a file says about a tensor: its shape (rows first), and its kind as safetensors names it ("F32")."""

    shape: tuple[int, ...]
    kind: str


# ---------------------------------------------------------------- published


def published(shape: ModelConfig) -> Sizes:
    """Every tensor that is read of a published model, under transformers' names."""
    hidden, inner = shape.hidden, shape.inner
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    sizes: Sizes = {"model.embed_tokens.weight": (shape.vocab, hidden), "model.norm.weight": (hidden,)}
    if not shape.tied:
        sizes["lm_head.weight"] = (shape.vocab, hidden)
    layer: Sizes = {
        "self_attn.q_proj.weight": (queries, hidden),
        "self_attn.k_proj.weight": (keys, hidden),
        "self_attn.v_proj.weight": (keys, hidden),
        "self_attn.o_proj.weight": (hidden, queries),
        "mlp.gate_proj.weight": (inner, hidden),
        "mlp.up_proj.weight": (inner, hidden),
        "mlp.down_proj.weight": (hidden, inner),
        "input_layernorm.weight": (hidden,),
        "post_attention_layernorm.weight": (hidden,),
    }
    if shape.bias:
        layer |= {f"self_attn.{name}_proj.bias": (queries if name == "q" else keys,) for name in "qkv"}
    if shape.query_norm:
        layer |= {f"self_attn.{name}_norm.weight": (shape.head_dim,) for name in "qk"}
    return sizes | {f"model.layers.{n}.{name}": size for n in range(shape.layers) for name, size in layer.items()}


def check_published(size_of: Callable[[str], TensorSize], shape: ModelConfig) -> None:
    """Hold a published model against its own config. `size_of` raises ModelCorruptError for a missing tensor."""
    for name, size in published(shape).items():
        check_size(name, size_of(name), size)


def check_size(name: str, found: TensorSize, expected: tuple[int, ...], kinds: Iterable[str] = FLOATS) -> None:
    """One tensor against its expected shape and kinds. Raises ModelCorruptError with all three."""
    if found.shape != expected:
        raise wrong(f"`{name}` has the shape {_text(found.shape)}, the model's config makes it {_text(expected)}")
    if found.kind not in kinds:
        raise wrong(f"`{name}` is of type {found.kind}, expected {' or '.join(sorted(kinds))}")


# ---------------------------------------------------------------- converted for torch


def converted(shape: ModelConfig) -> tuple[Sizes, Sizes]:
    """(tensors of a layer's file, of the outer file) as `convert` writes them; linears without `.weight`."""
    hidden, inner, dim = shape.hidden, shape.inner, shape.head_dim
    layer: Sizes = {
        "qkv": ((shape.heads + 2 * shape.kv_heads) * dim, hidden),
        "o": (hidden, shape.heads * dim),
        "gate_up": (2 * inner, hidden),
        "down": (hidden, inner),
        "norm1": (hidden,),
        "norm2": (hidden,),
    }
    if shape.query_norm:
        layer |= {"query_norm": (dim,), "key_norm": (dim,)}
    return layer, {"embed": (shape.vocab, hidden), "norm": (hidden,), "head": (shape.vocab, hidden)}


def check_converted(file: str, found: Mapping[str, TensorSize], sizes: Sizes, *, bias: bool) -> None:
    """One file of a model converted for torch: what is in it has its size, and nothing is missing but the head."""
    for name, size in sizes.items():
        linear = len(size) == 2 and name != "embed"
        stored = f"{name}.weight" if linear else name
        if name == "head" and stored not in found:  # the embedding serves as head
            continue
        if stored not in found:
            raise wrong(f"{file} has no tensor {stored}")
        rounded = linear and f"{name}.scale" in found
        check_size(f"{file}: {stored}", found[stored], size, ("I8",) if rounded else FLOATS)
        if rounded:
            check_size(f"{file}: {name}.scale", found[f"{name}.scale"], size[:1], ("F32",))
        if linear and f"{name}.bias" in found:
            check_size(f"{file}: {name}.bias", found[f"{name}.bias"], size[:1])
    if bias and "qkv" in sizes and "qkv.bias" not in found:
        raise wrong(f"{file} has no tensor qkv.bias")


# ---------------------------------------------------------------- packed for the kernels


def check_packed(index: Mapping[str, Any], file_bytes: int) -> tuple[ModelConfig, dict[str, dict[str, Any]]]:
    """(shape, entries) of a weights.json, every offset and size within the `file_bytes` of its weights.bin.

    After this the kernels read and write inside the file and inside the buffers that the shape gives.
    """
    shape, entries = ModelConfig.stored(index.get("shape")), index.get("tensors")
    if not fits(shape):
        raise wrong("weights.json has a shape that the kernels do not compute")
    if bounded("the size in weights.json", index.get("bytes"), 1) != file_bytes:
        raise wrong(f"weights.bin has {file_bytes} bytes, weights.json says {index['bytes']}")
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise wrong("weights.json has no table of tensors")
    layer, outer = converted(shape)
    sizes = {f"{n}.{name}": size for n in range(shape.layers) for name, size in layer.items()} | outer
    for name, size in sizes.items():
        if len(size) == 2 and name != "embed":
            _check_packed_linear(name, entries, size, file_bytes, bias=shape.bias and name.endswith(".qkv"))
        else:
            _check_extent(name, entries, math.prod(size) * (2 if name == "embed" else 4), file_bytes)
    return shape, entries


def _check_packed_linear(
    name: str, entries: dict[str, dict[str, Any]], size: tuple[int, ...], file_bytes: int, *, bias: bool
) -> None:
    rows, k = -(-size[0] // BLOCK) * BLOCK, size[1]
    entry = entries.get(name, {})
    bits = bounded(f"bits of {name}", entry.get("bits"), 4, 8)
    for key, wanted in (("n", rows), ("k", k), ("group", group_size(k))):
        if entry.get(key) != wanted or isinstance(entry.get(key), bool):
            raise wrong(f"`{name}` has {key} {entry.get(key)!r} in weights.json, the model's shape makes it {wanted}")
    factor = entry.get("factor", 1.0)
    if not isinstance(factor, float) or not 0 < factor < math.inf:
        raise wrong(f"`{name}` has factor {factor!r} in weights.json, it must be a number above 0")
    if bits not in (4, 8):
        raise wrong(f"`{name}` has {bits} bits in weights.json, the kernels know 4 and 8")
    _check_extent(name, entries, rows * k * bits // 8, file_bytes)
    scales = rows * (k // 32) * 2 if bits == 4 else rows * (k // group_size(k)) * 4
    _check_extent(f"{name}.scale", entries, scales, file_bytes)
    if bits == 4:
        _check_extent(f"{name}.lowest", entries, scales, file_bytes)
    if bias or f"{name}.bias" in entries:
        _check_extent(f"{name}.bias", entries, rows * 4, file_bytes)


def _check_extent(name: str, entries: dict[str, dict[str, Any]], size: int, file_bytes: int) -> None:
    if name not in entries:
        raise wrong(f"weights.json has no tensor {name}")
    offset = bounded(f"the offset of {name}", entries[name].get("offset"), 0, file_bytes)
    if offset % 64 or offset + size > file_bytes:
        raise wrong(f"`{name}` lies at {offset} with {size} bytes, weights.bin has {file_bytes}")


# ---------------------------------------------------------------- at run time


def check_ids(ids: np.ndarray[Any, np.dtype[Any]], rows: int) -> None:
    """Token ids are rows of the embedding. Raises ModelCorruptError with the first that is none."""
    outside = ids[(ids < 0) | (ids >= rows)]
    if outside.size:
        raise wrong(f"the tokenizer gives the id {int(outside[0])}, the model's embedding has {rows} rows")


def check_finite(name: str, values: np.ndarray[Any, np.dtype[Any]]) -> None:
    """Weights are numbers. Raises ModelCorruptError for NaN and infinity."""
    if values.size and not (np.isfinite(values.min()) and np.isfinite(values.max())):  # NaN is both
        raise wrong(f"`{name}` holds values that are not finite")


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "()"
