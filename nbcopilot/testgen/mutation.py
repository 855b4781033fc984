"""Small faults put into source code, to see whether tests notice: the operators of mutation testing on the syntax tree.

Operators: comparisons and their boundaries, arithmetic, constants (defaults of parameters among them), boolean operators
and conditions, returns, statements left out, loops without a round, bounds of slices and ranges, arguments swapped and
keywords left out, exceptions of another kind, pairs of functions and methods (min/max, append/extend, sum/mean, head/tail).
Mutants that compile to the same bytecode as the original or as one another are dropped (trivial equivalence). Works on
text only; nothing is executed here.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

from nbcopilot.notebook import syntax

MAX_MUTANTS = 120


@dataclass(frozen=True)
class Mutant:
    """A changed copy of the source. `line` is the line of the change in the original, `change` says it in words."""

    source: str
    line: int
    operator: str
    change: str


_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Add, ast.FloorDiv), ast.Div: (ast.Mult, ast.FloorDiv), ast.FloorDiv: (ast.Mult, ast.Div),
    ast.Mod: (ast.FloorDiv, ast.Mult), ast.Pow: (ast.Mult,), ast.BitAnd: (ast.BitOr, ast.BitXor), ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitAnd, ast.BitOr), ast.LShift: (ast.RShift,), ast.RShift: (ast.LShift,),
}  # fmt: skip
_PAIRS = {"min": "max", "max": "min", "any": "all", "all": "any", "append": "extend", "lower": "upper", "upper": "lower", "sorted": "list",
          "floor": "ceil", "ceil": "floor", "islower": "isupper", "isupper": "islower", "lstrip": "rstrip", "rstrip": "lstrip",
          "startswith": "endswith", "endswith": "startswith", "popleft": "pop", "find": "rfind", "rfind": "find", "keys": "values"}  # fmt: skip

# Methods of tables and arrays that are taken for one another.
_METHODS = {"sum": ("mean", "max"), "mean": ("median", "sum"), "median": ("mean",), "max": ("min",), "min": ("max",), "first": ("last",), "last": ("first",),
            "head": ("tail",), "tail": ("head",), "count": ("nunique",), "nunique": ("count",), "nlargest": ("nsmallest",), "nsmallest": ("nlargest",),
            "idxmax": ("idxmin",), "idxmin": ("idxmax",), "std": ("var",), "var": ("std",), "ffill": ("bfill",), "bfill": ("ffill",),
            "cumsum": ("cumprod",), "isna": ("notna",), "notna": ("isna",), "any": ("all",), "all": ("any",)}  # fmt: skip

_COMMUTE = frozenset({"min", "max", "gcd", "lcm", "isclose", "hypot", "union", "intersection"})


def mutants(source: str, names: Collection[str] = (), *, limit: int = MAX_MUTANTS) -> tuple[Mutant, ...]:
    """At most `limit` mutants of the functions and classes `names` (default: all), spread over the lines.

    () when the source cannot be parsed. Order and choice are the same every time.
    """
    tree = syntax.plain_tree(source)
    if tree is None:
        return ()
    found: list[Mutant] = []
    known = {fingerprint(tree)}
    for node, field, index, operator, new in changes(tree, names):
        changed, text = applied(tree, node, field, index, new)
        if changed is None:
            continue
        try:
            print_ = fingerprint(changed)
        except SyntaxError:
            continue
        if print_ not in known:
            known.add(print_)
            found.append(Mutant(ast.unparse(changed), _line(node, field, index), operator, text))
    return tuple(_spread(found, limit))


def _line(node: ast.AST, field: str, index: int | None) -> int:
    """The line of what is changed, as near as the tree knows it."""
    old = getattr(node, field) if index is None else getattr(node, field)[index]
    return int(getattr(old, "lineno", 0) or getattr(node, "lineno", 0))


def _spread(found: list[Mutant], limit: int) -> list[Mutant]:
    """Round robin over the lines, so that a long function is not mutated at its top only."""
    if len(found) <= limit:
        return found
    lines: dict[int, list[Mutant]] = {}
    for mutant in found:
        lines.setdefault(mutant.line, []).append(mutant)
    chosen: list[Mutant] = []
    while len(chosen) < limit:
        for queue in lines.values():
            if queue and len(chosen) < limit:
                chosen.append(queue.pop(0))
    return sorted(chosen, key=lambda m: m.line)


def fingerprint(tree: ast.Module) -> Any:
    """What tells programs apart that do the same trivially: their bytecode. Raises SyntaxError."""
    return _code(syntax.bytecode(ast.fix_missing_locations(tree)))


def _code(code: CodeType) -> tuple[Any, ...]:
    constants = tuple(_code(c) if isinstance(c, CodeType) else (type(c).__name__, repr(c)) for c in code.co_consts)
    return (code.co_code, constants, code.co_names, code.co_varnames)


Change = tuple[ast.AST, str, int | None, str, ast.AST | list[Any] | None]


def applied(
    tree: ast.Module, node: ast.AST, field: str, index: int | None, new: ast.AST | list[Any] | None
) -> tuple[ast.Module | None, str]:
    """(a copy of the tree with one field changed, the change in words)."""
    old = getattr(node, field) if index is None else getattr(node, field)[index]
    try:
        if index is None:
            setattr(node, field, new)
        else:
            getattr(node, field)[index] = new
        changed = copy.deepcopy(tree)
        shown = f"`{_text(old)}` becomes `{_text(new)}`"
    except RecursionError:
        return None, ""
    finally:
        if index is None:
            setattr(node, field, old)
        else:
            getattr(node, field)[index] = old
    return ast.fix_missing_locations(changed), shown


def _text(node: Any) -> str:
    if isinstance(node, (ast.cmpop, ast.operator, ast.boolop, ast.unaryop)):
        return _SIGNS.get(type(node).__name__, type(node).__name__)
    if isinstance(node, list):
        text = ", ".join(ast.unparse(item) for item in node) or "nothing"
    else:
        text = ast.unparse(node).split("\n")[0] if isinstance(node, ast.AST) else "nothing"
    return text if len(text) <= 50 else text[:49] + "…"


_SIGNS = {"Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=", "Eq": "==", "NotEq": "!=", "In": "in", "NotIn": "not in", "Is": "is", "IsNot": "is not",
          "Add": "+", "Sub": "-", "Mult": "*", "Div": "/", "FloorDiv": "//", "Mod": "%", "Pow": "**", "BitAnd": "&", "BitOr": "|", "BitXor": "^",
          "LShift": "<<", "RShift": ">>", "And": "and", "Or": "or", "Not": "not", "USub": "-"}  # fmt: skip


def changes(tree: ast.Module, names: Collection[str]) -> Iterator[Change]:
    """(node, field, index in the field, operator, what is put there) for every change, in the order of the source."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for top in tree.body:
        if not isinstance(top, kinds) or (names and top.name not in names):
            continue
        for node in ast.walk(top):
            for make in (
                _of_compare,
                _of_arithmetic,
                _of_constant,
                _of_condition,
                _of_return,
                _of_call,
                _of_slice,
                _of_statement,
            ):
                yield from make(node)


