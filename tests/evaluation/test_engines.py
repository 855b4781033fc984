"""Answers are remembered by prompt and decoded together, and no request hears another's answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nbcopilot.engine.fake import FakeEngine
from nbcopilot.errors import ContextOverflowError, EngineUnavailableError
from nbcopilot.evaluation.engines import BatchEngine, MemoEngine
from nbcopilot.types import Chunk, Message, Prompt, Sampling


def ask(text: str) -> Prompt:
    return Prompt(messages=(Message("user", text),))


def text(chunks: Iterator[Chunk], index: int = 0) -> str:
    return "".join(chunk.text for chunk in chunks if chunk.index == index)


def echo(prompt: Prompt) -> str:
    return f"answer to {prompt.messages[-1].content}"


class Counting(FakeEngine):
    """Counts the prompts of each call, and holds the first call until `go` is set."""

    def __init__(self) -> None:
        super().__init__(echo)
        self.batches: list[int] = []
        self.go = threading.Event()

    def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Iterator[Chunk]:
        self.batches.append(1)
        self.go.wait(30)
        return super().generate(prompt, sampling, candidates=candidates)

    def generate_batch(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Chunk]]:
        self.batches.append(len(prompts))
        for position, prompt in enumerate(prompts):
            for chunk in FakeEngine.generate(self, prompt, sampling):
                yield position, chunk


def test_concurrent_requests_are_decoded_together_and_each_gets_its_own_answer() -> None:
    inner = Counting()
    engine = BatchEngine(inner, rows=4)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(lambda: text(engine.generate(ask("q0"), Sampling())))
        while not inner.batches:
            pass
        others = [pool.submit(lambda i=i: text(engine.generate(ask(f"q{i}"), Sampling()))) for i in range(1, 9)]
        while engine._waiting.qsize() < 8:
            pass
        inner.go.set()
        assert [first.result(), *(o.result() for o in others)] == [f"answer to q{i}" for i in range(9)]
    assert inner.batches == [1, 4, 4]
    engine.close()


def test_requests_with_other_sampling_are_not_put_into_one_batch() -> None:
    inner = Counting()
    engine = BatchEngine(inner, rows=4)
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(lambda: text(engine.generate(ask("q"), Sampling())))
        while not inner.batches:
            pass
        limits = (8, 9, 8)
        others = [pool.submit(lambda n=n: text(engine.generate(ask(f"{n}"), Sampling(max_tokens=n)))) for n in limits]
        while engine._waiting.qsize() < 3:
            pass
        inner.go.set()
        assert first.result() == "answer to q"
        assert [o.result() for o in others] == ["answer to 8", "answer to 9", "answer to 8"]
    assert sorted(inner.batches) == [1, 1, 2]
    engine.close()


def test_several_candidates_run_as_one_request() -> None:
    engine = BatchEngine(FakeEngine(["a", "b"]), rows=4)
    chunks = list(engine.generate(ask("q"), Sampling(), candidates=2))
    assert {text(iter(chunks), 0), text(iter(chunks), 1)} == {"a", "b"}
    engine.close()


def test_one_prompt_that_does_not_fit_does_not_fail_its_batch() -> None:
    class Refusing(Counting):
        def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Iterator[Chunk]:
            if prompt.messages[-1].content == "long":
                raise ContextOverflowError("too long")
            return super().generate(prompt, sampling, candidates=candidates)

        def generate_batch(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Chunk]]:
            raise ContextOverflowError("too long")

    inner = Refusing()
    engine = BatchEngine(inner, rows=3)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(lambda: text(engine.generate(ask("q"), Sampling())))
        while not inner.batches:
            pass
        names = ("a", "long", "b")
        others = [pool.submit(lambda n=n: text(engine.generate(ask(n), Sampling()))) for n in names]
        while engine._waiting.qsize() < 3:
            pass
        inner.go.set()
        first.result()
        assert others[0].result() == "answer to a"
        assert others[2].result() == "answer to b"
        with pytest.raises(ContextOverflowError):
            others[1].result()
    engine.close()


def test_a_closed_batch_engine_says_so() -> None:
    engine = BatchEngine(FakeEngine(), rows=2)
    engine.close()
    with pytest.raises(EngineUnavailableError):
        next(engine.generate(ask("q"), Sampling()))


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
