"""What a sequence remembers: keys and values of every layer, in buffers that are allocated once.

Memory is touched only as it fills: a buffer for a long answer costs nothing until the answer is long.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nbcopilot.engine.shape import Shape


class KVCache:
    """Keys and values of one sequence: (layers, kv_heads, capacity, head_dim) each; `length` tokens are filled."""

    def __init__(self, shape: Shape, capacity: int, dtype: torch.dtype, device: torch.device) -> None:
        size = (shape.layers, shape.kv_heads, capacity, shape.head_dim)
        self.keys = torch.empty(size, dtype=dtype, device=device)
        self.values = torch.empty(size, dtype=dtype, device=device)
        self.length = 0

    @property
    def capacity(self) -> int:
        """Tokens that fit."""
        return self.keys.shape[2]

    def write(self, layer: int, start: int, keys: Tensor, values: Tensor) -> None:
        """Put (kv_heads, count, head_dim) at positions start .. start+count-1."""
        stop = start + keys.shape[1]
        self.keys[layer, :, start:stop] = keys
        self.values[layer, :, start:stop] = values

    def truncate(self, length: int) -> None:
        """Forget all from position `length` on."""
        self.length = min(self.length, length)

    def copy_from(self, other: KVCache, start: int, stop: int) -> None:
        """Take over positions start .. stop-1 of another sequence, and end there."""
        self.keys[:, :, start:stop] = other.keys[:, :, start:stop]
        self.values[:, :, start:stop] = other.values[:, :, start:stop]
        self.length = stop
