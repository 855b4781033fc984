"""The programs one small edit away from a cell: what search-based repair tries when a cell fails a check.

The operators of mutation testing the other way round (a fault that one of them made, one of them takes back), and
those that mend what people and models get wrong in one place: another variable, one more or less, a condition too
many, a statement on the wrong level. GenProg (doi:10.1109/TSE.2011.104) and its successors; on text only, nothing is
executed here.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nbcopilot.notebook import syntax
from nbcopilot.testgen.mutation import Change, applied, changes, fingerprint

MAX_EDITS = 300

# How rarely an edit of this kind is the right one among those that pass (QuixBugs and HumanEvalFix, development halves).
_COSTS = {"name": 2, "operand": 2, "unwrapped": 2, "statement": 2, "level": 2, "order": 2, "condition": 2, "wrapped": 3}
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_ARITHMETIC: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Mult,), ast.Mult: (ast.Pow, ast.Div), ast.Div: (ast.Mod,), ast.FloorDiv: (ast.Mod,), ast.Mod: (ast.Div,),
}  # fmt: skip
_ONE_WAY = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.Add)
_MOVES = {
    "statement": "a statement less",
    "order": "two statements the other way round",
    "level": "a statement on another level",
}
_WRAPS = (
    "not {}",
    "list({})",
    "sorted({})",
    "len({})",
    "str({})",
    "int({})",
    "abs({})",
    "-{}",
    "round({}, 2)",
    "set({})",
)
_SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.If, ast.Return, ast.Break, ast.Continue)
_NO_USE = frozenset({"constant", "return"})  # of mutation testing: they hide results, and mend none


@dataclass(frozen=True)
class Edit:
    """The whole cell with one edit. `change` says it in words; `cost` is higher for what is right less often."""

    source: str
    change: str
    cost: int


def edits(source: str, *, limit: int = MAX_EDITS) -> tuple[Edit, ...]:
    """The cells one edit away, cheapest first, at most `limit`; () when the source cannot be parsed.

    What compiles to the same as the cell or as another edit is left out. Statements that are not edited keep their
    lines. Order and choice are the same every time.
    """
    module = syntax.plain_tree(source)
    if module is None:
        return ()
    found: list[Edit] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of edits that call a text
        places = [
            (_COSTS.get(change[3], 1), part, change) for part in _parts(module.body) for change in _all(part.tree)
        ]
        for cost, part, change in sorted(places, key=lambda place: place[0]):
            if len(found) == limit:
                break
            if (text := part.edited(change)) is not None:
                words = _MOVES.get(change[3]) or part.words
                found.append(Edit(part.within(source, text), words, cost))
    return tuple(found)


def _parts(body: Sequence[ast.stmt]) -> list[_Part]:
    """The statements that stand on lines of their own and compile alone: a top-level `await` does not."""
    lines = Counter(line for one in body for line in {one.lineno, one.end_lineno})
    found: list[_Part] = []
    for one in body:
        if lines[one.lineno] == lines[one.end_lineno] == 1:
            with contextlib.suppress(SyntaxError):
                found.append(_Part(one))
    return found


class _Part:
    """One statement of the cell, with what its edits compile to so far."""

    def __init__(self, statement: ast.stmt) -> None:
        self.tree = ast.Module([statement], [])
        self.words = ""
        first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))])
        self._lines = first - 1, statement.end_lineno or first
        self._known = {fingerprint(self.tree)}

    def edited(self, change: Change) -> str | None:
        """The statement with the change; None for what is no program or no other one. `words` says what it was."""
        node, field, index, _, new = change
        changed, self.words = applied(self.tree, node, field, index, new)
        if changed is None:
            return None
        try:
            program = fingerprint(changed)
        except SyntaxError:
            return None
        text = ast.unparse(changed)
        if {program, text} & self._known:
            return None
        self._known |= {program, text}
        return text

    def within(self, source: str, text: str) -> str:
        """The cell with `text` for this statement."""
        lines = source.split("\n")
        return "\n".join([*lines[: self._lines[0]], *text.split("\n"), *lines[self._lines[1] :]])


def _all(tree: ast.Module) -> Iterator[Change]:
    yield from (change for change in changes(tree, ()) if change[3] not in _NO_USE)
    constants = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) in (int, float, str)]
    attributes = _attributes(tree)
    for node, names in _scoped(tree):
        yield from _of_operator(node)
        yield from _of_block(node)
        for field, index, child in _expressions(node):
            for operator, new in (
                *_of_constant(child, constants, node),
                *_of_name(child, names, node, field),
                *_of_attribute(child, attributes, node, field),
                *_one_off(child, node, field),
                *_less(child),
            ):
                yield node, field, index, operator, new
        if isinstance(node, ast.Return) and node.value is not None:
            text = ast.unparse(node.value)
            for wrap in _WRAPS:
                yield node, "value", None, "wrapped", ast.parse(wrap.format(f"({text})"), mode="eval").body
        if isinstance(node, ast.While) and isinstance(node.test, ast.Constant):
            yield from ((node, "test", None, "condition", ast.Name(name, ast.Load())) for name in names)


def _scoped(tree: ast.Module) -> Iterator[tuple[ast.AST, Sequence[str]]]:
    """Every node with the variables that it may read: those of its function, or of the cell."""

    def below(node: ast.AST, names: Sequence[str]) -> Iterator[tuple[ast.AST, Sequence[str]]]:
        yield node, names
        for child in ast.iter_child_nodes(node):
            own = _variables(child) if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else names
            yield from below(child, own)

    return below(tree, _variables(tree))


def _variables(scope: ast.AST) -> Sequence[str]:
    called = {n.func.id for n in ast.walk(scope) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    arguments = [n.arg for n in ast.walk(scope) if isinstance(n, ast.arg)]
    bound = [n.id for n in ast.walk(scope) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return [name for name in dict.fromkeys([*arguments, *bound]) if name not in called]


def _attributes(tree: ast.Module) -> Sequence[str]:
    """Attributes that are read somewhere, methods left out."""
    methods = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return list(dict.fromkeys(n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and id(n) not in methods))


def _expressions(node: ast.AST) -> Iterator[tuple[str, int | None, ast.expr]]:
    """The expressions right below `node`, but for what an edit makes no sense in: texts with braces, defaults."""
    if isinstance(node, (ast.JoinedStr, ast.FormattedValue, ast.arguments, ast.Import, ast.ImportFrom)):
        return
    for field, value in ast.iter_fields(node):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            text = isinstance(node, ast.Expr) and isinstance(child, ast.Constant)
            if isinstance(child, ast.expr) and isinstance(getattr(child, "ctx", ast.Load()), ast.Load) and not text:
                yield field, index, child


def _of_operator(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for i, operator in enumerate(node.ops):
            if type(operator) in _COMPARISONS:
                yield from ((node, "ops", i, "comparison", new()) for new in _COMPARISONS)
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        yield from ((node, "op", None, "arithmetic", new()) for new in _ARITHMETIC.get(type(node.op), ()))
    if isinstance(node, ast.Call):
        for i in range(len(node.args) - 1):
            swapped = [*node.args[:i], node.args[i + 1], node.args[i], *node.args[i + 2 :]]
            yield node, "args", None, "arguments", swapped


def _of_constant(child: ast.expr, others: Sequence[Any], parent: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if not isinstance(child, ast.Constant):
        return
    value = child.value
    near: list[Any] = []
    if isinstance(value, bool):
        near = [not value]
    elif isinstance(value, int):
        near = [value + 1, value - 1, 0, 1, 2, -value]
    elif isinstance(value, float):
        near = [-value, value + 1, value * 10, value / 10, 0.0, 1.0]
    elif isinstance(value, str):
        near = ["", value.strip(), f"{value} ", value.lower(), value.upper(), value[:-1]]
    elif value is None:
        near = [0, True, False]
    near += [other for other in others if type(other) is type(value)]
    # `x - 0` is `x`, which `_less` gives.
    idle = "0" if isinstance(parent, ast.BinOp) and isinstance(parent.op, (ast.Add, ast.Sub)) else ""
    for text in dict.fromkeys(map(repr, near)):
        if text not in (repr(value), idle):
            yield "constant", ast.parse(text, mode="eval").body


def _of_name(child: ast.expr, names: Sequence[str], parent: ast.AST, field: str) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(child, ast.Name) and not (isinstance(parent, ast.Call) and field == "func"):
        yield from (("name", ast.Name(name, ast.Load())) for name in names if name != child.id)


def _of_attribute(
    child: ast.expr, attributes: Sequence[str], parent: ast.AST, field: str
) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(child, ast.Attribute) and not (isinstance(parent, ast.Call) and field == "func"):
        yield from (("name", ast.Attribute(child.value, name, ast.Load())) for name in attributes if name != child.attr)


def _one_off(child: ast.expr, parent: ast.AST, field: str) -> Iterator[tuple[str, ast.expr]]:
    """One more and one less, where a number may stand."""
    numbers = (ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.BinOp)
    places = (
        ast.Subscript,
        ast.Slice,
        ast.Return,
        ast.Compare,
        ast.Call,
        ast.BinOp,
        ast.Assign,
        ast.AugAssign,
        ast.keyword,
    )
    whole = (isinstance(parent, ast.Call) and field == "func") or (
        isinstance(parent, ast.Subscript) and field == "value"
    )
    counted = (
        isinstance(child, ast.BinOp)
        and isinstance(child.op, (ast.Add, ast.Sub))
        and isinstance(child.right, ast.Constant)
    )
    if isinstance(child, numbers) and isinstance(parent, places) and not whole and not counted:
        for step in (ast.Add(), ast.Sub()):
            yield "operand", ast.BinOp(child, step, ast.Constant(1))


def _less(child: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The expression with a part left out, or with its parts the other way round."""
    if isinstance(child, ast.BinOp):
        yield "operand", child.left
        yield "operand", child.right
        if isinstance(child.op, _ONE_WAY):
            yield "operand", ast.BinOp(child.right, child.op, child.left)
    elif isinstance(child, ast.BoolOp):
        for i in range(len(child.values)):
            rest = [value for j, value in enumerate(child.values) if j != i]
            yield "condition", rest[0] if len(rest) == 1 else ast.BoolOp(child.op, rest)
    elif isinstance(child, ast.Call) and len(child.args) == 1 and not child.keywords:
        yield "unwrapped", child.args[0]
    elif isinstance(child, (ast.Subscript, ast.Attribute)):
        yield "unwrapped", child.value
    elif isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id == "range":
        yield "operand", ast.Call(child.func, child.args[1:], [])


