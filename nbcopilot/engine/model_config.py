"""The numbers that describe a decoder of the Llama family, read from a transformers config and bounded. No torch.

`ModelConfig.read` says None for every architecture that `transformer` does not compute; those run through `generic`.
A ModelConfig that exists is within LIMITS, its heads divide, and its products fit the kernels' 32-bit sizes. Which tensors
it must have, and of what size, is in `layout`; nothing else believes a number of a model file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nbcopilot.errors import ModelCorruptError

# model_type of transformers -> whether q, k and v have a bias when the config does not say.
FAMILIES = {"qwen2": True, "llama": False, "mistral": False, "qwen3": False}
# (smallest, largest) of each size: several times the largest published model of these families.
LIMITS = {
    "hidden": (1, 1 << 16),
    "layers": (1, 1 << 10),
    "heads": (1, 1 << 10),
    "kv_heads": (1, 1 << 10),
    "head_dim": (2, 1 << 10),
    "inner": (1, 1 << 18),
    "vocab": (1, 1 << 21),
}
# Longer contexts are cut to this many tokens: a prompt never reaches them on one machine.
MOST_CONTEXT = 1 << 20
# Bytes of a config or index file; the largest published config has some 100 kB.
JSON_BYTES = 16 << 20


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a decoder: RMSNorm, rotary positions, grouped-query attention, SwiGLU.

    `query_norm`: RMSNorm on each head's queries and keys (Qwen3). `bias`: q, k and v have one.
    Raises ModelCorruptError for sizes that no model has, with the size and what it may be.
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    vocab: int
    context: int
    epsilon: float
    rope_base: float
    bias: bool = False
    query_norm: bool = False
    tied: bool = False

    def __post_init__(self) -> None:
        for name, (least, most) in LIMITS.items():
            bounded(f"the model's {name}", getattr(self, name), least, most)
        if bounded("the model's context", self.context, 1) > MOST_CONTEXT:
            object.__setattr__(self, "context", MOST_CONTEXT)
        if self.heads % self.kv_heads:
            raise wrong(f"{self.heads} attention heads cannot share {self.kv_heads} key heads: they do not divide")
        if self.head_dim % 2:
            raise wrong(f"the model's head_dim is {self.head_dim}; rotary positions need an even number")
        for name, most_real in (("epsilon", 1.0), ("rope_base", 1e12)):
            value = getattr(self, name)
            if not isinstance(value, float) or not 0 < value <= most_real:
                raise wrong(f"the model's {name} is {value!r}, it must be above 0 and at most {most_real:g}")
        if not all(isinstance(getattr(self, name), bool) for name in ("bias", "query_norm", "tied")):
            raise wrong("the model's bias, query_norm and tied must be true or false")

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> ModelConfig | None:
        """The shape of a transformers config, or None when it has a part that is not computed here.

        Raises ModelCorruptError when a number is missing, is none, or is out of bounds.
        """
        family = config.get("model_type")
        if not isinstance(family, str) or family not in FAMILIES or _unusual(config):
            return None
        heads, hidden = _whole(config, "num_attention_heads"), _whole(config, "hidden_size")
        rope = _part(config, "rope_parameters")
        return cls(
            hidden=hidden,
            layers=_whole(config, "num_hidden_layers"),
            heads=heads,
            kv_heads=_whole(config, "num_key_value_heads", heads),
            head_dim=_whole(config, "head_dim", hidden // heads),
            inner=_whole(config, "intermediate_size"),
            vocab=_whole(config, "vocab_size"),
            context=_whole(config, "max_position_embeddings", 2048),
            epsilon=_real(config, "rms_norm_eps", 1e-6),
            rope_base=_real(config, "rope_theta", _real(rope, "rope_theta", 10000.0)),
            bias=bool(config.get("attention_bias", FAMILIES[family])),
            query_norm=family == "qwen3",
            tied=bool(config.get("tie_word_embeddings", False)),
        )

    @classmethod
    def stored(cls, values: object) -> ModelConfig:
        """The shape in a file of our store. Raises ModelCorruptError."""
        if not isinstance(values, dict):
            raise wrong(f"the stored shape is {type(values).__name__}, not an object")
        try:
            return cls(**values)
        except TypeError as exc:  # a name too many or too few
            raise wrong(f"the stored shape has other fields: {exc}") from exc

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the store's config file."""
        return asdict(self)

    @property
    def kv_floats_per_token(self) -> int:
        """Numbers that the key-value cache holds for one token."""
        return 2 * self.layers * self.kv_heads * self.head_dim


def json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a model's file of up to JSON_BYTES bytes. Raises ModelCorruptError naming the file."""
    try:
        if (size := path.stat().st_size) > JSON_BYTES:
            raise ValueError(f"{size} bytes are more than the {JSON_BYTES} that such a file may have")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as exc:
        raise ModelCorruptError(f"{path} cannot be read: {exc}", hint="name a transformers folder") from exc
    if not isinstance(value, dict):
        raise ModelCorruptError(f"{path} holds no JSON object", hint="name a transformers folder")
    return value


def bounded(what: str, value: object, least: int, most: float = math.inf) -> int:
    """`value` when it is a whole number from `least` to `most`. Raises ModelCorruptError with both."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        shown = repr(value) if len(repr(value)) <= 40 else f"{repr(value)[:37]}..."
        wanted = f"from {least} to {most}" if most != math.inf else f"of at least {least}"
        raise wrong(f"{what} is {shown}, it must be a whole number {wanted}")
    return value


def wrong(fact: str) -> ModelCorruptError:
    """The error of a file whose numbers do not fit together: one sentence, and what to do."""
    return ModelCorruptError(fact, hint="pull the model again, or name another one")


def _whole(config: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """A count of the config; `default` where it is absent or null."""
    value = config.get(key)
    if value is None and default is not None:
        return default
    return bounded(f"{key} of the model's config", value, 1)


def _real(config: Mapping[str, Any], key: str, default: float) -> float:
    value = config.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e300 < value < 1e300:
        raise wrong(f"{key} of the model's config is {str(value)[:40]!r}, it must be a number")
    return float(value)


def _part(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key) or {}
    if not isinstance(value, Mapping):
        raise wrong(f"{key} of the model's config is {type(value).__name__}, not an object")
    return value


def _unusual(config: Mapping[str, Any]) -> bool:
    rope = _part(config, "rope_scaling") or _part(config, "rope_parameters")
    scaled = str(rope.get("rope_type", rope.get("type", "default"))) != "default"
    window = config.get("sliding_window") and config.get("use_sliding_window", config.get("model_type") == "mistral")
    partial = _real(config, "partial_rotary_factor", 0.0) or _real(rope, "partial_rotary_factor", 1.0)
    activation = str(config.get("hidden_act", "silu")) not in ("silu", "swish")
    return bool(scaled or window or partial != 1.0 or activation or config.get("mlp_bias"))
