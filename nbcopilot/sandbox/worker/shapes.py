"""Shapes of arguments and values: the words in which inputs are described, and how hints and literals say them.

A shape is a nested tuple: ("int",), ("list", ("str",)), ("tuple", a, b), ("dict", key, value), ("frame", columns).
Nothing is executed.
"""

from __future__ import annotations

import ast
import datetime as dt
from typing import Any

Shape = tuple[Any, ...]

INT: Shape = ("int",)
FLOAT: Shape = ("float",)
STR: Shape = ("str",)
BOOL: Shape = ("bool",)
NONE: Shape = ("none",)
INTS: Shape = ("list", INT)
FLOATS: Shape = ("list", FLOAT)
STRS: Shape = ("list", STR)
PAIRS: Shape = ("list", ("tuple", INT, INT))
ROWS: Shape = ("list", INTS)
TOKENS: Shape = ("list", ("mixed", FLOAT, STR))
NESTED: Shape = ("nested",)
COUNTS: Shape = ("dict", STR, INT)
EDGES: Shape = ("dict", ("tuple", INT, INT), INT)


_HINTS: dict[str, Shape] = {
    "int": INT, "float": FLOAT, "str": STR, "bool": BOOL, "None": NONE, "bytes": ("bytes",), "complex": FLOAT, "list": INTS,
    "List": INTS, "tuple": ("tuple", INT, INT, INT), "Tuple": ("tuple", INT, INT, INT), "dict": COUNTS, "Dict": COUNTS,
    "set": ("set", INT), "Set": ("set", INT), "Sequence": INTS, "Iterable": INTS, "Mapping": COUNTS, "ndarray": ("array",),
    "DataFrame": ("frame", ()), "Series": ("series",), "date": ("date", dt.date), "datetime": ("date", dt.datetime), "Path": ("path",), "Number": INT, "object": INT, "Any": INT,
}  # fmt: skip
_LISTS = frozenset({"list", "List", "Sequence", "Iterable", "Iterator", "Collection", "MutableSequence", "deque"})
_DICTS = frozenset({"dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "Counter", "OrderedDict"})


def of_hint(node: ast.expr) -> list[Shape]:
    """The shapes that an annotation allows; [] when it says nothing that is known."""
    if isinstance(node, ast.Constant):
        if node.value is None:
            return [NONE]
        return (
            of_hint(ast.parse(node.value, mode="eval").body)
            if isinstance(node.value, str) and node.value.isidentifier()
            else []
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return of_hint(node.left) + of_hint(node.right)
    if isinstance(node, (ast.Name, ast.Attribute)):
        name = node.id if isinstance(node, ast.Name) else node.attr
        return [_HINTS[name]] if name in _HINTS else []
    if not isinstance(node, ast.Subscript):
        return []
    outer = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
    inner = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    parts = [
        (of_hint(part) or [INT])[0] for part in inner if not (isinstance(part, ast.Constant) and part.value is Ellipsis)
    ]
    if outer in ("Optional", "Union"):
        return [shape for part in inner for shape in of_hint(part)] + ([NONE] if outer == "Optional" else [])
    if outer == "Literal":
        return [shape for part in inner if (shape := of_value(part))][:1]
    if outer in _LISTS:
        return [("list", parts[0])]
    if outer in ("set", "Set", "frozenset", "FrozenSet"):
        return [("set", parts[0])]
    if outer in _DICTS:
        return [("dict", parts[0], parts[1] if len(parts) > 1 else INT)]
    if outer in ("tuple", "Tuple"):
        return [("tuple", *(parts if len(parts) == len(inner) else parts * 3))]
    return []


def of_value(node: ast.AST) -> Shape | None:
    """The shape of a literal; None for anything else."""
    try:
        return shape_of(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError):
        return None


def shape_of(value: Any) -> Shape | None:
    """The shape that a value has; None when there is no name for it."""
    if isinstance(value, bool):
        return BOOL
    for kind, shape in ((int, INT), (float, FLOAT), (str, STR), (bytes, ("bytes",)), (type(None), NONE)):
        if isinstance(value, kind):
            return shape
    if isinstance(value, tuple):
        return ("tuple", *(shape_of(v) or INT for v in value))
    if isinstance(value, (list, set, frozenset)):
        first = next(iter(value), 0)
        return ("list" if isinstance(value, list) else "set", shape_of(first) or INT)
    if isinstance(value, dict):
        key, item = next(iter(value.items()), ("", 0))
        return ("dict", shape_of(key) or STR, shape_of(item) or INT)
    return None


def of_value_object(value: Any) -> Shape | None:
    """The same with what libraries make: tables, arrays, dates and paths."""
    if isinstance(value, dt.date):
        return ("date", type(value))
    kind, module = type(value).__name__, type(value).__module__.split(".")[0]
    if module == "pandas" and kind in ("DataFrame", "Series"):
        return ("frame", ()) if kind == "DataFrame" else ("series",)
    if module == "numpy" and kind == "ndarray":
        return ("array",)
    return ("path",) if module == "pathlib" else shape_of(value)
