"""What a sequence remembers: keys and values of every layer, in buffers that are allocated once.

Memory is touched only as it fills: a buffer for a long answer costs nothing until the answer is long.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nbcopilot.engine.model_config import ModelConfig


class KVCache:
    """Keys and values of one sequence: (layers, kv_heads, capacity, head_dim) each; `length` tokens are filled."""

    def __init__(self, shape: ModelConfig, capacity: int, dtype: torch.dtype, device: torch.device) -> None:
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
        """Take over positions start .. stop-1 of another sequence that is the same before `start`."""
        self.put_block(start, (other.keys[:, :, start:stop], other.values[:, :, start:stop]))

    def block(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """A copy of positions start .. stop-1."""
        return self.keys[:, :, start:stop].clone(), self.values[:, :, start:stop].clone()

    def put_block(self, start: int, block: tuple[Tensor, Tensor]) -> None:
        """Fill positions from `start` on with a kept block; `length` is set behind it."""
        stop = start + block[0].shape[2]
        self.keys[:, :, start:stop], self.values[:, :, start:stop] = block
        self.length = stop
