"""Every way in which the worker runs source understands what a notebook cell may be."""

from __future__ import annotations

import pytest

from nbcopilot.execution import Limits
from nbcopilot.sandbox.runner import Runner
from nbcopilot.sandbox.worker import source

ASYNC = "import asyncio\n\nasync def fetch(value):\n    await asyncio.sleep(0)\n    return value + 1\n"


def test_top_level_await_runs_in_a_loop_and_plain_code_without_one() -> None:
    namespace: dict[str, object] = {}
    source.execute(ASYNC, "cell", namespace)
    source.execute("first = await fetch(3)\nsecond = first + await fetch(first)", "cell", namespace)
    assert (namespace["first"], namespace["second"]) == (4, 9)
    assert source.evaluate("await fetch(1)", "cell", namespace) == 2
    assert source.evaluate("asyncio.run(fetch(1))", "cell", namespace) == 2
    for text in ("await", "return 1", "(" * 5000):
        with pytest.raises((SyntaxError, MemoryError, RecursionError)):
            source.compiled(text, "cell")


@pytest.mark.parametrize(
    "example",
    [
        {"kind": "assert", "source": "assert await fetch(3) == 4"},
        {"kind": "assert", "setup": "first = await fetch(3)", "source": "assert first == 4"},
        {"kind": "assert", "source": "first = await fetch(3)\nprint(first)"},
        {"kind": "equal", "call": "await fetch(3)", "expected": "4"},
        {"kind": "equal", "call": "await fetch(3)", "expected": "await fetch(3)"},
        {"kind": "doctest", "call": "await fetch(3)", "expected": "4"},
        {"kind": "doctest", "call": "x = await fetch(3); print(x)", "expected": "4"},
        {"kind": "raises", "call": "await fetch('a')", "expected": "TypeError"},
        {"kind": "observe", "call": "await fetch(3)"},
    ],
    ids=lambda example: f"{example['kind']}: {example.get('source', example.get('call'))}",
)
def test_examples_may_await(example: dict[str, str]) -> None:
    report = Runner().run(ASYNC, examples=[example])
    assert report.ok and [result.ok for result in report.outcomes] == [True], report


def test_edits_and_what_must_hold_after_them_may_await() -> None:
    payload = {
        "setup": [ASYNC], "source": "first = await fetch(2)", "sources": ["first = await fetch(2)", "first = await fetch(3)"],
        "after": "assert await fetch(first) == 5", "beside": [], "seconds": Limits().seconds,
    }  # fmt: skip
    assert Runner().call("repair_search.passing", payload, seconds=20) == {"passed": [1], "tried": 2}
