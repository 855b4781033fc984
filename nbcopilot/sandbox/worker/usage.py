"""What a function's body says of its parameters: methods called, operators, loops, comparisons, calls they go into."""

from __future__ import annotations

import ast
import datetime as dt
from collections.abc import Iterator
from typing import Any

from nbcopilot.sandbox.worker.shapes import (
    COUNTS,
    EDGES,
    FLOAT,
    FLOATS,
    INT,
    INTS,
    NESTED,
    PAIRS,
    ROWS,
    STR,
    STRS,
    TOKENS,
    Shape,
    of_hint,
    of_value,
)

_STR_METHODS = frozenset(dir(str)) - frozenset(dir(list)) - frozenset(dir(dict))
_LIST_METHODS = frozenset({"append", "extend", "insert", "sort", "reverse", "pop", "remove"})
_DICT_METHODS = frozenset({"items", "keys", "values", "get", "setdefault", "update", "popitem"})
_SET_METHODS = frozenset({"add", "union", "intersection", "difference", "issubset", "issuperset", "discard"})
_FRAME_METHODS = frozenset(
    {
        "groupby",
        "iloc",
        "loc",
        "merge",
        "dropna",
        "fillna",
        "columns",
        "assign",
        "sort_values",
        "drop",
        "pivot_table",
        "iterrows",
        "head",
        "to_numpy",
    }
)
_ARRAY_METHODS = frozenset(
    {"shape", "reshape", "mean", "std", "dot", "T", "ndim", "astype", "argmax", "flatten", "ravel"}
)


_DATE: Shape = ("date", dt.date)
_DATE_METHODS = frozenset(dir(dt.date)) - frozenset(dir(str)) - frozenset(dir(int))
_SERIES_METHODS = frozenset(
    {
        "quantile",
        "rolling",
        "str",
        "dt",
        "isna",
        "notna",
        "diff",
        "cumsum",
        "nunique",
        "value_counts",
        "pct_change",
        "clip",
    }
)


def of_use(function: ast.AST, name: str) -> Iterator[tuple[Shape, float]]:
    """Shapes that the function's body speaks for: methods called, operators, loops, comparisons."""
    aliases = {name}
    for node in ast.walk(function):
        for target, value in _assigned(node):
            if isinstance(value, ast.Name) and value.id in aliases and isinstance(target, ast.Name):
                aliases.add(target.id)
    items = set(_loop_names(function, aliases))
    constants: dict[str, ast.expr] = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, (ast.Tuple, ast.List, ast.Set, ast.Dict, ast.Constant))
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    def is_it(node: ast.AST, among: set[str] = aliases) -> bool:
        return isinstance(node, ast.Name) and node.id in among

    def is_item(node: ast.AST) -> bool:
        return is_it(node, items) or (
            isinstance(node, ast.Subscript) and is_it(node.value) and not isinstance(node.slice, ast.Slice)
        )

    for node in ast.walk(function):
        if isinstance(node, ast.Attribute):
            if is_it(node.value):
                yield from _of_method(node.attr)
            elif is_item(node.value) and node.attr in _STR_METHODS:
                yield STRS, 4.0
                yield STR, 3.0
        elif isinstance(node, ast.BinOp):
            yield from _of_operator(node, is_it, is_item)
        elif isinstance(node, ast.Compare):
            yield from _of_comparison(node, is_it, is_item)
            yield from _of_membership(node, is_it, is_item, constants)
        elif isinstance(node, ast.Subscript):
            if is_it(node.value):
                yield from ((INTS, 2.0), (STR, 1.5), (STRS, 1.0))
                if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
                    yield ("frame", ()), 3.0
                    yield COUNTS, 2.0
            elif is_item(node.value):
                yield from ((ROWS, 3.0), (PAIRS, 3.0), (STRS, 1.5))
        elif isinstance(node, ast.Call):
            yield from _of_call(node, is_it, is_item)
        elif isinstance(node, (ast.For, ast.comprehension)) and is_it(node.iter):
            yield from ((INTS, 2.0), (STR, 1.5), (STRS, 1.0))
            if isinstance(node.target, ast.Tuple):
                yield PAIRS, 6.0


def compared(function: ast.AST, names: set[str]) -> Iterator[tuple[str, str]]:
    """Pairs of parameters that the function puts in order, so that they are of one kind."""
    for node in ast.walk(function):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Lt, ast.Gt, ast.LtE, ast.GtE)):
            sides = [s.id for s in (node.left, node.comparators[0]) if isinstance(s, ast.Name) and s.id in names]
            if len(sides) == 2 and sides[0] != sides[1]:
                yield sides[0], sides[1]


def _assigned(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """(target, value) of an assignment; of `a, b = c, d` one by one."""
    if not isinstance(node, ast.Assign):
        return
    for target in node.targets:
        if (
            isinstance(target, ast.Tuple)
            and isinstance(node.value, ast.Tuple)
            and len(target.elts) == len(node.value.elts)
        ):
            yield from zip(target.elts, node.value.elts, strict=True)
        else:
            yield target, node.value


def _loop_names(function: ast.AST, aliases: set[str]) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, (ast.For, ast.comprehension)):
            source = node.iter
            if (
                isinstance(source, ast.Call)
                and isinstance(source.func, ast.Name)
                and source.func.id in ("sorted", "reversed", "set", "list")
            ):
                source = source.args[0] if source.args else source
            if isinstance(source, ast.Name) and source.id in aliases and isinstance(node.target, ast.Name):
                yield node.target.id