def _of_block(node: ast.AST) -> Iterator[Change]:
    """Statements left out, in another order, or on another level."""
    for field in ("body", "orelse"):
        block = getattr(node, field, None)
        if not isinstance(block, list):
            continue
        for i, one in enumerate(block):
            if not isinstance(one, _SIMPLE) or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)):
                continue
            before, after = block[:i], block[i + 1 :]
            yield node, field, None, "statement", [*before, *after] or [ast.Pass()]
            if after:
                yield node, field, None, "order", [*before, after[0], one, *after[1:]]
            if isinstance(one, ast.If) and not one.orelse:
                yield node, field, None, "level", [*before, *one.body, *after]
            last = before[-1] if before else None
            if isinstance(last, (ast.For, ast.While, ast.If)) and not last.orelse:
                yield node, field, None, "level", [*before[:-1], _with_body(last, [*last.body, one]), *after]
        for i, one in enumerate(block):
            if isinstance(one, (ast.For, ast.While, ast.If)) and len(one.body) > 1 and not one.orelse:
                outside = [_with_body(one, one.body[:-1]), one.body[-1]]
                yield node, field, None, "level", [*block[:i], *outside, *block[i + 1 :]]


def _with_body(node: Any, body: list[ast.stmt]) -> Any:
    other = copy.copy(node)
    other.body = body
    return other
