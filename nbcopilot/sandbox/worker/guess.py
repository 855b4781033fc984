"""What a function's parameters may be: hints, defaults, use and names weighed into a list of shapes for each.

Exploration finds out which of the guesses the function accepts. Nothing is executed here.
"""

from __future__ import annotations

import ast
from collections import defaultdict

from nbcopilot.sandbox.worker import usage
from nbcopilot.sandbox.worker.shapes import (
    BOOL,
    COUNTS,
    EDGES,
    FLOAT,
    INT,
    INTS,
    NESTED,
    NONE,
    PAIRS,
    ROWS,
    STR,
    STRS,
    TOKENS,
    Shape,
    of_hint,
    of_value,
)

# What is tried when nothing is known, likeliest first.
FALLBACK: tuple[Shape, ...] = (
    INT, STR, INTS, FLOAT, STRS, ROWS, COUNTS, PAIRS, ("tuple", INT, INT, INT), ("set", INT), BOOL, TOKENS, NESTED, EDGES,
    ("list", STRS), ("dict", STR, STR), ("dict", INT, INTS), ("dict", STR, STRS), NONE,
)  # fmt: skip
_NAMES: dict[str, tuple[Shape, ...]] = {
    **dict.fromkeys(("n", "k", "m", "i", "j", "x", "y", "z", "a", "b", "num", "number", "count", "index", "size", "limit", "total", "digit", "age",
                     "year", "month", "day", "base", "height", "width", "depth", "max", "min", "start", "end", "step", "N", "r", "cols", "rows"), (INT,)),
    **dict.fromkeys(("s", "t", "text", "string", "word", "str1", "str2", "name", "sentence", "txt", "test_str", "pattern", "line", "char", "c",
                     "ch", "prefix", "suffix", "path", "date", "message", "key", "source", "target", "password", "email", "url"), (STR,)),
    **dict.fromkeys(("arr", "lst", "nums", "numbers", "list1", "list2", "array", "values", "items", "l", "data", "seq", "my_list", "num_list",
                     "l1", "l2", "lst1", "lst2", "xs", "ys", "A", "B", "A1", "elements", "test_list", "arr1", "arr2", "digits"), (INTS, STRS)),
    **dict.fromkeys(("words", "strings", "names", "texts", "lines", "colors", "tokens", "patterns", "keys"), (STRS,)),
    **dict.fromkeys(("d", "dic", "dict1", "mapping", "counts", "d1", "d2", "test_dict", "dictionary"), (COUNTS, ("dict", STR, INTS))),
    **dict.fromkeys(("matrix", "grid", "mat", "board", "table"), (ROWS,)),
    **dict.fromkeys(("tup", "test_tup", "test_tup1", "test_tup2", "tuple1", "tup1", "tup2", "t1", "t2", "point"), (("tuple", INT, INT, INT),)),
    **dict.fromkeys(("pairs", "edges", "intervals", "points", "items"), (PAIRS,)),
    **dict.fromkeys(("flag", "reverse", "verbose", "strict", "inclusive"), (BOOL,)),
    **dict.fromkeys(("graph", "tree", "adj"), (("dict", INT, INTS), ("dict", STR, STRS))),
    **dict.fromkeys(("df", "frame", "dataframe"), (("frame", ()),)),
    **dict.fromkeys(("price", "rate", "ratio", "epsilon", "eps", "tol", "threshold", "weight", "temperature", "radius", "v"), (FLOAT, INT)),
}  # fmt: skip


def guess(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[list[tuple[Shape, float]]]:
    """For each parameter its shapes with weights, best first; every list ends with the fallbacks at a low weight."""
    found = by_name(function)
    return [found[a.arg] for a in _positional(function)]


def by_name(function: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, list[tuple[Shape, float]]]:
    """The same by the parameter's name, with those that are given by keyword only."""
    arguments = [*_positional(function), *function.args.kwonlyargs]
    defaults = dict(
        zip([a.arg for a in reversed(_positional(function))], reversed(function.args.defaults), strict=False)
    )
    keyword = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    defaults |= {a.arg: value for a, value in keyword if value is not None}
    found = {a.arg: _weighed(function, a, defaults.get(a.arg)) for a in arguments}
    for one, other in usage.compared(function, set(found)):
        best = max((found[one][0], found[other][0]), key=lambda pair: pair[1])
        found[one] = [best, *found[one]]
        found[other] = [best, *found[other]]
    return found


def _positional(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    arguments = [*function.args.posonlyargs, *function.args.args]
    return arguments[1:] if arguments and arguments[0].arg in ("self", "cls") else arguments


def _weighed(
    function: ast.FunctionDef | ast.AsyncFunctionDef, argument: ast.arg, given: ast.expr | None
) -> list[tuple[Shape, float]]:
    weights: dict[Shape, float] = defaultdict(float)
    if argument.annotation is not None:
        for shape in of_hint(argument.annotation):
            weights[shape] += 100.0
    default = of_value(given) if given is not None else None
    if default:
        weights[default] += 20.0
    for shape, weight in usage.of_use(function, argument.arg):
        weights[shape] += weight
    for shape in _NAMES.get(argument.arg, _NAMES.get(argument.arg.rstrip("0123456789_"), ())):
        weights[shape] += 3.0
    if argument.arg.endswith("s") and len(argument.arg) > 2 and not argument.arg.endswith("ss"):
        weights[STRS] += 2.5  # a plural
        weights[INTS] += 2.5
    for place, shape in enumerate(FALLBACK):
        weights[shape] += 0.5 / (place + 1)
    return sorted(weights.items(), key=lambda pair: -pair[1])
