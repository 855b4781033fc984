"""The programs one small edit away: what makes a fault makes its mending, and nothing is tried twice."""

from __future__ import annotations

import ast

import pytest

from nbcopilot.fixes.small_edits import edits

MENDED = [
    ("def f(n):\n    n ^= n - 1\n    return n", "def f(n):\n    n &= n - 1\n    return n"),
    ("def f(a, n):\n    return a[n]", "def f(a, n):\n    return a[n - 1]"),
    ("def f(a, b):\n    return a % a", "def f(a, b):\n    return a % b"),
    ("def gcd(a, b):\n    return gcd(a % b, b)", "def gcd(a, b):\n    return gcd(b, a % b)"),
    ("def f(words):\n    return ' '.join(words)", "def f(words):\n    return ''.join(words)"),
    ("def f(q):\n    while True:\n        q.pop()", "def f(q):\n    while q:\n        q.pop()"),
    ("def f(x, y):\n    if x > y and x:\n        return x", "def f(x, y):\n    if x > y:\n        return x"),
    ("def f(n):\n    return n.next.next", "def f(n):\n    return n.next"),
    ("def f(t):\n    n = 0\n    for x in t:\n        n += x\n        return n", "def f(t):\n    n = 0\n    for x in t:\n        n += x\n    return n"),
    ("def f(t):\n    for x in t:\n        g(x)\n    h(x)", "def f(t):\n    for x in t:\n        g(x)\n        h(x)"),
    ("def f(t):\n    t.sort()\n    t.pop()\n    return t", "def f(t):\n    t.sort()\n    return t"),
    ("def f(t):\n    x = t[0]\n    t.pop()\n    return x", "def f(t):\n    t.pop()\n    x = t[0]\n    return x"),
    ("def f(x):\n    return x - 1 / 2", "def f(x):\n    return 1 / 2 - x"),
    ("rate = 0.5\ntotal = price + rate", "rate = 0.5\ntotal = price * rate"),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "mended"), MENDED)
def test_a_fault_in_one_place_is_mended_by_one_edit(broken: str, mended: str) -> None:
    assert ast.unparse(ast.parse(mended)) in [edit.source for edit in edits(broken)]


@pytest.mark.parametrize("source", [broken for broken, _ in MENDED])
def test_every_edit_is_a_program_of_its_own_with_words_for_it(source: str) -> None:
    found = edits(source)
    assert len({edit.source for edit in found}) == len(found)
    for edit in found:
        compile(edit.source, "cell", "exec")
        assert edit.change and edit.source != ast.unparse(ast.parse(source))
    assert [edit.cost for edit in found] == sorted(edit.cost for edit in found)


def test_at_most_so_many_and_the_same_every_time() -> None:
    long = "def f(a, b, c):\n" + "".join(f"    x{i} = a + b * c - {i}\n" for i in range(60)) + "    return a"
    assert len(edits(long, limit=50)) == 50 and edits(long) == edits(long)


def test_statements_that_share_a_line_or_await_are_left_as_they_are() -> None:
    cell = "a = 1; b = 2\nrows = await load()\nc = a + b"
    found = edits(cell)
    assert found and all(edit.source.startswith("a = 1; b = 2\nrows = await load()\n") for edit in found)


@pytest.mark.parametrize("source", ["def f(:", "", "%%bash\nls", "x" * 100_000 + "("])
def test_what_is_no_program_has_none(source: str) -> None:
    assert edits(source) == ()
