"""The fake engine keeps the law of `Engine`, and its default answers are usable for every kind of task."""

from __future__ import annotations

import ast

import pytest

from nbcopilot.engine.fake import FakeEngine
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import ConfigError, ContextOverflowError, EngineUnavailableError
from nbcopilot.inference import Chunk, Message, Prompt, Sampling
from nbcopilot.prompts.render import render
from nbcopilot.types import Candidate, Context, Snippet, Target, Task, TaskKind
from nbcopilot.verdict import Diagnostic, Verdict

CODE = 'def mean(values):\n    """The mean.\n\n    >>> mean([1, 3])\n    2.0\n    """\n    return sum(values) / len(values)'


def ask(text: str, **changes: object) -> Prompt:
    return Prompt(messages=(Message("user", text),), **changes)  # type: ignore[arg-type]


def said(engine: Engine, prompt: Prompt, sampling: Sampling | None = None, candidates: int = 1) -> list[str]:
    texts = [""] * candidates
    for chunk in engine.generate(prompt, sampling or Sampling(), candidates=candidates):
        texts[chunk.index] += chunk.text
    return texts


def rendered(kind: TaskKind, instruction: str = "", source: str = "", **more: object) -> Prompt:
    task = Task(kind, instruction, Target(source, names=more.pop("names", ())))  # type: ignore[arg-type]
    snippets = [Snippet("target", "this cell", source, "asked")] if source else []
    if "error" in more:
        snippets.insert(0, Snippet("error", "traceback", str(more.pop("error")), "last error"))
    snippets.insert(0, Snippet("cell", "cell 1", "import pandas as pd", "used"))
    return render(Context(task, snippets=tuple(snippets)), **more)  # type: ignore[arg-type]


# --------------------------------------------------------------------------- the law


def test_it_is_an_engine() -> None:
    assert isinstance(FakeEngine(), Engine)
    assert FakeEngine().describe().id == "fake"


def test_script_is_given_in_order_and_its_end_is_one_sentence() -> None:
    engine = FakeEngine(script=["one", "two", "three"])
    assert said(engine, ask("a")) == ["one"]
    assert said(engine, ask("b"), candidates=2) == ["two", "three"]
    with pytest.raises(EngineUnavailableError, match="ended after 3 answers"):
        said(engine, ask("c"))
    assert [prompt.messages[0].content for prompt in engine.prompts] == ["a", "b", "c"]


def test_script_may_be_a_function_or_raise() -> None:
    assert said(FakeEngine(script=lambda prompt: prompt.messages[-1].content.upper()), ask("abc")) == ["ABC"]
    with pytest.raises(EngineUnavailableError, match="Gone"):
        said(FakeEngine(script=[EngineUnavailableError("gone")]), ask("a"))


