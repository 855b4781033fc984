"""A gap in the middle of a word is completed as if the cut were not there, whatever else the engine does."""

from __future__ import annotations

import queue
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbcopilot.config import Config
from nbcopilot.engine.healing import Vocabulary, spelled
from nbcopilot.engine.local import LocalEngine, load
from nbcopilot.engine.tokenizer_file import write_tokenizer
from nbcopilot.engine.tokens import Tokens
from nbcopilot.inference import Chunk, Prompt, Sampling

from .conftest import CORPUS, SPECIAL, Opener

# One-byte tokens, then some words, then one that is special.
WORDS = [*(bytes([byte]) for byte in range(256)), b"ar", b"are", b"area", b"areas", b"(area", b"max", b""]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(WORDS)


@pytest.fixture(scope="module")
def tokens(qwen_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    folder = tmp_path_factory.mktemp("tokens")
    write_tokenizer(qwen_folder, folder)
    return Tokens(folder)


def left(vocabulary: Vocabulary, rest: bytes) -> list[bytes]:
    """The tokens that may come first."""
    kept = vocabulary.only(np.zeros(len(WORDS), np.float32), rest)
    return [WORDS[id] for id in np.flatnonzero(np.isfinite(kept))]


def test_tokens_that_another_one_goes_over_are_not_sure_yet(vocabulary: Vocabulary) -> None:
    assert vocabulary.back([b"max", b"(", b"are"]) == (2, b"(are")
    assert vocabulary.back([b"(a", b"rea"]) == (2, b"(area"), "`areas` begins within the first"
    assert vocabulary.back([b"x", "é".encode()[:1], "é".encode()[1:]]) == (0, b""), "nothing is longer"
    assert vocabulary.back([b"are", b""]) == (0, b""), "a special token is not cut"
    assert vocabulary.back([]) == (0, b"")


def test_only_what_spells_the_rest_may_be_said(vocabulary: Vocabulary) -> None:
    assert left(vocabulary, b"(are") == [b"(", b"(area"]
    assert left(vocabulary, b"are") == [b"a", b"ar", b"are", b"area", b"areas"]
    assert vocabulary.after(b"(are", WORDS.index(b"ar")) == b"re"
    assert vocabulary.after(b"are", WORDS.index(b"area")) == b""


@settings(max_examples=60, deadline=None)
@given(text=st.binary(min_size=1, max_size=6))
def test_what_may_be_said_is_what_a_search_through_all_tokens_finds(vocabulary: Vocabulary, text: bytes) -> None:
    wanted = [word for word in WORDS if word and (word.startswith(text) or text.startswith(word))]
    assert left(vocabulary, text) == wanted


def test_tokens_are_bytes(tokens: Tokens) -> None:
    for text in ("def add(a):\n\t", "漢字 é", "\x00\xa0\xad\x7f"):
        ids = tokens.encode(text)
        pieces = [spelled(tokens._tokenizer.id_to_token(id)) for id in ids]
        assert b"".join(pieces) == text.encode()


@settings(max_examples=100, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=12), st.builds(lambda text, end: text[:end], st.sampled_from(CORPUS), st.integers(0, 35))
    )
)
def test_what_is_taken_from_a_gap_is_the_end_of_its_text(tokens: Tokens, text: str) -> None:
    ids = tokens.prompt_ids(Prompt(text=text, suffix="<|fim_suffix|> after"))
    cut, taken = tokens.healed(ids)
    clean = text.encode("utf-8", "replace").decode("utf-8")
    end = cut.index(SPECIAL.index("<|fim_suffix|>"))
    assert clean.endswith(taken.decode())
    assert tokens.decode(cut[:end]) + taken.decode() == tokens.decode(ids[: ids.index(SPECIAL.index("<|fim_suffix|>"))])
    assert cut[end:] == ids[ids.index(SPECIAL.index("<|fim_suffix|>")) :]


# --------------------------------------------------------------------------- answers

# Gaps after half a word, a bracket, a space, a whole word, in the middle of a character's bytes, at the very start.
GAPS = [
    Prompt(text=text, suffix=suffix)
    for text, suffix in [
        ("import pan", " as pd\n"),
        ("def add(a, b):\n    ret", " a + b\n"),
        ("for i in range(10):\n    pri", "(i)\n"),
        ("for i in range(", "):\n    print(i)\n"),
        ("x = ", "\n"),
        ("# 漢字 é", "\n"),
        ("im", ""),
        ("", "\nimport pandas\n"),
    ]
]


