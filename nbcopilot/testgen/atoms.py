"""A model's tests taken apart by what they assert, and put together again from what holds.

split -> one test for each assertion -> (run) -> the tests without the assertions that do not hold
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Mapping, Sequence

from nbcopilot.testgen.split import SingleTest

MAX_ATOMS = 40
MOST_ASSERTS = 6


def apart(test: SingleTest) -> list[SingleTest]:
    """A test for each assertion of a plain function, with what it rests on; the test itself where it cannot be taken apart."""
    node = ast.parse(test.source).body[0]
    if not isinstance(node, ast.FunctionDef) or node.decorator_list:
        return [test]
    places = [place for place, statement in enumerate(node.body) if asserts(statement)]
    if len(places) < 2 or any(isinstance(s, (ast.For, ast.While, ast.If, ast.Try)) for s in node.body):
        return [test]
    return [SingleTest(f"{test.name}__{place}", _only(node, {place}, f"{test.name}__{place}")) for place in places]


def together(test: SingleTest, holding: Mapping[str, bool]) -> SingleTest | None:
    """The test with the assertions that hold, at most six; None when none does. holding: by the names that `apart` gives."""
    if test.name in holding:
        return test if holding[test.name] else None
    node = ast.parse(test.source).body[0]
    assert isinstance(node, ast.FunctionDef)
    places = [place for place in range(len(node.body)) if holding.get(f"{test.name}__{place}")]
    if len(places) == sum(map(asserts, node.body)) <= MOST_ASSERTS:
        return test
    return SingleTest(test.name, _only(node, set(places[:MOST_ASSERTS]), test.name)) if places else None


def asserts(statement: ast.stmt) -> bool:
    """Whether the statement checks something: an assert, a `with pytest.raises`, a call of an assertion."""
    if isinstance(statement, ast.With):
        return any(
            "raises" in ast.unparse(item.context_expr) or "warns" in ast.unparse(item.context_expr)
            for item in statement.items
        )
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return "assert" in ast.unparse(statement.value.func).lower()
    return isinstance(statement, ast.Assert)


def _only(node: ast.FunctionDef, places: Collection[int], name: str) -> str:
    """The function with these assertions alone, and no variable that is not used."""
    body = [s for place, s in enumerate(node.body) if place in places or not asserts(s)]
    while body and not asserts(body[-1]):
        body.pop()  # what comes after the last assertion
    if ast.get_docstring(node):
        body = body[1:]
    used = {n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    body = [s for s in body if not _sets_only(s, used)]
    made = copy.deepcopy(node)
    made.name, made.body = name, body or [ast.Pass()]
    return ast.unparse(ast.fix_missing_locations(made))


def _sets_only(statement: ast.stmt, used: Collection[str]) -> bool:
    """Whether it gives a value, without a call, to names that nothing uses."""
    if not isinstance(statement, ast.Assign) or not all(isinstance(t, ast.Name) for t in statement.targets):
        return False
    return not {t.id for t in statement.targets if isinstance(t, ast.Name)} & set(used)


def without_repeats(tests: Sequence[SingleTest]) -> list[SingleTest]:
    """The tests up to the first that says again what one before it said, another name aside: there a model begins to ramble."""
    seen: set[str] = set()
    kept = []
    for test in tests:
        node = ast.parse(test.source).body[0]
        said = {ast.unparse(s) for s in getattr(node, "body", []) if asserts(s)}
        if said and said <= seen:
            break
        seen |= said
        kept.append(test)
    return kept


def claims_a_value(test: SingleTest, subjects: Collection[str]) -> bool:
    """Whether the test is one plain claim about one call: `assert f(x) == y`, `with pytest.raises(E): f(x)`."""
    node = ast.parse(test.source).body[0]
    body = [s for s in getattr(node, "body", []) if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    if not isinstance(node, ast.FunctionDef) or node.decorator_list or node.args.args or len(body) != 1:
        return False
    (claim,) = body
    if isinstance(claim, ast.With) and len(claim.body) == 1 and isinstance(claim.body[0], ast.Expr):
        return _is_call(claim.body[0].value, subjects)
    test_ = claim.test if isinstance(claim, ast.Assert) else None
    if isinstance(test_, ast.Compare) and len(test_.ops) == 1 and isinstance(test_.ops[0], (ast.Eq, ast.Is)):
        return _is_call(test_.left, subjects) and not any(_is_call(n, subjects) for n in ast.walk(test_.comparators[0]))
    return False


def _is_call(node: ast.AST, subjects: Collection[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in subjects
