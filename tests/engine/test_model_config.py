"""Numbers of a config: within bounds, or one sentence with the number and what it may be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nbcopilot.engine.model_config import JSON_BYTES, MOST_CONTEXT, ModelConfig, json_object
from nbcopilot.errors import ModelCorruptError

CONFIG: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "intermediate_size": 256, "vocab_size": 320,
    "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
}  # fmt: skip
COUNTS = [key for key, value in CONFIG.items() if isinstance(value, int)]
NO_COUNTS = [0, -1, -(2**31), 2**31, 2**63, 10**40, 1.5, float("nan"), "128", [128], {"a": 1}, True]


@pytest.mark.parametrize("key", COUNTS)
@pytest.mark.parametrize("value", NO_COUNTS, ids=str)
def test_no_count_is_believed_that_no_model_has(key: str, value: Any) -> None:
    if key == "max_position_embeddings" and isinstance(value, int) and value > 1:
        shape = ModelConfig.read(CONFIG | {key: value})
        assert shape is not None and shape.context == MOST_CONTEXT  # longer than anybody asks: cut, not refused
        return
    with pytest.raises(ModelCorruptError, match="must be a whole number"):
        ModelConfig.read(CONFIG | {key: value})


@pytest.mark.parametrize("key", ["rms_norm_eps", "rope_theta"])
@pytest.mark.parametrize(
    "value", [-1.0, 0.0, float("nan"), float("inf"), 10**400, "1e-6", [1]], ids=lambda v: str(v)[:9]
)
def test_no_real_number_is_believed_that_no_model_has(key: str, value: Any) -> None:
    with pytest.raises(ModelCorruptError):
        ModelConfig.read(CONFIG | {key: value})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_key_value_heads": 3}, "4 attention heads cannot share 3 key heads"),
        ({"head_dim": 33}, "head_dim is 33"),
        ({"rope_parameters": [1]}, "rope_parameters of the model's config is list"),
        ({"num_attention_heads": None}, "num_attention_heads of the model's config is None"),
    ],
)
def test_numbers_that_do_not_fit_together_are_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelCorruptError, match=sentence):
        ModelConfig.read(CONFIG | changes)


def test_a_stored_shape_is_believed_no_more_than_a_published_one() -> None:
    shape = ModelConfig.read(CONFIG)
    assert shape is not None
    plain = shape.as_dict()
    assert ModelConfig.stored(json.loads(json.dumps(plain))) == shape
    for changes in ({"kv_heads": 0}, {"tied": 1}, {"epsilon": "x"}, {"more": 1}, {"hidden": 2**40}):
        with pytest.raises(ModelCorruptError):
            ModelConfig.stored(plain | changes)
    for other in (None, [], "x", {}):
        with pytest.raises(ModelCorruptError):
            ModelConfig.stored(other)


@pytest.mark.parametrize("text", ["[]", "{", "null", "[" * 100_000, '{"a": ' * 5_000, "\ud800"])
def test_a_config_that_is_none_is_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ModelCorruptError, match=r"config\.json"):
        json_object(tmp_path / "config.json")


def test_a_config_as_large_as_a_model_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "config.json", "wb") as file:
        file.truncate(JSON_BYTES + 1)
    with pytest.raises(ModelCorruptError, match="bytes are more than"):
        json_object(tmp_path / "config.json")
