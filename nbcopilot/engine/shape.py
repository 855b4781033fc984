"""The numbers that describe a decoder of the Llama family, read from a transformers config. No torch.

`Shape.read` says None for every architecture that `transformer` does not compute; those run through `generic`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# model_type of transformers -> whether q, k and v have a bias when the config does not say.
FAMILIES = {"qwen2": True, "llama": False, "mistral": False, "qwen3": False}


@dataclass(frozen=True)
class Shape:
    """Sizes of a decoder: RMSNorm, rotary positions, grouped-query attention, SwiGLU.

    `query_norm`: RMSNorm on each head's queries and keys (Qwen3). `bias`: q, k and v have one.
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

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Shape | None:
        """The shape of a transformers config, or None when it has a part that is not computed here."""
        family = str(config.get("model_type"))
        if family not in FAMILIES or _unusual(config):
            return None
        heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
        rope = config.get("rope_parameters") or {}
        return cls(
            hidden=hidden,
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_dim=int(config.get("head_dim") or hidden // heads),
            inner=int(config["intermediate_size"]),
            vocab=int(config["vocab_size"]),
            context=int(config.get("max_position_embeddings") or 2048),
            epsilon=float(config.get("rms_norm_eps", 1e-6)),
            rope_base=float(config.get("rope_theta") or rope.get("rope_theta") or 10000.0),
            bias=bool(config.get("attention_bias", FAMILIES[family])),
            query_norm=family == "qwen3",
            tied=bool(config.get("tie_word_embeddings", False)),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the store's config file."""
        return asdict(self)

    @property
    def kv_floats_per_token(self) -> int:
        """Numbers that the key-value cache holds for one token."""
        return 2 * self.layers * self.kv_heads * self.head_dim


def _unusual(config: Mapping[str, Any]) -> bool:
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    scaled = str(rope.get("rope_type", rope.get("type", "default"))) != "default"
    window = config.get("sliding_window") and config.get("use_sliding_window", config.get("model_type") == "mistral")
    partial = float(config.get("partial_rotary_factor") or rope.get("partial_rotary_factor") or 1.0) != 1.0
    activation = str(config.get("hidden_act", "silu")) not in ("silu", "swish")
    return bool(scaled or window or partial or activation or config.get("mlp_bias"))
