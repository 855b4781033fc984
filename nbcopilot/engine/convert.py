"""Published weights -> what torch loads in seconds: fused, rounded, one safetensors file per layer.

`convert(source, folder, precision)` fills the folder; `store` names and publishes it. Read back by `transformer`.
Names in a layer's file: qkv, o, gate_up, down (`.weight`, `.scale` when int8, `.bias`), norm1, norm2, query_norm,
key_norm. The outer file has embed, norm, head.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from nbcopilot.engine.checkpoint import Checkpoint, open_checkpoint
from nbcopilot.engine.device import require_memory
from nbcopilot.engine.layout import check_published
from nbcopilot.engine.model_config import ModelConfig
from nbcopilot.engine.quantize import quantize_rows
from nbcopilot.engine.tokenizer_file import write_tokenizer
from nbcopilot.errors import UnknownModelError
from nbcopilot.models.fetch import Progress

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def convert(source: Path, folder: Path, precision: str, progress: Progress | None = None) -> None:
    """Fill `folder` from a .gguf file or a transformers folder of the Llama family.

    precision: "int8" or a float type. `progress(done_layers, layers, note)`. One layer is in memory at a time.
    Raises ModelCorruptError, UnknownModelError.
    """
    checkpoint = open_checkpoint(source)
    shape = ModelConfig.read(checkpoint.config)
    if shape is None:
        raise UnknownModelError(
            f"{checkpoint.config.get('model_type')} models are not converted", hint="load it as a folder"
        )
    check_published(checkpoint.size, shape)
    require_memory(4 * shape.vocab * shape.hidden, source.name, "cpu")
    write_tokenizer(source, folder)
    report = progress or (lambda done, total, note: None)
    total = shape.layers + 1
    for number in range(shape.layers):
        report(number, total, f"converting to {precision}")
        save_file(_layer(checkpoint, shape, number, precision), folder / layer_file(number))
    report(shape.layers, total, f"converting to {precision}")
    save_file(_outer(checkpoint, shape, precision), folder / "outer.safetensors")
    (folder / "config.json").write_text(json.dumps(shape.as_dict(), indent=1), encoding="utf-8")
    report(total, total, f"converted to {precision}")


def layer_file(number: int) -> str:
    """The name of one layer's file."""
    return f"layer-{number:03}.safetensors"


def _layer(source: Checkpoint, shape: ModelConfig, number: int, precision: str) -> dict[str, Tensor]:
    at = f"model.layers.{number}."

    def joined(*names: str) -> Tensor:
        return torch.cat([source.tensor(at + name).float() for name in names])

    out = {
        "norm1": source.tensor(at + "input_layernorm.weight").float(),
        "norm2": source.tensor(at + "post_attention_layernorm.weight").float(),
    }
    heads = [f"self_attn.{name}_proj" for name in "qkv"]
    out |= _linear("qkv", joined(*(f"{name}.weight" for name in heads)), precision)
    if shape.bias:
        out["qkv.bias"] = joined(*(f"{name}.bias" for name in heads))
    if shape.query_norm:
        out |= {f"{a}_norm": joined(f"self_attn.{b}_norm.weight") for a, b in (("query", "q"), ("key", "k"))}
    out |= _linear("o", joined("self_attn.o_proj.weight"), precision)
    out |= _linear("gate_up", joined("mlp.gate_proj.weight", "mlp.up_proj.weight"), precision)
    out |= _linear("down", joined("mlp.down_proj.weight"), precision)
    return out


def _outer(source: Checkpoint, shape: ModelConfig, precision: str) -> dict[str, Tensor]:
    embed = source.tensor("model.embed_tokens.weight")
    head = embed if shape.tied else source.tensor("lm_head.weight")
    # Only the rows of the prompt are ever read; float16 keeps more digits than the published 5 bits have.
    kept = DTYPES.get(precision, torch.float16)
    out = {"embed": embed.to(kept).contiguous(), "norm": source.tensor("model.norm.weight").float()}
    if precision == "int8" or not shape.tied:
        out |= _linear("head", head, precision)
    return out


def _linear(name: str, weight: Tensor, precision: str) -> dict[str, Tensor]:
    if precision != "int8":
        return {f"{name}.weight": weight.to(DTYPES[precision]).contiguous()}
    packed, scale = quantize_rows(weight)
    return {f"{name}.weight": packed, f"{name}.scale": scale}