def _of_compare(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for i, operator in enumerate(node.ops):
            for new in _COMPARISONS.get(type(operator), ()):
                yield node, "ops", i, "comparison", new()


def _of_arithmetic(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        if isinstance(node, ast.BinOp) and any(
            isinstance(s, (ast.JoinedStr, ast.List)) or _is_text(s) for s in (node.left, node.right)
        ):
            return
        for new in _ARITHMETIC.get(type(node.op), ()):
            yield node, "op", None, "arithmetic", new()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))


def _of_constant(node: ast.AST) -> Iterator[Change]:
    for name, value in ast.iter_fields(node):
        items = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, item in items:
            if isinstance(item, ast.Constant) and not isinstance(node, (ast.Expr, ast.JoinedStr, ast.FormattedValue)):
                for new in _other_constants(item.value):
                    yield node, name, index, "constant", ast.copy_location(ast.Constant(new), item)


def _other_constants(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1] if value else [1, -1]
    if isinstance(value, float):
        return [round(value * 1.25, 9), round(value * 0.8, 9), value + 1.0] if value else [1.0]
    if isinstance(value, str):
        return [value + "X", *_other_patterns(value)] if value else ["X"]
    return []


def _other_patterns(text: str) -> Iterator[str]:
    """A pattern with a set that lacks a range, and without its first repetition."""
    if "[" in text and "]" in text:
        if (shorter := re.sub(r"[a-zA-Z0-9]-[a-zA-Z0-9]", "", text, count=1)) != text:
            yield shorter
        if (once := re.sub(r"(?<=[\])])[+*]", "", text, count=1)) != text:
            yield once


