"""What a model is to the rest of the engine: rows of many sequences in, logits out. Numpy only.

`native_model` (compiled kernels), `transformer` (torch) and `generic` (any transformers model) are the three kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class Cache(Protocol):
    """What a model keeps of one sequence between passes; `length` tokens are in it."""

    length: int

    def truncate(self, length: int) -> None:
        """Forget all from position `length` on."""
        ...

    def copy_from(self, other: Any, start: int, stop: int) -> None:
        """Take over positions start .. stop-1 of another sequence that is the same before `start`."""
        ...

    def block(self, start: int, stop: int) -> tuple[Any, ...]:
        """A copy of positions start .. stop-1, to be kept for other sequences."""
        ...

    def put_block(self, start: int, block: tuple[Any, ...]) -> None:
        """Fill positions from `start` on with a kept block; `length` is set behind it."""
        ...


@dataclass(frozen=True)
class Segment:
    """The next `ids` of the sequence whose past is in `cache`, and how many of its last rows want logits."""

    cache: Any
    ids: Sequence[int]
    wanted: int = 1


class Model(Protocol):
    """One forward pass over rows of many sequences. Not thread-safe: one thread owns it.

    `reuses`: caches can be cut and their blocks kept, so drafting and prefix reuse are possible.
    `kind` says which code computes ("native avx512-vnni", "torch", "transformers").
    `token_bytes`: what a cache holds for one token; 0 when not known. `vocab`: rows of the embedding, ids are below.
    """

    context: int
    vocab: int
    token_bytes: int
    reuses: bool
    kind: str

    def new_cache(self, capacity: int) -> Any:
        """Room for one sequence of up to `capacity` tokens."""
        ...

    def forward(self, segments: Sequence[Segment]) -> Array:
        """Logits (rows wanted of all segments in order, vocab), float32; every cache grows by its segment's ids."""
        ...

    def use_threads(self, threads: int) -> None:
        """Compute with so many threads from the next pass on."""
        ...

    def close(self) -> None:
        """Free threads and memory."""
        ...
