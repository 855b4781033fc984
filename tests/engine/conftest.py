"""Tiny models made on the spot: random weights, a byte-level tokenizer, real files as a user would have them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from nbcopilot.config import Config
from nbcopilot.engine.local import LocalEngine, load
from nbcopilot.inference import Prompt, Sampling

CHAT = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are Tiny.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
CORPUS = ["def add(a, b):\n    return a + b\n", "for i in range(10):\n    print(i)\n", "import pandas as pd\n"] * 4


def write_tokenizer(folder: Path) -> Tokenizer:
    """A byte-level BPE of 320 tokens; special tokens have the first ids."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"chat_template": CHAT, "eos_token": "<|endoftext|>", "bos_token": None}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return tokenizer


def qwen2(layers: int = 2, **changes: object) -> Qwen2ForCausalLM:
    """A random Qwen2 whose shape the kernels compute; its weights are large enough for answers to vary."""
    sizes: dict[str, object] = {
        "vocab_size": 320, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": layers,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
        "initializer_range": 0.2, "eos_token_id": 0, "bos_token_id": None, "tie_word_embeddings": False,
    }  # fmt: skip
    torch.manual_seed(0)
    return Qwen2ForCausalLM(Qwen2Config(**(sizes | changes))).eval()


def gpt2() -> GPT2LMHeadModel:
    """A random GPT-2."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 320, "n_positions": 128, "n_embd": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.3}
    return GPT2LMHeadModel(GPT2Config(**sizes, eos_token_id=0, bos_token_id=0)).eval()


def saved(model: PreTrainedModel, folder: Path) -> Path:
    """`folder` with the model and its tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    write_tokenizer(folder)
    return folder


def write_gguf(model: Qwen2ForCausalLM, tokenizer: Tokenizer, path: Path) -> Path:
    """The model as a .gguf file: norms in float32, matrices in Q8_0, one published in Q4_K."""
    writer = gguf.GGUFWriter(path, "qwen2")
    config = model.config
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    vocab = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([token for token, _ in vocab])
    writer.add_token_types([3 if token in SPECIAL else 1 for token, _ in vocab])
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_eos_token_id(0)
    writer.add_chat_template(CHAT)
    names = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    parts = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    }  # fmt: skip
    for name, tensor in model.state_dict().items():
        if name.startswith("model.layers."):
            number, part, kind = (
                name.removeprefix("model.layers.").split(".", 1)[0],
                *name.split(".", 3)[3].rsplit(".", 1),
            )
            ours = f"blk.{number}.{parts[part]}.{kind}"
        else:
            ours = names[name]
        values = tensor.numpy().astype(np.float32)
        if ours == "blk.0.ffn_down.weight":
            raw = random_q4k(*values.shape)
            writer.add_tensor(ours, raw, raw_dtype=gguf.GGMLQuantizationType.Q4_K)
        elif values.ndim == 2:
            kind8 = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(ours, gguf.quantize(values, kind8), raw_dtype=kind8)
        else:
            writer.add_tensor(ours, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def random_q4k(outputs: int, inputs: int) -> np.ndarray:
    """Valid Q4_K rows with random scales and nibbles."""
    generator = np.random.default_rng(1)
    blocks = generator.integers(0, 256, (outputs * inputs // 256, 144), dtype=np.uint8)
    blocks[:, 0:2] = np.full((len(blocks), 1), 0.002, np.float16).view(np.uint8)
    blocks[:, 2:4] = np.full((len(blocks), 1), 0.01, np.float16).view(np.uint8)
    return blocks.reshape(outputs, -1)


@pytest.fixture(scope="session")
def qwen_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformers folder of the kind that the kernels compute."""
    return saved(qwen2(), tmp_path_factory.mktemp("models") / "tiny-qwen2")


@pytest.fixture(scope="session")
def long_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that takes a whole notebook, of whose letters many are tokens."""
    return saved(qwen2(max_position_embeddings=8192), tmp_path_factory.mktemp("models") / "tiny-long")


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformers folder of another architecture."""
    return saved(gpt2(), tmp_path_factory.mktemp("models") / "tiny-gpt2")


@pytest.fixture(scope="session")
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where these tests convert to and build the kernels."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(engine_cache: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Tiny models never reach the user's store; tests on real weights use it."""
    if request.node.get_closest_marker("model") is None:
        monkeypatch.setenv("NBCOPILOT_CACHE_DIR", str(engine_cache))


Opener = Callable[..., LocalEngine]


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Opens engines and closes them after the test: `opened(folder, precision="float32")`."""
    engines: list[LocalEngine] = []

    def open_engine(folder: Path, **settings: object) -> LocalEngine:
        engines.append(load(str(folder), Config(**({"device": "cpu", "threads": 2} | settings))))  # type: ignore[arg-type]
        return engines[-1]

    yield open_engine
    for engine in engines:
        engine.close()


def answer(engine: LocalEngine, prompt: Prompt | str, **sampling: object) -> str:
    """The whole text of one greedy (by default) answer."""
    prompt = Prompt(text=prompt) if isinstance(prompt, str) else prompt
    settings = Sampling(**({"max_tokens": 24} | sampling))  # type: ignore[arg-type]
    return "".join(chunk.text for chunk in engine.generate(prompt, settings))