def _of_condition(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.BoolOp):
        yield node, "op", None, "boolean", ast.Or() if isinstance(node.op, ast.And) else ast.And()
        for i in range(len(node.values)):
            yield node, "values", i, "boolean", ast.UnaryOp(ast.Not(), node.values[i])
    if isinstance(node, (ast.If, ast.While, ast.IfExp)) and not isinstance(node.test, ast.Constant):
        yield node, "test", None, "condition", ast.UnaryOp(ast.Not(), node.test)
    if isinstance(node, ast.comprehension):
        for i, test in enumerate(node.ifs):
            yield node, "ifs", i, "condition", ast.UnaryOp(ast.Not(), test)
    if isinstance(node, ast.IfExp):
        yield from (
            (node, field, None, "condition", other) for field, other in (("body", node.orelse), ("orelse", node.body))
        )
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "copy":
            yield node, name, None, "copy", value.func.value
        if (
            isinstance(value, ast.UnaryOp)
            and isinstance(value.op, (ast.Not, ast.USub))
            and name in ("test", "value", "left", "right", "operand")
        ):
            yield node, name, None, "sign", value.operand


def _of_return(node: ast.AST) -> Iterator[Change]:
    if (
        isinstance(node, ast.Return)
        and node.value is not None
        and not (isinstance(node.value, ast.Constant) and node.value.value is None)
    ):
        yield node, "value", None, "return", ast.Constant(None)
        if isinstance(node.value, ast.Compare) or (
            isinstance(node.value, ast.Call)
            and isinstance(node.value.func, ast.Name)
            and node.value.func.id in ("any", "all", "bool", "isinstance")
        ):
            yield node, "value", None, "return", ast.UnaryOp(ast.Not(), node.value)


def _of_call(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.Call):
        return
    func = node.func
    if isinstance(func, ast.Name) and func.id in _PAIRS:
        yield node, "func", None, "call", ast.Name(_PAIRS[func.id], ast.Load())
    elif isinstance(func, ast.Attribute) and func.attr in _METHODS:
        for other in _METHODS[func.attr]:
            yield node, "func", None, "call", ast.Attribute(func.value, other, ast.Load())
    elif isinstance(func, ast.Attribute) and func.attr in _PAIRS:
        yield node, "func", None, "call", ast.Attribute(func.value, _PAIRS[func.attr], ast.Load())
    called = func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")
    if len(node.args) >= 2 and called not in _COMMUTE and not any(isinstance(a, ast.Starred) for a in node.args):
        swapped = [node.args[1], node.args[0], *node.args[2:]]
        yield node, "args", None, "arguments", swapped
    if isinstance(func, ast.Name) and func.id == "range" and node.args:
        last = len(node.args) - 1 if len(node.args) < 3 else 1
        for step in (ast.Add(), ast.Sub()):
            yield node, "args", last, "range", ast.BinOp(node.args[last], step, ast.Constant(1))
        if len(node.args) >= 2:
            yield node, "args", 0, "range", ast.BinOp(node.args[0], ast.Add(), ast.Constant(1))
    for keyword in node.keywords:
        if keyword.arg == "reverse" and not isinstance(keyword.value, ast.Constant):
            yield keyword, "value", None, "call", ast.UnaryOp(ast.Not(), keyword.value)
    for i in range(len(node.keywords)):
        yield node, "keywords", None, "arguments", [*node.keywords[:i], *node.keywords[i + 1 :]]


def _of_slice(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Slice):
        for field in ("lower", "upper"):
            bound = getattr(node, field)
            if bound is not None:
                yield node, field, None, "slice", ast.BinOp(bound, ast.Add(), ast.Constant(1))
                yield node, field, None, "slice", None
    if (
        isinstance(node, ast.Subscript)
        and not isinstance(node.slice, (ast.Slice, ast.Tuple, ast.Constant))
        and isinstance(node.ctx, ast.Load)
    ):
        yield node, "slice", None, "index", ast.BinOp(node.slice, ast.Sub(), ast.Constant(1))


def _of_statement(node: ast.AST) -> Iterator[Change]:
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        if not isinstance(statements, list):
            continue
        for i, statement in enumerate(statements):
            if isinstance(statement, (ast.Assign, ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete)) or (
                isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant)
            ):
                yield node, field, i, "statement", ast.copy_location(ast.Pass(), statement)
            if isinstance(statement, ast.For):
                yield statement, "iter", None, "loop", ast.Tuple([], ast.Load())
            if (
                isinstance(statement, ast.Raise)
                and isinstance(statement.exc, ast.Call)
                and isinstance(statement.exc.func, ast.Name)
            ):
                yield statement.exc, "func", None, "exception", ast.Name("Exception", ast.Load())
            if isinstance(statement, ast.Break):
                yield node, field, i, "loop", ast.copy_location(ast.Continue(), statement)
            elif isinstance(statement, ast.Continue):
                yield node, field, i, "loop", ast.copy_location(ast.Break(), statement)
