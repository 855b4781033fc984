"""What docstrings promise, as tests: `>>> half(4)` with `2.0` below it becomes an assertion of its own.

They are weighed like a model's tests: one that passes is no mere record of today's output, one that fails says that
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

LIMIT = 6  # of one source


def promised(source: str, names: Collection[str]) -> list[SingleTest]:
    """One test for each example of `names` that docstrings in `source` write out as code, at most `LIMIT`."""
    tests: list[SingleTest] = []
    count: dict[str, int] = {}
    for example in examples.find_examples(source, examples.functions_of(source)):
        called = sorted(called_in(ast.parse(example.call)) & set(names)) if example.strict else []
        claim = _claim(example) if called else []
        if not claim or len(tests) == LIMIT:
            continue
        name = called[0]
        count[name] = count.get(name, 0) + 1
        body = [f'"""An example in the docstring of {name}."""', *example.setup.splitlines(), *claim]
        title = f"test_{name}_example_{count[name]}"
        tests.append(SingleTest(title, "\n".join([f"def {title}():", *(f"    {line}" for line in body)])))
    return tests


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
