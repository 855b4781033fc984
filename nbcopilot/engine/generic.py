"""Any transformers causal language model under the interface of `transformer`: the slow path for all other shapes.

Sequences are computed one after the other; the past is transformers' own cache object.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nbcopilot.engine.convert import DTYPES
from nbcopilot.engine.device import Placement
from nbcopilot.engine.layout import check_ids
from nbcopilot.engine.model import Array, Segment
from nbcopilot.engine.model_config import LIMITS, MOST_CONTEXT, bounded, json_object, wrong
from nbcopilot.engine.quantize import int8_linear, quantize_rows
from nbcopilot.errors import ModelCorruptError
from nbcopilot.models.files import tree_bytes


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

    def block(self, start: int, stop: int) -> tuple[Any, ...]:
        """Not possible: how transformers keeps the past differs from model to model (`GenericModel.reuses`)."""
        raise NotImplementedError

    def put_block(self, start: int, block: tuple[Any, ...]) -> None:
        """Not possible; see `block`."""
        raise NotImplementedError


class GenericModel:
    """A transformers model from a folder; int8 replaces its linear layers. Raises ModelCorruptError."""

    reuses = False
    kind = "transformers"
    token_bytes = 0  # every family keeps something else

    def __init__(self, folder: Path, placement: Placement) -> None:
        from transformers import AutoConfig, AutoModelForCausalLM
        from transformers.utils import logging as reports

        quiet: Any = reports.disable_progress_bar
        quiet()
        dtype = DTYPES.get(placement.precision, torch.float32)
        _check_sizes(json_object(folder / "config.json"), folder.name)
        try:
            settings: Any = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            build: Any = AutoModelForCausalLM.from_config
            with torch.device("meta"):  # its parameters without memory for them
                planned = build(settings, trust_remote_code=False)
            _check_parameters(sum(part.numel() for part in planned.parameters()), folder)
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder, dtype=dtype, local_files_only=True, trust_remote_code=False
            )
        except ModelCorruptError:
            raise
        except Exception as exc:  # whatever transformers raises about files that do not fit together
            if "trust_remote_code" in str(exc):
                raise ModelCorruptError(
                    f"{folder} brings Python code of its own, which is not run",
                    hint="name a model whose architecture transformers has itself",
                ) from exc
            fact = (str(exc).splitlines() or [type(exc).__name__])[0]
            raise ModelCorruptError(f"{folder} cannot be loaded: {fact}", hint="name a transformers folder") from exc
        if placement.precision == "int8":
            _quantize(model)
        self._model = model.to(placement.device).eval()
        self._device = placement.device
        config = model.config
        context = getattr(config, "max_position_embeddings", 0) or getattr(config, "n_positions", 0) or 2048
        self.context = min(bounded("the model's context", context, 1), MOST_CONTEXT)
        self.vocab: int = model.get_input_embeddings().weight.shape[0]

    def new_cache(self, capacity: int) -> GenericCache:
        """An empty past; transformers lets it grow."""
        return GenericCache(capacity)

    @torch.inference_mode()
    def forward(self, segments: Sequence[Segment]) -> Array:
        """Logits (rows wanted of all segments in order, vocab), float32; every cache grows by its segment's ids."""
        logits: Array = torch.cat([self._one(segment) for segment in segments]).cpu().numpy()
        return logits

    def use_threads(self, threads: int) -> None:
        """Compute with so many threads from the next pass on; must be called in the thread that computes."""
        if threads != torch.get_num_threads():
            torch.set_num_threads(threads)

    def close(self) -> None:
        """Free the weights; the model computes no more."""
        self._model = None

    def _one(self, segment: Segment) -> Tensor:
        cache = segment.cache
        flat = np.array(segment.ids, np.int64)
        check_ids(flat, self.vocab)
        ids = torch.from_numpy(flat)[None].to(self._device)
        out = self._model(input_ids=ids, past_key_values=cache.past, use_cache=True)
        cache.past = out.past_key_values
        cache.length += len(segment.ids)
        logits: Tensor = out.logits
        return logits[0, logits.shape[1] - segment.wanted :].float()


class _Replacement(nn.Module):
    """An int8 layer in a model's tree; takes any leading shape."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, scale = quantize_rows(linear.weight.data)
        self._linear = int8_linear(weight, scale, None if linear.bias is None else linear.bias.data.float())

    def forward(self, x: Tensor) -> Tensor:
        flat: Tensor = self._linear(x.reshape(-1, x.shape[-1]).float())
        return flat.reshape(*x.shape[:-1], -1).to(x.dtype)


def _quantize(model: nn.Module) -> None:
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Linear):
                setattr(module, name, _Replacement(child))


# What families call the number of their layers, and their sizes: transformers builds all that these say.
_LAYERS = re.compile(r"(num|n)_(\w+_)?layers?|\w+_layers|depth")
_SIZES = re.compile(r"\w+_(size|dim|inner|embd|heads?|experts\w*)|(n|num|d)_\w+|\w*rank")


def _check_sizes(config: Mapping[str, Any], name: str) -> None:
    """Bound what transformers is to build before it builds it. Raises ModelCorruptError."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            _check_sizes(value, name)
        elif isinstance(value, int) and not isinstance(value, bool):
            most = LIMITS["layers"][1] if _LAYERS.fullmatch(key) else LIMITS["vocab"][1]
            if _LAYERS.fullmatch(key) or _SIZES.fullmatch(key):
                bounded(f"{key} in the config of {name}", value, -1, most)


def _check_parameters(count: int, folder: Path) -> None:
    """What is built comes out of the folder's files, where a parameter has half a byte or more. Raises ModelCorruptError."""
    held = tree_bytes(folder)
    if count > 2 * held:
        raise wrong(f"the config of {folder.name} asks for {count} parameters, its files have {held} bytes")
