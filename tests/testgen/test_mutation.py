"""Mutants: which there are, and which there must not be."""

from __future__ import annotations

import ast

import pytest

from nbcopilot.testgen.mutation import mutants


def changes(source: str) -> set[str]:
    return {m.change for m in mutants(source)}


@pytest.mark.parametrize(
    ("body", "change"),
    [
        ("return a < b", "`<` becomes `<=`"),
        ("return a == b", "`==` becomes `!=`"),
        ("return a + b", "`+` becomes `-`"),
        ("return a // b", "`//` becomes `*`"),
        ("return a + 3", "`3` becomes `4`"),
        ("return 'x' in a", "`x` becomes `xX`".replace("`x`", "`'x'`").replace("`xX`", "`'xX'`")),
        ("return a and b", "`and` becomes `or`"),
        ("if a:\n        return 1\n    return 2", "`a` becomes `not a`"),
        ("return a", "`a` becomes `None`"),
        ("a.sort()\n    return a", "`a.sort()` becomes `pass`"),
        ("return a[1:]", "`1` becomes `nothing`"),
        ("return a[b]", "`b` becomes `b - 1`"),
        ("for i in range(a):\n        b += i\n    return b", "`a` becomes `a + 1`"),
        ("for i in a:\n        if i:\n            break\n        b += i\n    return b", "`break` becomes `continue`"),
        ("return min(a, b)", "`min` becomes `max`"),
        ("return f(a, b)", "`a, b` becomes `b, a`"),
        ("return not a", "`not a` becomes `a`"),
        ("return -a", "`-a` becomes `a`"),
        ("a += 1\n    return a", "`+` becomes `-`"),
        ("return [x for x in a if x]", "`x` becomes `not x`"),
        ("return a.groupby(b).sum()", "`a.groupby(b).sum` becomes `a.groupby(b).mean`"),
        ("return a.head(b)", "`a.head` becomes `a.tail`"),
        ("return a.rank(pct=b)", "`pct=b` becomes `nothing`"),
        ("c = a.copy()\n    return c", "`a.copy()` becomes `a`"),
        ("for i in a:\n        b += i\n    return b", "`a` becomes `()`"),
        ("raise ValueError(a)", "`ValueError` becomes `Exception`"),
        ("return re.sub('[a-z0-9]+', '', a)", "`'[a-z0-9]+'` becomes `'[0-9]+'`"),
    ],
)
def test_each_operator_makes_its_change(body: str, change: str) -> None:
    assert change in changes(f"def f(a, b):\n    {body}\n")


def test_defaults_of_parameters_are_changed() -> None:
    assert "`3` becomes `4`" in changes("def f(a, factor: int = 3):\n    return a * factor\n")
    assert "`'-'` becomes `'-X'`" in changes("def f(a, *, sep='-'):\n    return sep.join(a)\n")


def test_mutants_are_valid_and_all_different() -> None:
    source = "def f(a):\n    total = 0\n    for x in a:\n        if x > 2 and x % 2 == 0:\n            total += x\n    return total\n"
    found = mutants(source)
    assert len(found) > 15 and len({m.source for m in found}) == len(found)
    for mutant in found:
        compile(mutant.source, "m", "exec")
        assert ast.dump(ast.parse(mutant.source)) != ast.dump(ast.parse(source))
        assert 2 <= mutant.line <= 6


def test_changes_that_compile_to_the_same_are_dropped() -> None:
    assert "`1` becomes `0`" not in changes("def f(a):\n    '''Docstring 1'''\n    return a\n")
    assert not any("Docstring" in change for change in changes("def f(a):\n    'Docstring'\n    return a\n"))


def test_only_the_named_functions_are_changed() -> None:
    source = "def f(a):\n    return a + 1\n\ndef g(a):\n    return a - 1\n"
    assert {m.line for m in mutants(source, ["g"])} == {5}


def test_a_limit_spreads_over_the_lines() -> None:
    source = "def f(a):\n" + "".join(f"    a = a + {i}\n" for i in range(2, 40)) + "    return a\n"
    found = mutants(source, limit=20)
    assert len(found) == 20 and len({m.line for m in found}) == 20


def test_code_that_cannot_be_parsed_has_none() -> None:
    assert mutants("def f(:\n") == ()
    assert mutants("x = 1\n") == ()
