"""What a function's parameters may be, and values of it."""

from __future__ import annotations

import ast

import pytest

from nbcopilot.sandbox.worker.guess import guess
from nbcopilot.sandbox.worker.shapes import shape_of
from nbcopilot.sandbox.worker.values import Maker, literals


def best(source: str) -> list[object]:
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    return [shapes[0][0] for shapes in guess(function)]


@pytest.mark.parametrize(
    ("source", "shapes"),
    [
        ("def f(a: int, b: str): pass", [("int",), ("str",)]),
        ("def f(a: list[str]): pass", [("list", ("str",))]),
        ("def f(a: 'List[int]' = None, *, k=1): pass", [("list", ("int",))]),
        ("def f(a: dict[str, list[int]]): pass", [("dict", ("str",), ("list", ("int",)))]),
        ("def f(a: tuple[int, str]): pass", [("tuple", ("int",), ("str",))]),
        ("def f(a: Optional[float]): pass", [("float",)]),
        ("def f(text): return text.split()", [("str",)]),
        ("def f(q): return q % 2", [("int",)]),
        ("def f(q):\n    for a, b in q: pass", [("list", ("tuple", ("int",), ("int",)))]),
        ("def f(q): return q.items()", [("dict", ("str",), ("int",))]),
        ("def f(q):\n    names = ('A', 'B')\n    return q in names", [("str",)]),
        ("def f(q): return [w.upper() for w in q]", [("list", ("str",))]),
        ("def f(q=2.5): return q", [("float",)]),
        ("def f(df): return df.groupby('a').sum()", [("frame", ())]),
    ],
)
def test_the_likeliest_shape_comes_first(source: str, shapes: list[object]) -> None:
    if "'List" in source:
        source = source.replace("'List[int]'", "List[int]")
    assert best(source) == shapes


def test_every_parameter_has_fallbacks_and_self_has_none() -> None:
    function = ast.parse("def f(self, a, b): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    found = guess(function)
    assert len(found) == 2 and all(len(shapes) > 10 for shapes in found)


@pytest.mark.parametrize("shape", [("int",), ("str",), ("float",), ("bool",), ("list", ("int",)), ("list", ("tuple", ("int",), ("int",))), ("dict", ("str",), ("int",)), ("set", ("int",)), ("tuple", ("int",), ("str",))])  # fmt: skip
def test_values_have_the_shape_that_was_asked_for(shape: tuple[object, ...]) -> None:
    maker = Maker([3, "ab", "-"])
    for _ in range(200):
        value = maker.random_value(shape)
        found = shape_of(value)
        assert found is not None and found[0] == shape[0]
        assert shape_of(maker.changed(value))[0] == shape[0]  # type: ignore[index]


def test_the_same_seed_makes_the_same_values() -> None:
    one, other = Maker([5]), Maker([5])
    assert [one.random_value(("list", ("str",))) for _ in range(50)] == [
        other.random_value(("list", ("str",))) for _ in range(50)
    ]


def test_constants_of_the_source_are_found_without_its_docstrings() -> None:
    tree = ast.parse("def f(x):\n    'Docstring 7'\n    return x.split('-') + [12, 2.5, 'word']")
    found = literals(tree)
    assert {"-", 12, 2.5, "word"} <= set(found) and "Docstring 7" not in found
