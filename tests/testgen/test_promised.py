"""Docstring examples as tests."""

from __future__ import annotations

import pytest

from nbcopilot.testgen.promised import LIMIT, promised


def claims(docstring: str) -> list[str]:
    source = f'def f(x):\n    """{docstring}"""\n    return x\n'
    return [test.source.split("\n    ", 1)[1] for test in promised(source, {"f"})]


@pytest.mark.parametrize(
    ("docstring", "claim"),
    [
        (">>> f(2)\n    4", "assert f(2) == 4"),
        (">>> f(2)\n    0.1", "assert f(2) == pytest.approx(0.1)"),
        (">>> f(2)\n    [1, 0.5]", "assert f(2) == pytest.approx([1, 0.5])"),
        (">>> f(2)\n    [[0.5]]", "assert f(2) == [[0.5]]"),
        (">>> f(2)\n    True", "assert f(2) is True"),
        (">>> f(0)\n    Traceback (most recent call last):\n    ValueError: no", "with pytest.raises(ValueError):\n        f(0)"),
        (">>> x = [1]\n    >>> f(x)\n    [1]", "x = [1]\n    assert f(x) == [1]"),
    ],
)  # fmt: skip
def test_an_example_is_an_assertion(docstring: str, claim: str) -> None:
    assert claims(docstring) == [claim]


def test_what_is_printed_or_told_in_prose_is_none() -> None:
    assert claims(">>> f(2)\n    <object at 0x1>") == []
    assert claims("f(2) returns 4") == []
    assert promised('def f(x):\n    """>>> f(1)\n    1"""\n', {"g"}) == []


def test_there_is_a_limit() -> None:
    many = "\n    ".join(f">>> f({i})\n    {i}" for i in range(9))
    (one,) = claims(many)
    assert one.count("assert") == LIMIT
