"""The smallest model files that the kernels compute, made on the spot: what scripts/fuzz_model_files.py damages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HIDDEN, HEADS, KV, DIM, INNER, LAYERS, VOCAB = 64, 2, 1, 32, 256, 1, 272


def whole(folder: Path) -> None:
    """A transformers folder and a .gguf of a tiny Llama and Qwen2, and the folder of the store."""
    import numpy as np
    from safetensors.numpy import save_file

    from nbcopilot.engine.convert_native import convert_native

    (folder / "llama").mkdir(parents=True)
    rows = np.random.default_rng(0)
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": KV, "head_dim": DIM, "intermediate_size": INNER,
        "vocab_size": VOCAB, "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "tie_word_embeddings": False, "hidden_act": "silu", "eos_token_id": 0,
    }  # fmt: skip
    (folder / "llama/config.json").write_text(json.dumps(config))
    tensors = {name: rows.normal(0, 0.05, size).astype(np.float32) for name, size in _sizes().items()}
    save_file(tensors, folder / "llama/model.safetensors")
    tokens = _tokenizer(folder / "llama")
    _gguf(folder / "tiny.gguf", tensors, tokens)
    (folder / "store").mkdir()
    convert_native(folder / "llama", folder / "store")


def _sizes() -> dict[str, tuple[int, ...]]:
    sizes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (VOCAB, HIDDEN), "model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCAB, HIDDEN),
    }  # fmt: skip
    layer: dict[str, tuple[int, ...]] = {
        "self_attn.q_proj.weight": (HEADS * DIM, HIDDEN), "self_attn.k_proj.weight": (KV * DIM, HIDDEN),
        "self_attn.v_proj.weight": (KV * DIM, HIDDEN), "self_attn.o_proj.weight": (HIDDEN, HEADS * DIM),
        "mlp.gate_proj.weight": (INNER, HIDDEN), "mlp.up_proj.weight": (INNER, HIDDEN),
        "mlp.down_proj.weight": (HIDDEN, INNER), "input_layernorm.weight": (HIDDEN,),
        "post_attention_layernorm.weight": (HIDDEN,),
    }  # fmt: skip
    return sizes | {f"model.layers.{n}.{name}": size for n in range(LAYERS) for name, size in layer.items()}


def _tokenizer(folder: Path) -> list[str]:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: number for number, token in enumerate(letters + [f"<|{n}|>" for n in range(VOCAB - len(letters))])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    template = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
    settings = {"chat_template": template, "eos_token": "<|0|>", "bos_token": None}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return list(vocab)


def _gguf(path: Path, tensors: dict[str, Any], tokens: list[str]) -> None:
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * len(tokens))
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(0)
    writer.add_chat_template("{{ messages[0]['content'] }}")
    names = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    parts = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    }  # fmt: skip
    for name, values in tensors.items():
        stem = name.removesuffix(".weight")
        ours = names.get(stem) or f"blk.{stem.split('.')[2]}.{parts[stem.split('.', 3)[3]]}"
        if ours.endswith("ffn_down"):
            blocks = np.random.default_rng(1).integers(0, 256, (HIDDEN * INNER // 256, 144), dtype=np.uint8)
            blocks[:, :4] = np.array([0.002, 0.01], np.float16).view(np.uint8)
            kind = gguf.GGMLQuantizationType.Q4_K
            writer.add_tensor(f"{ours}.weight", blocks.reshape(HIDDEN, -1), raw_dtype=kind)
        elif values.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(f"{ours}.weight", gguf.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(f"{ours}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
