"""One forward pass of a Llama-shaped decoder over tokens of many sequences at once.

Tokens are laid out flat: the rows of all sequences one after the other, no padding. Linears see one matrix;
only attention looks at one sequence at a time. A `Segment` says which rows belong to which sequence.
Knows nothing of sampling, requests or text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from nbcopilot.engine.cache import KVCache
from nbcopilot.engine.checkpoint import open_tensors
from nbcopilot.engine.convert import DTYPES, layer_file
from nbcopilot.engine.device import Placement
from nbcopilot.engine.layout import check_converted, check_ids, converted
from nbcopilot.engine.model import Array, Segment
from nbcopilot.engine.model_config import ModelConfig
from nbcopilot.engine.quantize import FloatLinear, Linear, int8_linear


class Transformer:
    """A Llama-shaped decoder, read from the store. Not thread-safe: one forward pass at a time."""

    reuses = True
    kind = "torch"

    def __init__(self, folder: Path, shape: ModelConfig, placement: Placement) -> None:
        # int8 weights are multiplied by inputs that come and go in float32.
        device, dtype = torch.device(placement.device), DTYPES.get(placement.precision, torch.float32)
        self.shape, self.device, self.dtype = shape, device, dtype
        self.context, self.vocab = shape.context, shape.vocab
        self.token_bytes = shape.kv_floats_per_token * dtype.itemsize
        layer, outside = converted(shape)
        outer = _Reader(folder / "outer.safetensors", device, dtype)
        check_converted("outer.safetensors", outer.sizes, outside, bias=False)
        # Kept as stored, on the CPU memory-mapped: rows become the working type when they are looked up.
        self._embed = outer.raw("embed")
        self._norm = outer.vector("norm")
        self._head = outer.linear("head") if outer.has("head.weight") else FloatLinear(self._embed.to(dtype))
        self._layers = []
        for number in range(shape.layers):
            reader = _Reader(folder / layer_file(number), device, dtype)
            check_converted(layer_file(number), reader.sizes, layer, bias=shape.bias)
            self._layers.append(_Layer(reader, shape))
        self._cos, self._sin = torch.empty(0), torch.empty(0)
        # All but the embedding, of which a token reads one row, unless it is the head as well.
        embed = self._embed.nbytes if outer.has("head.weight") else 0
        self.read_bytes = sum(path.stat().st_size for path in folder.glob("*.safetensors")) - embed

    def new_cache(self, capacity: int) -> KVCache:
        """Room for one sequence of up to `capacity` tokens."""
        return KVCache(self.shape, capacity, self.dtype, self.device)

    @torch.inference_mode()
    def forward(self, segments: Sequence[Segment]) -> Array:
        """Logits (rows wanted of all segments in order, vocab), float32; every cache grows by its segment's ids."""
        flat = np.fromiter((i for segment in segments for i in segment.ids), np.int64)
        check_ids(flat, len(self._embed))
        ids = torch.from_numpy(flat).to(self._embed.device)
        hidden = self._embed[ids].to(self.device, self.dtype)
        rotary = self._rotary(segments)
        masks = [_mask(segment, self.device, self.dtype) for segment in segments]
        for number, layer in enumerate(self._layers):
            hidden = layer(hidden, number, rotary, segments, masks)
        for segment in segments:
            segment.cache.length += len(segment.ids)
        logits = self._head(_normed(hidden[self._wanted(segments)], self._norm, self.shape.epsilon))
        array: Array = logits.float().cpu().numpy()
        return array

    def use_threads(self, threads: int) -> None:
        """Compute with so many threads from the next pass on; must be called in the thread that computes."""
        if threads != torch.get_num_threads():
            torch.set_num_threads(threads)

    def close(self) -> None:
        """Free the weights; the model computes no more."""
        self._layers.clear()
        self._embed = torch.empty(0)
        self._head = FloatLinear(self._embed)

    def _wanted(self, segments: Sequence[Segment]) -> Tensor:
        rows: list[int] = []
        end = 0
        for segment in segments:
            end += len(segment.ids)
            rows += range(end - segment.wanted, end)
        return torch.tensor(rows, device=self.device, dtype=torch.int64)

    def _rotary(self, segments: Sequence[Segment]) -> tuple[Tensor, Tensor]:
        """cos and sin, (rows, 1, head_dim) each, of the rows' positions."""
        longest = max(segment.cache.length + len(segment.ids) for segment in segments)
        if longest > len(self._cos):
            self._cos, self._sin = _rotary_table(self.shape, -(-longest // 1024) * 1024, self.device, self.dtype)
        spans = [slice(s.cache.length, s.cache.length + len(s.ids)) for s in segments]
        return torch.cat([self._cos[span] for span in spans]), torch.cat([self._sin[span] for span in spans])


class _Layer:
    """One block: attention and a gated MLP, each after an RMSNorm."""

    def __init__(self, reader: _Reader, shape: ModelConfig) -> None:
        self._shape = shape
        self._norm1, self._norm2 = reader.vector("norm1"), reader.vector("norm2")
        self._qkv, self._o = reader.linear("qkv"), reader.linear("o")
        self._gate_up, self._down = reader.linear("gate_up"), reader.linear("down")
        names = ("query_norm", "key_norm") if shape.query_norm else ()
        self._head_norms = [reader.vector(name) for name in names]

    def __call__(
        self,
        hidden: Tensor,
        number: int,
        rotary: tuple[Tensor, Tensor],
        segments: Sequence[Segment],
        masks: Sequence[Tensor | None],
    ) -> Tensor:
        epsilon = self._shape.epsilon
        mixed = self._attention(_normed(hidden, self._norm1, epsilon), number, rotary, segments, masks)
        hidden = hidden + self._o(mixed)
        gate, up = self._gate_up(_normed(hidden, self._norm2, epsilon)).chunk(2, dim=1)
        return hidden + self._down(functional.silu(gate) * up)

    def _attention(
        self,
        x: Tensor,
        number: int,
        rotary: tuple[Tensor, Tensor],
        segments: Sequence[Segment],
        masks: Sequence[Tensor | None],
    ) -> Tensor:
        shape, rows = self._shape, len(x)
        heads = self._qkv(x).view(rows, shape.heads + 2 * shape.kv_heads, shape.head_dim)
        q, k, v = torch.split(heads, [shape.heads, shape.kv_heads, shape.kv_heads], dim=1)
        both = heads[:, : shape.heads + shape.kv_heads]  # turned together: one row's time is in the number of calls
        if self._head_norms:
            parts = zip((q, k), self._head_norms, strict=True)
            both = torch.cat([_normed(part, norm, shape.epsilon) for part, norm in parts], dim=1)
        q, k = torch.split(_rotated(both, *rotary), [shape.heads, shape.kv_heads], dim=1)
        mixed, row = [], 0
        for segment, mask in zip(segments, masks, strict=True):
            part = slice(row, row := row + len(segment.ids))
            start = segment.cache.length
            segment.cache.write(number, start, k[part].transpose(0, 1), v[part].transpose(0, 1))
            keys = segment.cache.keys[number, :, : start + len(segment.ids)]
            values = segment.cache.values[number, :, : start + len(segment.ids)]
            mixed.append(_attend(q[part], keys, values, mask))
        return torch.cat(mixed) if len(mixed) > 1 else mixed[0]


def _attend(q: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """(rows, heads, dim) against (kv_heads, length, dim); (rows, heads * dim). Query heads share a key head in groups."""
    rows, heads, dim = q.shape
    groups = heads // keys.shape[0]
    if rows == 1:
        # One token: the heads of a group are the rows, so nothing has to be repeated.
        q = q.view(1, keys.shape[0], groups, dim)
        return functional.scaled_dot_product_attention(q, keys[None], values[None]).reshape(1, heads * dim)
    # Views: what the heads of a group share is not copied.
    wide = (keys.shape[0], groups, *keys.shape[1:])
    q = q.reshape(rows, *wide[:2], dim).permute(1, 2, 0, 3)
    out = functional.scaled_dot_product_attention(
        q, keys[:, None].expand(wide), values[:, None].expand(wide), attn_mask=mask, is_causal=mask is None
    )
    return out.permute(2, 0, 1, 3).reshape(rows, heads * dim)


def _mask(segment: Segment, device: torch.device, dtype: torch.dtype) -> Tensor | None:
    """What rows may not see, as -inf; None where causal order from position 0 says it all."""
    start, count = segment.cache.length, len(segment.ids)
    if start == 0 or count == 1:
        return None
    return torch.full((count, start + count), float("-inf"), dtype=dtype, device=device).triu_(start + 1)


def _normed(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    return functional.rms_norm(x, (x.shape[-1],), weight, epsilon)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin


def _rotary_table(shape: ModelConfig, length: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    steps = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    angles = torch.outer(torch.arange(length, dtype=torch.float32), 1.0 / shape.rope_base**steps)
    both = torch.cat((angles, angles), dim=1)[:, None]
    return both.cos().to(device, dtype), both.sin().to(device, dtype)


class _Reader:
    """One file of the store: tensors in the type and place that the model works in."""

    def __init__(self, path: Path, device: torch.device, dtype: torch.dtype) -> None:
        self.sizes, self.raw = open_tensors(path)
        self._device, self._dtype = device, dtype

    def has(self, name: str) -> bool:
        return name in self.sizes

    def vector(self, name: str) -> Tensor:
        return self.raw(name).to(self._device, self._dtype)

    def linear(self, name: str) -> Linear:
        bias = self.vector(f"{name}.bias") if self.has(f"{name}.bias") else None
        weight = self.raw(f"{name}.weight")
        if self.has(f"{name}.scale"):
            return int8_linear(weight, self.raw(f"{name}.scale"), bias)
        return FloatLinear(weight.to(self._device, self._dtype), bias)
