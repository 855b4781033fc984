"""Any transformers causal language model under the interface of `transformer`: the slow path for all other shapes.

Sequences are computed one after the other; the past is transformers' own cache object.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nbcopilot.engine.quantize import Int8Linear, quantize_rows
from nbcopilot.engine.transformer import Segment
from nbcopilot.errors import ModelCorruptError


class GenericCache:
    """transformers' cache of one sequence, made by the model at its first step."""

    def __init__(self, capacity: int) -> None:
        self.past: Any = None
        self.length = 0
        self.capacity = capacity

    def truncate(self, length: int) -> None:
        """Forget all from position `length` on."""
        if length < self.length:
            self.past.crop(length)
            self.length = length

    def copy_from(self, other: GenericCache, start: int, stop: int) -> None:
        """Take over all of another sequence up to `stop` (what is before `start` is the same anyway)."""
        self.past, self.length = copy.deepcopy(other.past), other.length
        self.truncate(stop)


class GenericModel:
    """A transformers model from a folder, in `dtype` on `device`; `int8` replaces its linear layers."""

    batched = False

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype, *, int8: bool = False) -> None:
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging as reports

        quiet: Any = reports.disable_progress_bar
        quiet()
        try:
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError) as exc:
            raise ModelCorruptError(
                f"{folder} cannot be loaded: {str(exc).splitlines()[0]}", hint="name a transformers folder"
            ) from exc
        if int8:
            _quantize(model)
        self._model: Any = model
        self._model.to(device).eval()
        self._device = device
        config = model.config
        self.context = int(getattr(config, "max_position_embeddings", 0) or getattr(config, "n_positions", 0) or 2048)

    def new_cache(self, capacity: int) -> GenericCache:
        """An empty past; transformers lets it grow."""
        return GenericCache(capacity)

    @torch.inference_mode()
    def forward(self, segments: Sequence[Segment[GenericCache]]) -> Tensor:
        """Logits (rows wanted of all segments in order, vocab) in float32; every cache grows by its segment's ids."""
        return torch.cat([self._one(segment) for segment in segments])

    def _one(self, segment: Segment[GenericCache]) -> Tensor:
        cache = segment.cache
        ids = torch.tensor([list(segment.ids)], device=self._device)
        out = self._model(input_ids=ids, past_key_values=cache.past, use_cache=True)
        cache.past = out.past_key_values
        cache.length += len(segment.ids)
        logits: Tensor = out.logits
        return logits[0, logits.shape[1] - segment.wanted :].float()


class _Replacement(nn.Module):
    """An Int8Linear in a model's tree; takes any leading shape."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, scale = quantize_rows(linear.weight.data)
        self._linear = Int8Linear(weight, scale, None if linear.bias is None else linear.bias.data.float())

    def forward(self, x: Tensor) -> Tensor:
        flat: Tensor = self._linear(x.reshape(-1, x.shape[-1]).float())
        return flat.reshape(*x.shape[:-1], -1).to(x.dtype)


def _quantize(model: nn.Module) -> None:
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Linear):
                setattr(module, name, _Replacement(child))