def by_hand(engine: LocalEngine, prompt: Prompt, count: int) -> str:
    """The answer of plain greedy decoding in which what fits is searched for among all tokens, a token a pass."""
    model, tokens = engine._loaded.model, engine._tokens
    words = [b"" if id in tokens.special else spelled(tokens._tokenizer.id_to_token(id) or "") for id in range(320)]
    ids, rest = tokens.healed(tokens.prompt_ids(prompt))
    said, hidden = list(ids), rest
    while count:
        logits = _logits(model, said)
        if rest:
            fits = [bool(w) and (w.startswith(rest) or rest.startswith(w)) for w in words]
            logits = np.where(fits, logits, -np.inf)
        id = int(logits.argmax())
        said.append(id)
        count -= len(words[id]) > len(rest) or not words[id]
        rest = rest[len(words[id]) :]
        if id in tokens.ends:
            break
    text = b"".join(words[id] for id in said[len(ids) :])
    assert text.startswith(hidden)
    return text.removeprefix(hidden).decode("utf-8", "replace")


def _logits(model: object, ids: list[int]) -> np.ndarray:
    from nbcopilot.engine.model import Segment

    return np.asarray(model.forward([Segment(model.new_cache(len(ids)), ids)])[0])  # type: ignore[attr-defined]


def chunks_of(engine: LocalEngine, prompt: Prompt, candidates: int = 1, **settings: object) -> list[list[Chunk]]:
    found: list[list[Chunk]] = [[] for _ in range(candidates)]
    asked = Sampling(**({"max_tokens": 12} | settings))  # type: ignore[arg-type]
    for chunk in engine.generate(prompt, asked, candidates=candidates):
        found[chunk.index].append(chunk)
    return found


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


@pytest.mark.parametrize("kernels", ["on", "off"])
def test_answers_are_those_of_a_search_among_all_tokens(
    qwen_folder: Path, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBCOPILOT_KERNELS", kernels)
    config = Config(device="cpu", threads=2)
    with closing(load(str(qwen_folder), config)) as engine, closing(load(str(qwen_folder), config)) as other:
        wanted = [by_hand(other, gap, 12) for gap in GAPS]
        assert [text_of(chunks_of(engine, gap)[0]) for gap in GAPS] == wanted
        together: dict[int, str] = dict.fromkeys(range(len(GAPS)), "")
        for at, chunk in engine.generate_batch(GAPS, Sampling(max_tokens=12)):
            together[at] += chunk.text
        assert list(together.values()) == wanted, "the second time, with kept prefixes and beside others"
        healed = [engine._tokens.healed(engine._tokens.prompt_ids(gap))[1] for gap in GAPS]
        assert sum(map(bool, healed)) >= 5


def test_what_is_spelled_anew_is_neither_shown_nor_counted(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder)
    gap = GAPS[1]
    for count in (1, 5):
        (chunks,) = chunks_of(engine, gap, max_tokens=count, logprobs=1)
        usage, scores = chunks[-1].usage, [score for chunk in chunks for score in chunk.scores]
        assert usage is not None and usage.completion_tokens == count == len(scores)
    (several,) = {text_of(chunks) for chunks in chunks_of(engine, gap, candidates=3)}
    assert several == text_of(chunks_of(engine, gap)[0])
    stop = several[4:6]
    (chunks,) = chunks_of(engine, Prompt(text=gap.text, suffix=gap.suffix, stop=(stop,)))
    assert text_of(chunks) == several[: several.index(stop)]


def test_sampled_answers_go_on_from_the_half_word_too(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder)
    settings: dict[str, object] = {"temperature": 1.5, "seed": 3, "top_k": 40, "repetition_penalty": 1.2}
    first = [text_of(chunks) for chunks in chunks_of(engine, GAPS[0], candidates=4, **settings)]
    assert len(set(first)) > 1
    assert [text_of(chunks) for chunks in chunks_of(engine, GAPS[0], candidates=4, **settings)] == first


def test_only_gaps_are_healed(qwen_folder: Path, opened: Opener) -> None:
    engine = opened(qwen_folder)
    full = next(text for n in range(600) if _size(engine, text := "a " * n + "import pan") >= 510)
    begins = [
        engine._request(prompt, sampling, queue.SimpleQueue()).begins
        for prompt, sampling in [
            (Prompt(text="import pan", suffix=""), Sampling()),
            (Prompt(text="import pan"), Sampling()),
            (Prompt(text="import", suffix="", prefill=" pan"), Sampling()),
            (Prompt(text="import pan", suffix=""), Sampling(beams=2)),
            (Prompt(text=full, suffix=""), Sampling()),
        ]
    ]
    assert begins[0] and not any(begins[1:]), begins


def _size(engine: LocalEngine, text: str) -> int:
    return len(engine._tokens.prompt_ids(Prompt(text=text, suffix="")))
