"""An answer is remembered by everything that it depends on, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nbcopilot.engine.fake import FakeEngine
from nbcopilot.evaluation.memo import MemoEngine
from nbcopilot.inference import Chunk, Message, Prompt, Sampling


def ask(text: str) -> Prompt:
    return Prompt(messages=(Message("user", text),))


def text(chunks: Iterator[Chunk], index: int = 0) -> str:
    return "".join(chunk.text for chunk in chunks if chunk.index == index)


def test_a_remembered_answer_is_not_asked_again_even_by_a_new_process(tmp_path: Path) -> None:
    memo = tmp_path / "memo.jsonl"
    first = list(MemoEngine(FakeEngine(["one"]), memo).generate(ask("q"), Sampling()))
    silent = FakeEngine([])
    again = list(MemoEngine(silent, memo).generate(ask("q"), Sampling()))
    assert text(iter(again)) == text(iter(first)) == "one"
    assert again[-1].usage == first[-1].usage
    assert silent.prompts == []


def test_another_prompt_stop_or_sampling_is_asked(tmp_path: Path) -> None:
    inner = FakeEngine(["a", "b", "c", "d"])
    engine = MemoEngine(inner, tmp_path / "memo.jsonl")
    prompts = [(ask("q"), Sampling()), (ask("r"), Sampling()), (ask("q"), Sampling(max_tokens=5))]
    prompts.append((Prompt(messages=ask("q").messages, stop=("x",)), Sampling()))
    assert [text(engine.generate(*p)) for p in prompts] == ["a", "b", "c", "d"]


def test_an_unseeded_sample_and_a_cancelled_answer_are_not_remembered(tmp_path: Path) -> None:
    engine = MemoEngine(FakeEngine(["a", "b", "long " * 20, "c"]), tmp_path / "memo.jsonl")
    hot = Sampling(temperature=0.8)
    assert [text(engine.generate(ask("q"), hot)) for _ in range(2)] == ["a", "b"]
    stream = engine.generate(ask("r"), Sampling())
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert text(engine.generate(ask("r"), Sampling())) == "c"


def test_a_memo_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    memo = tmp_path / "memo.jsonl"
    list(MemoEngine(FakeEngine(["one"]), memo).generate(ask("q"), Sampling()))
    memo.write_text(memo.read_text() + '{"key": "abc", "chu')
    assert text(MemoEngine(FakeEngine(["two"]), memo).generate(ask("q"), Sampling())) == "one"
