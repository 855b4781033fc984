from __future__ import annotations

import gc
import queue
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
import torch
from serving import eventually
from transformers import AutoModelForCausalLM

from nbcopilot.config import Config
from nbcopilot.engine import local
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import ConfigError, ContextOverflowError, EngineUnavailableError, OutOfMemoryError
from nbcopilot.inference import Chunk, Message, Prompt, Sampling

from .conftest import Opener, answer

PROMPTS = ["def add(a, b):\n    return", "for i in range(10):\n", "import pandas as", "x = [1, 2, 3]\n", "é ü 漢字 "]
KINDS = ["kernels", "torch int8", "float32"]


def engine_of(kind: str, folder: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch, **settings: object) -> Engine:
    """An engine by what computes it."""
    if kind == "torch int8":
        monkeypatch.setenv("NBCOPILOT_KERNELS", "off")
    engine = opened(folder, precision="float32" if kind == "float32" else "int8", **settings)
    computes = engine.describe().detail["computes"]
    assert computes.startswith("native") == (kind == "kernels"), engine.describe().detail
    return engine


@pytest.mark.parametrize("folder", ["qwen_folder", "gpt2_folder"])
@pytest.mark.parametrize("beams", [1, 4])
def test_float32_gives_the_tokens_of_transformers(
    folder: str, beams: int, opened: Opener, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(folder)
    engine = opened(path, precision="float32")
    reference = AutoModelForCausalLM.from_pretrained(path)
    for text in PROMPTS[:3]:
        ids = engine._tokens.prompt_ids(Prompt(text=text))
        options = {
            "max_new_tokens": 20,
            "do_sample": False,
            "num_beams": beams,
            "pad_token_id": 0,
            "eos_token_id": sorted(engine._tokens.ends),
        }
        wanted = reference.generate(torch.tensor([ids]), **options)[0][len(ids) :].tolist()
        assert answer(engine, text, max_tokens=20, beams=beams) == engine._tokens.decode(wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_carry_the_text_once_and_the_usage_at_the_end(
    kind: str, qwen_folder: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(kind, qwen_folder, opened, monkeypatch)
    chunks = list(engine.generate(Prompt(text=PROMPTS[0]), Sampling(max_tokens=12)))
    assert [chunk.finish for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert len(chunks) > 2 and chunks[-1].finish in ("stop", "length")
    usage = chunks[-1].usage
    assert usage is not None and usage.completion_tokens <= 12
    assert usage.prompt_tokens == engine.count(PROMPTS[0])
    assert 0 < usage.first_token_seconds <= usage.seconds


@pytest.mark.parametrize("kind", KINDS)
def test_drafts_prefixes_and_company_do_not_change_an_answer(
    kind: str, qwen_folder: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain, one request at a time against: guesses on, prefixes kept, all at once. Exact for the kernels."""
    prompts = [Prompt(text="a = 1\n" * 6 + text) for text in PROMPTS] + [Prompt(text="a = 1\n" * 6 + PROMPTS[0] * 3)]
    sampling = Sampling(max_tokens=32)
    plain = engine_of(kind, qwen_folder, opened, monkeypatch, cache_mb=0)
    plain._shared.policy = None
    alone = ["".join(chunk.text for chunk in plain.generate(prompt, sampling)) for prompt in prompts]
    full = engine_of(kind, qwen_folder, opened, monkeypatch)
    together = [""] * len(prompts)
    for position, chunk in full.generate_batch(prompts, sampling):
        together[position] += chunk.text
    again = ["".join(chunk.text for chunk in full.generate(prompt, sampling)) for prompt in prompts]
    assert alone == together == again


def test_the_second_request_with_the_same_beginning_computes_the_rest_only(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder)
    head = "value = value + 1\n" * 8

    def cached(text: str) -> int:
        *_, last = engine.generate(Prompt(text=text), Sampling(max_tokens=2))
        assert last.usage is not None
        return last.usage.cached_tokens

    assert cached(head + "first") == 0
    assert cached(head + "second") >= engine.count(head) - 16
    assert cached("other" + head) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_candidates_share_the_seed_not_the_stream(
    kind: str, qwen_folder: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(kind, qwen_folder, opened, monkeypatch)

    def texts(count: int, seed: int) -> list[str]:
        found = [""] * count
        sampling = Sampling(temperature=1.5, seed=seed, max_tokens=16)
        for chunk in engine.generate(Prompt(text=PROMPTS[0]), sampling, candidates=count):
            found[chunk.index] += chunk.text
        return found

    three = texts(3, 7)
    assert len(set(three)) == 3
    assert texts(3, 7) == three
    assert texts(1, 7) == three[:1]
    assert texts(3, 8) != three


def test_an_answer_ends_before_its_stop_string_and_shows_no_part_of_it(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder)
    whole = answer(engine, PROMPTS[0], max_tokens=40)
    stop = whole[10:14]
    chunks = list(engine.generate(Prompt(text=PROMPTS[0], stop=(stop,)), Sampling(max_tokens=40)))
    assert "".join(chunk.text for chunk in chunks) == whole[: whole.index(stop)]
    assert chunks[-1].finish == "stop"


def test_the_prefill_is_continued_and_not_repeated(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder)
    turns = (Message("system", "s"), Message("user", "u"))
    whole = answer(engine, Prompt(messages=turns, prefill="```python\n"))
    rendered = engine._tokens.render(Prompt(messages=turns)) + "```python\n"
    assert whole == answer(engine, Prompt(text=rendered))


def test_closing_the_iterator_cancels_and_frees_the_engine(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder)
    stream = engine.generate(Prompt(text=PROMPTS[0]), Sampling(max_tokens=400))
    next(stream)
    stream.close()
    assert answer(engine, PROMPTS[1], max_tokens=4)
    assert eventually(lambda: not engine._scheduler._active)


def test_threads_are_answered_at_the_same_time_and_each_its_own(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder)
    wanted = [answer(engine, text) for text in PROMPTS]
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        found[number] = answer(engine, PROMPTS[number % len(PROMPTS)])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert [found[number] for number in range(20)] == wanted * 4


def test_a_warm_up_keeps_the_prompt_and_says_nothing(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder)
    text = "warm = up\n" * 10
    assert [chunk.text for chunk in engine.generate(Prompt(text=text), Sampling(max_tokens=0))] == [""]
    *_, last = engine.generate(Prompt(text=text), Sampling(max_tokens=1))
    assert last.usage is not None and last.usage.cached_tokens > 16


def test_scores_add_up_to_what_was_said(qwen_folder: Path, opened: Opener) -> None:
    chunks = list(opened(qwen_folder).generate(Prompt(text=PROMPTS[0]), Sampling(max_tokens=8, logprobs=3)))
    scores = [score for chunk in chunks for score in chunk.scores]
    assert len(scores) == 8
    for score in scores:
        assert len(score.top) == 3
        assert score.top[0] == (score.text, score.logprob) and score.logprob <= 0


@pytest.mark.parametrize("folder", ["qwen_folder", "gpt2_folder"])
def test_an_echoed_prompt_is_scored_as_it_was_when_it_was_said(
    folder: str, opened: Opener, request: pytest.FixtureRequest
) -> None:
    engine = opened(request.getfixturevalue(folder), precision="float32")
    said = list(engine.generate(Prompt(text=PROMPTS[0] * 6), Sampling(max_tokens=8, logprobs=0)))
    whole = PROMPTS[0] * 6 + "".join(chunk.text for chunk in said)
    if engine.count(whole) != engine.count(PROMPTS[0] * 6) + 8:
        whole = PROMPTS[0] * 6  # the tokens that were said are not those of the text
    echoed = list(engine.generate(Prompt(text=whole), Sampling(max_tokens=1, logprobs=0, echo=True)))
    scores = [score for chunk in echoed for score in chunk.scores]
    assert len(scores) == engine.count(whole) + 1 and "".join(chunk.text for chunk in echoed).startswith(whole)
    wanted = [score for chunk in said for score in chunk.scores]
    found = scores[-9:-1] if whole != PROMPTS[0] * 6 else scores[-1:]
    assert [score.text for score in found] == [score.text for score in wanted[: len(found)]]
    assert [score.logprob for score in found] == pytest.approx(
        [score.logprob for score in wanted[: len(found)]], abs=1e-3
    )


def test_a_prompt_that_does_not_fit_is_refused_with_both_numbers(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder)
    with pytest.raises(ContextOverflowError, match=r"is \d+ tokens, .*takes 512"):
        engine.generate(Prompt(text="x y " * 600), Sampling())


def test_an_answer_ends_where_the_context_ends(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder)
    text = "1 2 " * 126
    left = 512 - engine.count(text)
    *_, last = engine.generate(Prompt(text=text), Sampling(max_tokens=4000))
    assert last.usage is not None and 0 < last.usage.completion_tokens <= left


def test_a_model_that_does_not_fit_into_memory_is_refused_before_loading(
    qwen_folder: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbcopilot.models import machine

    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(2_000_000, 1_000_000))
    with pytest.raises(OutOfMemoryError, match=r"needs .* of memory, 1 MB is free"):
        opened(qwen_folder)


def test_running_out_of_memory_fails_one_request_and_not_the_engine(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder)
    real = engine._loaded.model.forward
    engine._loaded.model.forward = lambda segments: (_ for _ in ()).throw(MemoryError())  # type: ignore[method-assign]
    with pytest.raises(OutOfMemoryError):
        answer(engine, PROMPTS[0])
    engine._loaded.model.forward = real  # type: ignore[method-assign]
    assert answer(engine, PROMPTS[0])


def test_memory_of_caches_is_stated_and_kept(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder, cache_mb=1)
    for number in range(40):
        answer(engine, f"{number} = value\n" * 20, max_tokens=2)
    assert eventually(lambda: engine.describe().detail["answer_bytes"] == 0)  # the last answer has let go
    detail = engine.describe().detail
    assert 900_000 < detail["cache_bytes"] <= detail["cache_limit_bytes"] == 1_000_000
    request = engine._request(Prompt(text=PROMPTS[0]), Sampling(max_tokens=400), queue.SimpleQueue(), candidates=2)
    assert request.token_budget == 2 * (engine.count(PROMPTS[0]) + 400)
    assert detail["answer_limit_bytes"] >= request.token_budget * 512


def test_answers_that_would_break_the_limit_are_refused_at_once(
    qwen_folder: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "ANSWER_BYTES", 600_000)
    engine = opened(qwen_folder)
    with pytest.raises(OutOfMemoryError, match=r"12 answers to this prompt may take .* the engine keeps to"):
        engine.generate(Prompt(text=PROMPTS[0]), Sampling(max_tokens=400), candidates=12)
    assert answer(engine, PROMPTS[0], max_tokens=500)


def test_an_engine_without_requests_takes_no_processor_time(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder, threads=3)
    assert answer(engine, PROMPTS[0])

    def rests() -> bool:
        before = time.process_time()
        time.sleep(0.4)
        return time.process_time() - before < 0.2  # a thread that spins takes 0.4, time after time

    assert any(rests() for _ in range(10))


def test_a_closed_engine_says_so(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder)
    stream = engine.generate(Prompt(text=PROMPTS[0]), Sampling(max_tokens=480))
    first = next(stream)
    engine.close()
    rest = list(stream)
    assert isinstance(first, Chunk) and rest[-1].finish in ("cancelled", "stop", "length")
    with pytest.raises(EngineUnavailableError):
        answer(engine, PROMPTS[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_engine_lets_go_of_its_memory_at_once(
    kind: str, qwen_folder: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another model may be loaded in its place: nothing waits for the garbage collector."""
    engine = engine_of(kind, qwen_folder, opened, monkeypatch)
    answer(engine, PROMPTS[0] * 3)
    assert eventually(lambda: engine.describe().detail["cache_bytes"] > 0)
    model = engine._loaded.model
    weights = weakref.ref(model._map if kind == "kernels" else model._layers[0])
    gc.disable()
    try:
        engine.close()
        assert weights() is None and engine.describe().detail["cache_bytes"] == 0
        alone = local.load(str(qwen_folder), Config(device="cpu"))
        answer(alone, PROMPTS[0])
        whole = weakref.ref(alone)
        alone.close()
        del alone
        assert whole() is None
    finally:
        gc.enable()


def test_a_device_that_is_not_there_is_a_setting_to_mend(qwen_folder: Path, opened: Opener) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(ConfigError, match="no cuda device"):
        opened(qwen_folder, device="cuda")


def test_the_engine_is_an_engine(gpt2_folder: Path, opened: Opener) -> None:
    engine = opened(gpt2_folder)
    assert isinstance(engine, Engine)
    info = engine.describe()
    assert (info.context_tokens, info.device, info.engine) == (128, "cpu", "local")
    assert info.sha256 and info.detail["computes"] == "transformers"


def test_loading_with_kernels_does_not_load_torch(qwen_folder: Path, opened: Opener, engine_cache: Path) -> None:
    import subprocess

    opened(qwen_folder)  # converted
    code = (
        "import sys; from nbcopilot.config import Config; from nbcopilot.engine.local import load;"
        "from nbcopilot.inference import *;"
        f"e = load({str(qwen_folder)!r}, Config(device='cpu'));"
        "list(e.generate(Prompt(text='a'), Sampling(max_tokens=2))); e.close();"
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["False", "False"], done.stderr