def _of_method(method: str) -> Iterator[tuple[Shape, float]]:
    if method in _FRAME_METHODS:
        yield ("frame", ()), 4.0
    if method in _DATE_METHODS:
        yield _DATE, 6.0
    if method in _SERIES_METHODS:
        yield ("series",), 5.0
    if method in _ARRAY_METHODS:
        yield ("array",), 3.0
    if method in _STR_METHODS:
        yield STR, 8.0
    if method in _LIST_METHODS:
        yield INTS, 5.0
        yield STRS, 1.0
    if method in _DICT_METHODS:
        yield COUNTS, 5.0
        yield EDGES, 1.0
        yield ("dict", STR, INTS), 1.5
    if method in _SET_METHODS:
        yield ("set", INT), 6.0
    if method in ("count", "index"):
        yield STR, 2.0
        yield INTS, 2.0


def _of_operator(node: ast.BinOp, is_it: Any, is_item: Any) -> Iterator[tuple[Shape, float]]:
    for side, other in ((node.left, node.right), (node.right, node.left)):
        numeric = isinstance(
            node.op,
            (ast.Sub, ast.Div, ast.FloorDiv, ast.Pow, ast.LShift, ast.RShift, ast.BitAnd, ast.BitXor, ast.BitOr),
        ) or (
            isinstance(node.op, (ast.Mod, ast.Mult, ast.Add))
            and not isinstance(other, (ast.List, ast.JoinedStr))
            and not (isinstance(other, ast.Constant) and isinstance(other.value, str))
        )
        if is_it(side):
            yield (INT, 3.0) if numeric else (STR, 2.0)
            if isinstance(node.op, ast.Div) or (isinstance(other, ast.Constant) and isinstance(other.value, float)):
                yield FLOAT, 1.5
        elif is_item(side) and numeric:
            yield INTS, 3.0
            if isinstance(node.op, ast.Div):
                yield FLOATS, 1.0


def _of_comparison(node: ast.Compare, is_it: Any, is_item: Any) -> Iterator[tuple[Shape, float]]:
    sides = [node.left, *node.comparators]
    constants = [s.value for s in sides if isinstance(s, ast.Constant)]
    ordered = any(isinstance(op, (ast.Lt, ast.Gt, ast.LtE, ast.GtE)) for op in node.ops)
    for side in sides:
        texts = any(isinstance(value, str) for value in constants)
        numbers = any(isinstance(value, (int, float)) and not isinstance(value, bool) for value in constants)
        if is_it(side):
            yield from [(STR, 5.0)] * texts
            yield from [(INT, 3.0)] * (numbers or ordered)
            if any(isinstance(op, (ast.In, ast.NotIn)) for op in node.ops) and side is sides[-1]:
                yield from ((STR, 1.0), (INTS, 1.0), (COUNTS, 0.5))
        elif is_item(side):
            yield from [(STR, 3.0), (STRS, 2.0)] * texts
            yield from [(INTS, 3.0)] * (numbers or ordered)


def _of_membership(
    node: ast.Compare, is_it: Any, is_item: Any, constants: dict[str, ast.expr]
) -> Iterator[tuple[Shape, float]]:
    """`p in ("a", "b")`, also when the tuple has a name: the parameter is like its members."""
    if not isinstance(node.ops[0], (ast.In, ast.NotIn)) or not (is_it(node.left) or is_item(node.left)):
        return
    group = node.comparators[0]
    group = constants.get(group.id, group) if isinstance(group, ast.Name) else group
    members: list[Any] = list(getattr(group, "elts", None) or getattr(group, "keys", None) or [])
    if isinstance(group, ast.Constant) and isinstance(group.value, str):
        members = [group]
    shape = of_value(members[0]) if members else None
    if shape:
        yield (shape, 7.0) if is_it(node.left) else (("list", shape), 4.0)
        if shape == STR and not is_it(node.left):
            yield STR, 5.0


def _of_call(node: ast.Call, is_it: Any, is_item: Any) -> Iterator[tuple[Shape, float]]:
    called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if any(is_it(argument) for argument in node.args):
        if called in (
            "range",
            "abs",
            "bin",
            "hex",
            "oct",
            "chr",
            "sqrt",
            "divmod",
            "factorial",
            "floor",
            "ceil",
            "log",
            "isqrt",
        ):
            yield INT, 5.0
        elif called in (
            "len",
            "enumerate",
            "sorted",
            "reversed",
            "zip",
            "list",
            "tuple",
            "map",
            "filter",
            "deque",
            "Counter",
        ):
            yield from ((INTS, 2.0), (STR, 1.5), (STRS, 1.0))
        elif called in ("sum", "max", "min", "mean"):
            yield INTS, 4.0
        elif called == "str":
            yield INT, 3.0
        elif called in ("int", "float", "ord", "join"):
            yield STR, 2.0
        elif called in ("array", "asarray"):
            yield INTS, 3.0
        elif called == "isinstance" and len(node.args) == 2:
            kinds = node.args[1].elts if isinstance(node.args[1], ast.Tuple) else [node.args[1]]
            for kind in kinds:
                for shape in of_hint(kind):
                    yield shape, 5.0
    elif any(is_item(argument) for argument in node.args):
        if called in ("abs", "str", "range", "bin", "sqrt", "chr"):
            yield INTS, 3.0
        elif called in ("len", "sorted", "enumerate"):
            yield STRS, 3.0
            yield ROWS, 2.5
        elif called in ("ord", "int"):
            yield STR, 3.0
        elif called == "isinstance" and len(node.args) == 2:
            yield TOKENS, 3.0
            yield NESTED, 3.0
