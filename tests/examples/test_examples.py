"""Examples in prose, docstrings and asserts, and what is not one."""

from __future__ import annotations

import pytest

from nbcopilot.examples import find_examples, functions_of, promised_names

F = {"f": ("x",), "g": ("a", "b")}


def found(text: str) -> list[tuple[str, str, str]]:
    return [(e.kind, e.call, e.expected) for e in find_examples(text, F)]


@pytest.mark.parametrize(
    ("text", "call", "expected"),
    [
        ("f([1, 2]) == 3", "f([1, 2])", "3"),
        ("f(1) -> [2, 'a']", "f(1)", "[2, 'a']"),
        ('f("a b") ➞ True', 'f("a b")', "True"),
        ("f(0) => None", "f(0)", "None"),
        ("- `f(3)` returns `-4.5`", "f(3)", "-4.5"),
        ("For f(2) the answer: f(2) should return 8.", "f(2)", "8"),
        ("f(1)  # => 2", "f(1)", "2"),
        ("f(1) # returns 2 because of it", "f(1)", "2"),
        ("f({'a': (1, 2)}) == {1: [\n  2, 3]}", "f({'a': (1, 2)})", "{1: [\n  2, 3]}"),
        ("f(9) = float('inf')", "f(9)", "float('inf')"),
        ("f(')') == 1", "f(')')", "1"),
        ("f(8) == true", "f(8)", "True"),
        ("f('x') -> hello", "f('x')", "hello"),
    ],
)
def test_calls_in_prose(text: str, call: str, expected: str) -> None:
    assert found(text) == [("equal", call, expected)]


@pytest.mark.parametrize(
    "text",
    [
        "f(n) returns the sum of n",
        "def f(x):",
        "call f(x) == y for every x",
        "f([1, 2, ...]) == 3",
        "h(1) == 2",
        "f(1) is slow",
        "f(1) returns a list",
        "my_f(1) == 2",
        "f(1) == 2x",
        "",
    ],
)
def test_what_only_looks_like_an_example_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_asserts_in_prose() -> None:
    text = "Write a function. Your code should satisfy: assert f([1,\n 2]) == 3, 'no'\nassert f(1) and not f(0)"
    assert [(e.kind, e.call) for e in find_examples(text, F)] == [
        ("assert", "assert f([1, 2]) == 3, 'no'"),
        ("assert", "assert f(1) and (not f(0))"),
    ]


def test_asserts_bring_the_standard_modules_that_they_use() -> None:
    (example,) = find_examples("assert math.isclose(f(1), 2.5)", F)
    assert example.setup == "import math"


def test_sessions_with_setup_output_and_errors() -> None:
    text = ">>> y = 2\n>>> f(y)\n4\n>>> f('a')\nTraceback (most recent call last):\n  ...\nValueError: no\n>>> f(3) == 9\n>>> f(5)\n>>> 25"
    assert [(e.kind, e.call, e.expected, e.setup) for e in find_examples(text, F)] == [
        ("doctest", "f(y)", "4", "y = 2"),
        ("raises", "f('a')", "ValueError", "y = 2"),
        ("assert", "assert f(3) == 9", "", "y = 2"),
        ("doctest", "f(5)", "25", "y = 2"),
    ]


def test_input_and_output_lines_become_calls() -> None:
    text = (
        "Example 1:\n\n  Input: a = [1, 2], b = 'x'\n  Output: 3\n\nExample 2:\n  Input: b = 'y', a = []\n  Output: 0\n"
    )
    examples = find_examples(text, {"g": ("a", "b")})
    assert [(e.call, e.expected) for e in examples] == [("g(a=[1, 2], b='x')", "3"), ("g(b='y', a=[])", "0")]


def test_docstrings_are_read_with_their_escapes() -> None:
    source = 'def f(x):\n    """Lines.\n\n    >>> f("a\\\\nb")\n    2\n    """\n'
    (example,) = find_examples(source, F)
    assert (example.call, example.expected) == ('f("a\\nb")', "2")


def test_each_call_counts_once_and_strict_ones_come_first() -> None:
    text = "f(1) returns 2\n>>> f(1)\n2\nassert f(3) == 4"
    assert [e.kind for e in find_examples(text, F)] == ["doctest", "assert"]


def test_there_is_a_limit() -> None:
    assert len(find_examples("\n".join(f"f({i}) == {i}" for i in range(100)), F)) == 20


def test_functions_of_code() -> None:
    code = "def f(a, b=1): pass\nclass C: pass\ng = lambda x: x\n%time y = 1"
    assert functions_of(code) == {"f": ("a", "b"), "C": (), "g": ("x",)}
    assert functions_of("not ( python") == {}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('def f(x):\n    """Doc."""\n', {"f"}),
        ("def helper(x):\n    return x\n\ndef f(x):\n    ...\n", {"f"}),
        ("Your code should satisfy: assert add(1, 2) == 3", {"add"}),
        ("assert sorted(add(1)) == [1]", {"add"}),
        ("assert sum(1, 2) == 3", {"sum"}),
        ("make a plot of df", set()),
        ("use known(x)", set()),
        ("write largest(radii) that returns the largest", {"largest"}),
        ("Write a Python function called `f(x, y)`. It uses the function sqrt(x).", {"f"}),
        ("create print(x)", set()),
        ("assert known(1)", set()),
    ],
)
def test_promised_names(text: str, names: set[str]) -> None:
    assert promised_names(text, frozenset({"known"})) == names