def test_answer_comes_in_several_chunks_and_the_last_has_finish_and_usage() -> None:
    chunks = list(FakeEngine(script=["one two three four five six"]).generate(ask("a b"), Sampling()))
    assert len(chunks) > 1
    assert "".join(chunk.text for chunk in chunks) == "one two three four five six"
    assert [chunk.finish for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (
        FakeEngine().count("a b\n\n\n"),
        FakeEngine().count("one two three four five six"),
    )


def test_empty_answer_is_one_last_chunk() -> None:
    (chunk,) = FakeEngine(script=[""]).generate(ask("a"), Sampling())
    assert (chunk.text, chunk.finish) == ("", "stop")


def test_stop_string_and_limit_end_the_answer() -> None:
    assert said(FakeEngine(script=["abc\n```\nmore"]), ask("a", stop=("\n```",))) == ["abc"]
    chunks = list(FakeEngine(script=["a b c d e f g"]).generate(ask("x"), Sampling(max_tokens=3)))
    assert "".join(c.text for c in chunks) == "a b c"
    assert chunks[-1].finish == "length"


def test_closing_the_stream_cancels() -> None:
    engine = FakeEngine(script=["word " * 100])
    stream = engine.generate(ask("a"), Sampling())
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert engine.cancelled == 1


def test_closing_the_engine_ends_running_requests_and_refuses_new_ones() -> None:
    engine = FakeEngine(script=["word " * 100] * 2)
    stream = engine.generate(ask("a"), Sampling())
    next(stream)
    engine.close()
    rest = list(stream)
    assert [chunk.finish for chunk in rest] == ["cancelled"]
    with pytest.raises(EngineUnavailableError):
        engine.generate(ask("a"), Sampling())


def test_long_prompt_is_refused_with_both_numbers() -> None:
    with pytest.raises(ContextOverflowError, match=r"Prompt is \d+ tokens, fake takes 10"):
        FakeEngine(context_tokens=10).generate(ask("word " * 20), Sampling())


def test_batch_gives_each_prompt_its_own_answer() -> None:
    engine = FakeEngine(script=lambda prompt: prompt.messages[-1].content * 9)
    texts = {0: "", 1: ""}
    for at, chunk in engine.generate_batch([ask("ab "), ask("cd ")], Sampling()):
        texts[at] += chunk.text
    assert texts == {0: "ab " * 9, 1: "cd " * 9}


def test_count_covers_every_character() -> None:
    from nbcopilot.engine.fake import PIECE

    text = "def f(x):\n\treturn  'äöü' * 2  # 😀\r\n\x00"
    assert "".join(PIECE.findall(text)) == text


def test_id_names_the_pace_and_a_wrong_one_is_refused() -> None:
    assert FakeEngine.from_id("fake:20")._pace == 20
    with pytest.raises(ConfigError, match="`fake:fast` is not a fake model"):
        FakeEngine.from_id("fake:fast")


def test_scores_come_when_asked_for() -> None:
    def scores(chunks: list[Chunk]) -> str:
        return "".join(score.text for chunk in chunks for score in chunk.scores)

    assert scores(list(FakeEngine(script=["a b c d"]).generate(ask("x"), Sampling(logprobs=0)))) == "a b c d"
    assert scores(list(FakeEngine(script=["a b c d"]).generate(ask("x"), Sampling()))) == ""


# --------------------------------------------------------------------------- plausible answers


def code_of(prompt: Prompt) -> str:
    (text,) = said(FakeEngine(), prompt)
    head = prompt.prefill.rpartition("```python\n")[2]  # a head that was asked for stands there already
    ast.parse(head + text)
    return head + text


@pytest.mark.parametrize(
    ("instruction", "name"),
    [
        ("a function `add_all(xs)` that sums a list", "add_all"),
        ("write a function that returns the n-th fibonacci number", "fibonacci"),
        ("def clamp(x, low, high):\n    '''x within low..high'''", "clamp"),
        ("from typing import List\n\ndef mean(values: List[float]) -> float:\n    '''The mean.'''\n", "mean"),
    ],
)
def test_generate_defines_the_function_that_is_named(instruction: str, name: str) -> None:
    tree = ast.parse(code_of(rendered("generate", instruction)))
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == [name]


def test_generate_without_a_function_is_a_small_program_that_runs() -> None:
    namespace: dict[str, object] = {}
    exec(code_of(rendered("generate", "the squares of the first ten numbers")), namespace)
    assert namespace["squares"] == [n * n for n in range(10)]


def test_generate_without_prefill_is_fenced() -> None:
    (text,) = said(FakeEngine(), ask("write a function is_prime(n)"))
    assert "```python\ndef is_prime(n):" in text and text.rstrip().endswith("```")


def test_tests_name_the_function_and_use_its_examples() -> None:
    text = code_of(rendered("testgen", source=CODE, names=("mean",)))
    assert "assert mean([1, 3]) == 2.0" in text
    namespace: dict[str, object] = {}
    exec(f"{CODE}\n\n{text}", namespace)
    for name, test in list(namespace.items()):
        if name.startswith("test_") and callable(test):
            test()


def test_fix_makes_the_change_that_the_error_names() -> None:
    broken = CODE.replace("len(values)", "len(value)")
    text = code_of(
        rendered("fix", source=broken, error="NameError: name 'value' is not defined. Did you mean: 'values'?")
    )
    assert text == CODE


@pytest.mark.parametrize("kind", ["explain", "document"])
def test_prose_names_only_what_stands_in_the_code(kind: TaskKind) -> None:
    import re

    (text,) = said(FakeEngine(), rendered(kind, source=CODE))
    names = re.findall(r"`(\w+)`", text)
    assert "mean" in names and all(name in CODE for name in names)
    assert "```" not in text and not re.search(r"\d", text)


def test_repair_turn_is_answered_in_kind() -> None:
    failed = [
        (
            Candidate("def mean(values): retrun 1"),
            Verdict(False, (Diagnostic("NB102", "error", {"problem": "invalid syntax"}),)),
        )
    ]
    assert "def mean(" in code_of(rendered("generate", "a function `mean(values)`", failed=failed))


def test_completion_is_one_short_line() -> None:
    text = said(FakeEngine(), Prompt(text="def f(value):\n    return ", suffix="\n"))[0]
    assert text == "value"


def test_greedy_candidates_are_alike_and_sampled_ones_differ_but_mean_the_same() -> None:
    prompt = rendered("generate", "a function `mean(values)`")
    assert len(set(said(FakeEngine(), prompt, candidates=3))) == 1
    texts = said(FakeEngine(), prompt, Sampling(temperature=1, seed=0), candidates=2)
    assert len(set(texts)) == 2
    for text in texts:
        namespace: dict[str, object] = {}
        exec(text, namespace)
        assert namespace["mean"]([1, 3]) == 2  # type: ignore[operator]


def test_other_languages_are_answered_without_python() -> None:
    task = Task("document", target=Target("x <- mean(values)"))
    prompt = render(Context(task, language="R", snippets=(Snippet("target", "cell", "x <- mean(values)", "asked"),)))
    assert "`mean`" in said(FakeEngine(), prompt)[0]
