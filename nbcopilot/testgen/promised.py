"""What docstrings promise, as tests: `>>> half(4)` with `2.0` below it becomes an assertion, and its call an input that matters.

They are weighed like a model's tests: one that holds is no mere record of today's output, one that fails says that
docstring and code disagree.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection

from nbcopilot import examples
from nbcopilot.examples import Example
from nbcopilot.examples.literals import called_in
from nbcopilot.notebook import syntax
from nbcopilot.testgen.split import SingleTest

LIMIT = 6  # of one function


def promised(source: str, names: Collection[str]) -> list[SingleTest]:
    """A test for each function of `names` with the examples that docstrings write out as code, at most `LIMIT` each."""
    claims: dict[str, list[str]] = {}
    for example in examples.find_examples(source, examples.functions_of(source)):
        called = sorted(called_in(ast.parse(example.call)) & set(names)) if example.strict else []
        claim = _claim(example) if called else []
        if claim and len(claims.setdefault(called[0], [])) < LIMIT:
            claims[called[0]].append("\n".join([*example.setup.splitlines(), *claim]))
    return [_test(name, some) for name, some in claims.items()]


def _test(name: str, claims: list[str]) -> SingleTest:
    title = f"test_{name}_does_what_its_docstring_shows"
    lines = [f"def {title}():", *(f"    {line}" for claim in claims for line in claim.split("\n"))]
    return SingleTest(title, "\n".join(lines))


def _claim(example: Example) -> list[str]:
    """The lines that assert the example; [] for what cannot be said in an assertion (printed text, say)."""
    call, expected = example.call, example.expected.strip()
    if example.kind == "assert":
        return call.splitlines()
    if example.kind == "raises":
        known = isinstance(getattr(builtins, expected, None), type)
        return [f"with pytest.raises({expected}):", f"    {call}"] if known else []
    try:
        value = syntax.literal(expected)
    except SyntaxError:
        return []
    flat = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(v, float) for v in flat) and all(isinstance(v, (int, float)) for v in flat):
        return [f"assert {call} == pytest.approx({expected})"]
    return [f"assert {call} {'is' if expected in ('True', 'False', 'None') else '=='} {expected}"]
