"""A smaller model that guesses for a larger one: tiny models, real kernels."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from nbcopilot.engine import draft_model, loading
from nbcopilot.engine.draft_model import DraftModel
from nbcopilot.engine.local import LocalEngine
from nbcopilot.engine.model import Segment
from nbcopilot.errors import OutOfMemoryError
from nbcopilot.inference import Prompt
from nbcopilot.models.store import ensure

from .conftest import Opener, answer, qwen2, saved

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="the kernels, and so drafts by a model, are for x86-64"
)
TEXT = "x = 1\n" * 4


@pytest.fixture
def paired(qwen_folder: Path, opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalEngine:
    """An engine of two layers with a draft of one."""
    small = saved(qwen2(layers=1), tmp_path / "tiny-small")
    monkeypatch.setattr(loading, "DRAFTS", {ensure(str(qwen_folder)).ref.id: str(small)})
    engine = opened(qwen_folder)
    assert engine.describe().detail["draft"] == str(small)
    return engine


def draft_of(engine: LocalEngine) -> DraftModel:
    found = engine._shared.draft
    assert found is not None
    return found


def test_answers_are_the_same_with_a_draft(paired: LocalEngine, qwen_folder: Path, opened: Opener) -> None:
    plain = opened(qwen_folder, cache_mb=0)
    plain._shared.policy = plain._shared.draft = None
    for number in range(8):
        text = f"{number} = {number}\n" * (1 + number)
        for settings in ({}, {"temperature": 1.0, "seed": number}):
            assert answer(paired, text, **settings) == answer(plain, text, **settings)
    assert draft_of(paired).token_seconds > 0  # it did guess


def test_guess_is_what_the_small_model_would_say(paired: LocalEngine) -> None:
    draft = draft_of(paired)
    ids = paired._tokens.prompt_ids(Prompt(text=TEXT))
    cache = draft.model.new_cache(64)
    said: list[int] = []
    logits = draft.model.forward([Segment(cache, ids)])
    for _ in range(4):
        said.append(int(logits[-1].argmax()))
        logits = draft.model.forward([Segment(cache, said[-1:])])
    session = draft.start_session(64)
    assert session.guess(ids, 4) == said
    # The larger model took two of them and then another one.
    longer = [*ids, *said[:2], (said[2] + 1) % 300]
    assert session.guess(longer, 3) == draft.start_session(64).guess(longer, 3)


def test_long_prompt_is_read_in_pieces_and_a_very_long_one_not_at_all(
    paired: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draft_model, "PIECE", 8)
    draft, ids = draft_of(paired), list(range(6, 30))
    session = draft.start_session(100)
    assert [len(session.guess(ids, 2)) for _ in range(3)] == [0, 0, 2]
    monkeypatch.setattr(draft_model, "LONGEST_LAG", 20)
    assert draft.start_session(100).guess(ids, 2) == []
    assert session.guess([*ids, 7], 2)  # read already


def test_draft_without_memory_is_done_without(paired: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(capacity: int) -> None:
        raise OutOfMemoryError("no memory")

    wanted = answer(paired, TEXT)
    monkeypatch.setattr(draft_of(paired).model, "new_cache", full)
    assert answer(paired, TEXT) == wanted


def test_another_vocabulary_is_no_draft(
    qwen_folder: Path, opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = saved(qwen2(layers=1), tmp_path / "tiny-other")
    text = (small / "tokenizer.json").read_text().replace("fim_middle", "fim_muddle")
    (small / "tokenizer.json").write_text(text)
    monkeypatch.setattr(loading, "DRAFTS", {ensure(str(qwen_folder)).ref.id: str(small)})
    assert opened(qwen_folder).describe().detail["draft"] == ""


def test_draft_that_is_not_on_this_machine_is_not_missed(
    qwen_folder: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "DRAFTS", {ensure(str(qwen_folder)).ref.id: "qwen2.5-coder-0.5b"})
    engine = opened(qwen_folder)
    assert engine.describe().detail["draft"] == "" and answer(engine, TEXT)
