"""Python code in a model folder is never run, and is no question to the user: one sentence says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nbcopilot.engine.device import Placement
from nbcopilot.engine.generic import GenericModel
from nbcopilot.engine.tokenizer_file import write_tokenizer
from nbcopilot.errors import ModelCorruptError

CODE = """
import os
open({mark!r}, "w").write("ran")
from transformers import PretrainedConfig, PreTrainedModel
class EvilConfig(PretrainedConfig): model_type = "evil"
class EvilForCausalLM(PreTrainedModel): config_class = EvilConfig
"""


@pytest.fixture
def evil(gpt2_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """(a folder whose config names code of its own, the file that the code would write)."""
    folder, mark = tmp_path / "evil", tmp_path / "ran"
    shutil.copytree(gpt2_folder, folder)
    names = {
        "AutoConfig": "evil.EvilConfig",
        "AutoModelForCausalLM": "evil.EvilForCausalLM",
        "AutoTokenizer": ["evil.E", None],
    }
    config = {"model_type": "evil", "architectures": ["EvilForCausalLM"], "auto_map": names, "hidden_size": 8}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(CODE.format(mark=str(mark)))
    # Somebody sits there and would say yes.
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder, mark


def test_a_model_with_code_of_its_own_is_refused_with_one_sentence(evil: tuple[Path, Path]) -> None:
    folder, mark = evil
    with pytest.raises(ModelCorruptError, match="brings Python code of its own, which is not run") as caught:
        GenericModel(folder, Placement("cpu", "float32"))
    assert "\n" not in str(caught.value) and not mark.exists()


def test_a_tokenizer_with_code_of_its_own_is_refused(evil: tuple[Path, Path], tmp_path: Path) -> None:
    folder, mark = evil
    (folder / "tokenizer.json").unlink(missing_ok=True)
    (folder / "vocab.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": {"AutoTokenizer": ["evil.E", None]}}))
    (tmp_path / "out").mkdir()
    with pytest.raises(ModelCorruptError) as caught:
        write_tokenizer(folder, tmp_path / "out")
    assert not mark.exists() and caught.value.hint
