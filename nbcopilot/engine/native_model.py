"""The compiled kernels as a Model: int8 weights memory-mapped as they lie in the store, half-precision caches.

Reads what `convert_native` wrote. No torch; the arithmetic is in native/*.c.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nbcopilot.engine.layout import check_ids, check_packed
from nbcopilot.engine.model import Array, Segment
from nbcopilot.engine.model_config import ModelConfig, json_object
from nbcopilot.engine.native import binding
from nbcopilot.engine.native.pack import BLOCK
from nbcopilot.errors import InternalError, OutOfMemoryError

KEYS = 16
# Positions by which the table of angles grows.
POSITIONS = 4096


class NativeCache:
    """Keys (layers, kv_heads, capacity/16, dim, 16) and values (layers, kv_heads, capacity, dim), half precision.

    Memory is touched only as it fills: room for a long answer costs nothing until the answer is long.
    """

    def __init__(self, shape: ModelConfig, capacity: int) -> None:
        self.capacity = -(-capacity // KEYS) * KEYS
        lead = (shape.layers, shape.kv_heads)
        self.keys = np.empty((*lead, self.capacity // KEYS, shape.head_dim, KEYS), np.float16)
        self.values = np.empty((*lead, self.capacity, shape.head_dim), np.float16)
        self.length = 0

    def truncate(self, length: int) -> None:
        """Forget all from position `length` on."""
        self.length = min(self.length, length)

    def copy_from(self, other: NativeCache, start: int, stop: int) -> None:
        """Take over positions start .. stop-1 of another sequence that is the same before `start`."""
        self.put_block(start // KEYS * KEYS, other.block(start // KEYS * KEYS, stop))

    def block(self, start: int, stop: int) -> tuple[Array, ...]:
        """A copy of positions start .. stop-1; start is a multiple of 16."""
        keys = self.keys[:, :, start // KEYS : -(-stop // KEYS)].copy()
        return keys, self.values[:, :, start:stop].copy()

    def put_block(self, start: int, block: tuple[Array, ...]) -> None:
        """Fill positions from `start` on with a kept block; `length` is set behind it."""
        keys, values = block
        self.keys[:, :, start // KEYS : start // KEYS + keys.shape[2]] = keys
        self.values[:, :, start : start + values.shape[2]] = values
        self.length = start + values.shape[2]


class NativeModel:
    """A converted model, ready to compute on `threads` threads.

    most_ids: logits of the first so many ids only. beside: a model whose threads it uses, in turn with that one.
    """

    reuses = True

    def __init__(
        self,
        folder: Path,
        library: binding.Library,
        threads: int,
        *,
        most_ids: int = 0,
        beside: NativeModel | None = None,
    ) -> None:
        weights = np.memmap(folder / "weights.bin", dtype=np.uint8, mode="r")
        self._map: Array | None = weights
        self.shape, self._index = check_packed(json_object(folder / "weights.json"), weights.size)
        self.context, self.vocab = self.shape.context, self.shape.vocab
        self.kind = f"native {library.isa}"
        self._library = library
        self._owns_pool = beside is None
        self._pool: int | None = library.pool_new(threads) if beside is None else beside._pool
        self._address = weights.ctypes.data
        self._rotary = _rotary(self.shape, 0)
        self._layers = (binding.Layer * self.shape.layers)(*map(self._layer, range(self.shape.layers)))
        self._head = self._linear("head")
        if most_ids:
            self._head.n = min(self._head.n, -(-most_ids // BLOCK) * BLOCK)
        self._model = self._struct()
        self.token_bytes = self.shape.kv_floats_per_token * np.dtype(np.float16).itemsize
        # All but the embedding, of which a token reads one row.
        self.read_bytes = weights.size - 2 * self.shape.vocab * self.shape.hidden

    def new_cache(self, capacity: int) -> NativeCache:
        """Room for one sequence of up to `capacity` tokens. Raises OutOfMemoryError."""
        try:
            return NativeCache(self.shape, capacity)
        except MemoryError as exc:
            raise OutOfMemoryError(f"no memory for {capacity} tokens", hint="ask for a shorter answer") from exc

    def forward(self, segments: Sequence[Segment]) -> Array:
        """Logits (rows wanted of all segments in order, vocab), float32; every cache grows by its segment's ids."""
        counts = [len(segment.ids) for segment in segments]
        ids = np.fromiter((i for segment in segments for i in segment.ids), np.int32, sum(counts))
        owner = np.repeat(np.arange(len(segments), dtype=np.int32), counts)
        ends = np.cumsum(counts)
        wanted = np.concatenate([np.arange(end - s.wanted, end) for end, s in zip(ends, segments, strict=True)])
        wanted = wanted.astype(np.int32)
        check_ids(ids, self.shape.vocab)
        self._reach(max(segment.cache.length + count for segment, count in zip(segments, counts, strict=True)))
        parts = (binding.Segment * len(segments))()
        for number, segment in enumerate(segments):
            cache, count = segment.cache, counts[number]
            if cache.length + count > cache.capacity:
                raise ValueError(f"{count} tokens at {cache.length} do not fit into {cache.capacity}")
            first = int(ends[number]) - count
            keys, values = cache.keys.ctypes.data, cache.values.ctypes.data
            parts[number] = binding.Segment(keys, values, cache.capacity, cache.length, first, count)
        logits = np.empty((len(wanted), self._head.n), np.float32)
        failed = self._library.forward(
            ctypes.byref(self._model), self._pool, len(ids), ids.ctypes.data, owner.ctypes.data,
            len(segments), parts, len(wanted), wanted.ctypes.data, logits.ctypes.data,
        )  # fmt: skip
        if failed == binding.UNFIT:
            raise InternalError("the kernels refuse sizes that do not fit together", hint="please report it")
        if failed:
            raise OutOfMemoryError("not enough memory for this request", hint="ask for fewer candidates")
        for segment, count in zip(segments, counts, strict=True):
            segment.cache.length += count
        return logits[:, : self.shape.vocab]

    def use_threads(self, threads: int) -> None:
        """Compute with so many threads from the next pass on."""
        self._library.pool_threads(self._pool, threads)

    def close(self) -> None:
        """End the threads and let go of the file; the model computes no more."""
        if self._pool is not None and self._owns_pool:
            self._library.pool_free(self._pool)
        self._pool, self._map = None, None

    # ---------------------------------------------------------------- structs over the mapped file

    def _at(self, name: str) -> int | None:
        entry = self._index.get(name)
        return None if entry is None else self._address + int(entry["offset"])

    def _linear(self, name: str) -> binding.Linear:
        entry = self._index[name]
        return binding.Linear(
            w=self._at(name), scale=self._at(f"{name}.scale"), lowest=self._at(f"{name}.lowest"),
            bias=self._at(f"{name}.bias"), factor=entry.get("factor", 1.0),
            bits=entry["bits"], n=entry["n"], k=entry["k"], group=entry["group"],
        )  # fmt: skip

    def _layer(self, number: int) -> binding.Layer:
        linears = {name: self._linear(f"{number}.{name}") for name in ("qkv", "o", "gate_up", "down")}
        norms = {name: self._at(f"{number}.{name}") for name in ("norm1", "norm2", "query_norm", "key_norm")}
        return binding.Layer(**linears, **norms)

    def _reach(self, positions: int) -> None:
        """Angles for so many positions; the tables grow by pieces, for a context may be long and is seldom filled."""
        if positions > len(self._rotary[0]):
            self._rotary = cosine, sine = _rotary(self.shape, -(-positions // POSITIONS) * POSITIONS)
            self._model.cosine, self._model.sine = cosine.ctypes.data, sine.ctypes.data
            self._model.positions = len(cosine)

    def _struct(self) -> binding.Model:
        shape = self.shape
        return binding.Model(
            hidden=shape.hidden, layers=shape.layers, heads=shape.heads, kv_heads=shape.kv_heads,
            dim=shape.head_dim, inner=shape.inner, vocab=shape.vocab, epsilon=shape.epsilon,
            embed=self._at("embed"), norm=self._at("norm"),
            cosine=None, sine=None, positions=0, parts=self._layers, head=self._head,
        )  # fmt: skip


def _rotary(shape: ModelConfig, length: int) -> tuple[Array, Array]:
    """cos and sin of every position's angles, (length, head_dim / 2) float32."""
    steps = np.arange(0, shape.head_dim, 2, dtype=np.float32) / np.float32(shape.head_dim)
    angles = np.outer(np.arange(length, dtype=np.float32), (1.0 / shape.rope_base**steps).astype(np.float32))
    return np.cos(angles), np.sin(angles)
