"""Drafts, kept prefixes, batching, company and threads leave greedy answers as they are, token by token."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbcopilot.config import Config
from nbcopilot.engine.bench import prompts
from nbcopilot.engine.bench.identity import SETTINGS, Setting, compare, fifty
from nbcopilot.engine.bench.prompts import Notes
from nbcopilot.engine.local import LocalEngine, load

REAL = "qwen2.5-coder-0.5b"
# Short cells: a prompt is to have some hundred tokens here.
CELLS = Notes(tuple(cell[:160] for cell in prompts.own_cells().cells))


def opener(model: str):
    """Opens the model as a setting asks for it."""

    def opened(setting: Setting) -> LocalEngine:
        config = Config(model=model, device="cpu", threads=setting.threads, cache_mb=setting.cache_mb)
        return load(model, config, draft=setting.draft)

    return opened


def test_fifty_prompts_of_all_kinds_get_the_answers_of_plain_decoding_bit_for_bit(long_folder: Path) -> None:
    asked = fifty(CELLS)
    assert len(set(asked)) == 50 and any(prompt.suffix for prompt in asked)
    report = compare(opener(str(long_folder)), asked, 24)
    assert set(report) == {setting.name for setting in SETTINGS}
    for row in report.values():
        assert row["same_tokens"] == row["same_scores"] == 50, report
        assert row["tokens"] > 50 * 12


def test_torch_gives_the_same_tokens_too(long_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBCOPILOT_KERNELS", "off")
    report = compare(opener(str(long_folder)), fifty(CELLS, 10), 16)
    assert [row["same_tokens"] for row in report.values()] == [10] * len(SETTINGS), report


@pytest.mark.model
def test_real_model_gives_the_same_tokens() -> None:
    """A few of the fifty prompts; benchmarks/identical_answers.py asks all."""
    from nbcopilot.models.store import Store

    Store().pull(REAL)
    report = compare(opener(REAL), fifty(Notes(CELLS.cells[:2]), 5), 10, SETTINGS[-1:])
    assert [row["same_scores"] for row in report.values()] == [5], report
