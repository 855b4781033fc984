"""An expression as a noun phrase that a reader understands without the code: `df["x"].mean()` -> "mean of `x`".

Names of columns and variables stay in backticks. What has no plain reading is None: the caller quotes the code, or
says nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

# Methods and functions that make one value of many, as pandas, NumPy and the language itself call them.
MEASURES = {
    "mean": "mean", "average": "mean", "sum": "sum", "median": "median", "std": "standard deviation",
    "var": "variance", "min": "lowest", "max": "highest", "prod": "product", "nunique": "number of distinct",
    "count": "count", "size": "number of rows", "corr": "correlation", "mode": "most frequent", "first": "first",
    "last": "last", "cumsum": "running total", "pct_change": "relative change", "diff": "change", "sem": "standard error",
}  # fmt: skip
_ADJECTIVES = frozenset(["min", "max", "nunique", "mode", "first", "last"])
_TABLES = frozenset(["pivot", "pivot_table", "crosstab", "unstack"])
# Methods after which the value is still what it was: order, layout, type, rounding.
_SAME = frozenset(
    [
        "sort_values",
        "sort_index",
        "round",
        "reset_index",
        "set_index",
        "to_frame",
        "copy",
        "astype",
        "unstack",
        "stack",
        "T",
        "values",
        "to_numpy",
        "tolist",
        "items",
        "squeeze",
        "rename",
        "reindex",
        "transpose",
        "to_dict",
        "item",
        "compute",
        "to_pandas",
        "collect",
        "describe",
        "dropna",
    ]
)
_PARTS = frozenset(["dt", "str", "loc", "iloc", "at", "iat"])
_PERIODS = {
    "D": "day", "W": "week", "M": "month", "ME": "month", "MS": "month", "Q": "quarter", "QE": "quarter",
    "QS": "quarter", "Y": "year", "YE": "year", "YS": "year", "A": "year", "h": "hour", "H": "hour", "min": "minute",
    "T": "minute", "s": "second", "S": "second",
}  # fmt: skip
_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "−", ast.Mult: "×", ast.Div: "÷", ast.Mod: "modulo", ast.FloorDiv: "÷",
    ast.Eq: "is", ast.NotEq: "is not", ast.Lt: "<", ast.LtE: "≤", ast.Gt: ">", ast.GtE: "≥",
    ast.BitAnd: "and", ast.BitOr: "or", ast.And: "and", ast.Or: "or",
}  # fmt: skip
# Functions around a value that leave it what it is.
WRAPPERS = frozenset(["round", "float", "int", "str", "abs", "list", "sorted", "display"])
MAX_PHRASE = 120


@dataclass(frozen=True)
class _Value:
    """A value on its way along a chain of calls: what it is, and by which keys it is grouped."""

    subject: str
    keys: tuple[str, ...] = ()
    is_table: bool = False  # a variable that holds rows: a column of it is named without it

    def __str__(self) -> str:
        return f"{self.subject} by {listed(self.keys)}" if self.keys else self.subject


def phrase(node: ast.expr) -> str | None:
    """`node` as a noun phrase; None where it has no plain reading or a long one."""
    found = _read(node)
    text = str(found) if found is not None else None
    return text if text is not None and len(text) <= MAX_PHRASE else None


def condition(node: ast.expr) -> str | None:
    """A test as a clause: `df["x"].between(1, 5)` -> "`x` is from 1 to 5"; None where it has no plain reading."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = phrase(node.left), phrase(node.comparators[0])
        operator = _OPERATORS.get(type(node.ops[0]))
        return f"{left} {operator} {right}" if left and right and operator else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitAnd, ast.BitOr)):
        return _joined(_OPERATORS[type(node.op)], [node.left, node.right])
    if isinstance(node, ast.BoolOp):
        return _joined(_OPERATORS[type(node.op)], node.values)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        subject, arguments = phrase(node.func.value), [phrase(argument) for argument in node.args]
        if subject is None or None in arguments:
            return None
        known = [argument for argument in arguments if argument is not None]
        if node.func.attr == "between" and len(known) == 2:
            return f"{subject} is from {known[0]} to {known[1]}"
        if node.func.attr == "isin" and len(known) == 1:
            return f"{subject} is one of {known[0]}"
        if node.func.attr in ("notna", "notnull"):
            return f"{subject} is not missing"
        if node.func.attr in ("isna", "isnull"):
            return f"{subject} is missing"
    return None


def measured(name: str, what: str) -> str:
    """What a measure of `what` is called: "mean of `x`", "highest `x`"."""
    return f"{MEASURES[name]} {what}" if name in _ADJECTIVES else f"{MEASURES[name]} of {what}"


def is_cross_table(node: ast.expr | None) -> bool:
    """Whether an expression lays values out by rows and columns (a pivot)."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in _TABLES:
            return True
        node = node.func.value
    return False


def aggregates(node: ast.expr | None) -> dict[str, str]:
    """What the columns of `df.groupby("k")["x"].agg(["mean", "count"])` are, by their names; {} for all else."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("agg", "aggregate"):
            owner, names = _read(node.func.value), texts(node.args[0]) if node.args else ()
            known = owner is not None and not owner.is_table and bool(owner.keys)
            return {name: str(replace(owner, subject=measured(name, owner.subject))) for name in names if owner and known and name in MEASURES}  # fmt: skip
        node = node.func.value
    return {}


def columns(node: ast.expr) -> tuple[str, ...]:
    """The columns that `node` selects: `df["a"]`, `df[["a", "b"]]`, `df.loc[rows, "a"]`; () for all else."""
    if isinstance(node, ast.Subscript):
        wanted = node.slice.elts[-1] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
        return texts(wanted)
    return ()


def texts(node: ast.expr | None) -> tuple[str, ...]:
    """The constant texts of a literal: of one, or of a list or tuple of nothing else; () for all else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return (node.value,)
    if isinstance(node, (ast.List, ast.Tuple)):
        found = [one.value for one in node.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        return tuple(found) if len(found) == len(node.elts) else ()
    return ()


def named(names: Sequence[str]) -> str:
    """The names in backticks, as a list in words."""
    return listed([f"`{name}`" for name in names])


def listed(things: Sequence[str], limit: int = 6) -> str:
    """ "a, b and c"; "a, b and 7 more" beyond `limit`."""
    if len(things) > limit:
        return f"{', '.join(things[: limit - 1])} and {len(things) - limit + 1} more"
    return things[0] if len(things) == 1 else ", ".join(things[:-1]) + f" and {things[-1]}" if things else ""


# --------------------------------------------------------------------------- one expression


def _read(node: ast.expr) -> _Value | None:
    if isinstance(node, ast.Constant):
        return _Value(str(node.value)) if isinstance(node.value, (int, float, str)) else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = _read(node.operand)
        return replace(inner, subject=f"−{inner}") if inner and isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.Name):
        return _Value(f"`{node.id}`", is_table=True)
    if isinstance(node, (ast.List, ast.Tuple)):
        inside = [phrase(one) for one in node.elts]
        return _Value(listed([one for one in inside if one])) if inside and None not in inside else None
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _operand(node.left), _operand(node.right)
        return _Value(f"{left} {_OPERATORS[type(node.op)]} {right}") if left and right else None
    if isinstance(node, ast.Compare):
        clause = condition(node)
        return _Value(clause) if clause else None
    if isinstance(node, ast.DictComp) and isinstance(node.key, ast.Name) and isinstance(node.value, ast.Call):
        return _Value(_score(node.value), (f"`{node.key.id}`",)) if _score(node.value) else None
    return _chain(node)


def _score(node: ast.expr) -> str:
    """What a call measures, by its name: `mean of cross_val_score` for `cross_val_score(…).mean()`."""
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute) and node.func.attr in MEASURES and isinstance(node.func.value, ast.Call):
        inner = _score(node.func.value)
        return measured(node.func.attr, inner) if inner else ""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return f"`{name}`" if name else ""


def _operand(node: ast.expr) -> str | None:
    text = phrase(node)
    return f"({text})" if text and isinstance(node, (ast.BinOp, ast.Compare)) else text


def _chain(node: ast.expr) -> _Value | None:
    """A value along its attributes, subscripts and calls, from the left to the right."""
    if isinstance(node, ast.Subscript):
        return _subscript(node)
    if isinstance(node, ast.Attribute):
        owner = _read(node.value)
        if owner is None or node.attr in _PARTS | _SAME:
            return owner
        if node.attr in ("shape", "index", "columns", "iloc"):
            return None
        return _Value(f"`{node.attr}`", owner.keys) if owner.is_table else _Value(f"{node.attr} of {owner}")
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Name):
        return _builtin(node)
    return _method(node) if isinstance(node.func, ast.Attribute) else None


def _subscript(node: ast.Subscript) -> _Value | None:
    owner, wanted = _read(node.value), columns(node)
    if owner is None:
        return None
    if wanted:
        return _Value(named(wanted), owner.keys)
    clause = condition(node.slice)
    if clause:
        return replace(owner, subject=f"{owner.subject} where {clause}")
    key = node.slice
    if isinstance(key, ast.Constant) and isinstance(key.value, (int, bool)):
        return _Value(f"{owner} for {key.value}") if not owner.is_table else _Value(f"`{ast.unparse(node)}`")
    return None


def _builtin(node: ast.Call) -> _Value | None:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    first = _read(node.args[0]) if node.args else None
    if first is None:
        return None
    if name in WRAPPERS:
        return first
    if name == "len":
        return _Value(f"number of rows in {first}" if first.is_table else f"number of {first}")
    if name in MEASURES and len(node.args) == 1 and not node.keywords:
        return _Value(measured(name, str(first)))
    if name in ("min", "max") and any(k.arg == "key" for k in node.keywords):
        return _Value(f"key with the {MEASURES[name]} value in {first}")
    return None


def _method(node: ast.Call) -> _Value | None:
    assert isinstance(node.func, ast.Attribute)
    name, owner = node.func.attr, _read(node.func.value)
    if owner is None:
        return None
    if name in _SAME:
        return owner
    if name == "groupby":
        keys = texts(node.args[0]) if node.args else ()
        read = [phrase(node.args[0])] if node.args and not keys else [f"`{key}`" for key in keys]
        return replace(owner, keys=tuple(key for key in read if key)) if all(read) and read else None
    if name == "resample":
        rule = texts(node.args[0]) if node.args else ()
        return replace(owner, keys=(_PERIODS.get(rule[0].split("-")[0], f"`{rule[0]}`"),)) if rule else None
    if name in ("Series", "DataFrame", "array", "asarray") and node.args:  # only another container
        return _read(node.args[0])
    if name == "quantile":
        level = node.args[0] if node.args else None
        share = level.value if isinstance(level, ast.Constant) and isinstance(level.value, float) else 0.5
        return replace(owner, subject=f"{share * 100:g} % quantile of {owner.subject}", is_table=False)
    if name in ("pivot", "pivot_table"):
        options = {k.arg: texts(k.value) for k in node.keywords}
        keys = (*options.get("index", ()), *options.get("columns", ()))
        values = options.get("values", ())
        way = options.get("aggfunc", ("mean",))[0] if name == "pivot_table" else ""
        what = named(values) if values else "number of rows"
        said = measured(way, what) if values and way in MEASURES else what
        return _Value(said, tuple(f"`{key}`" for key in keys)) if keys else None
    if name == "value_counts":
        share_of = any(k.arg == "normalize" for k in node.keywords)
        return _Value(f"{'share' if share_of else 'number'} of rows", (owner.subject,))
    if name in ("idxmax", "idxmin"):
        return _extreme(owner, "highest" if name == "idxmax" else "lowest")
    if name in MEASURES and not node.args and not any(isinstance(one, str) for one in _settings(node)):
        subject = owner.subject
        if owner.is_table and owner.keys:
            return replace(owner, subject="number of rows" if name in ("size", "count") else subject, is_table=False)
        module = isinstance(node.func.value, ast.Name) and not owner.keys and name not in ("size", "count", "mode")
        return replace(owner, subject=measured(name, subject), is_table=False) if subject or module else None
    return None


def _extreme(owner: _Value, word: str) -> _Value:
    """The key at which a measure is the highest or the lowest."""
    key = listed(owner.keys) if owner.keys else "the one"
    return _Value(f"{key} with the {word} {owner.subject}")


def _settings(node: ast.Call) -> Iterator[str]:
    """Keyword arguments that change what is measured along which axis."""
    return (keyword.arg for keyword in node.keywords if keyword.arg in ("axis", "level"))


def _joined(word: str, parts: Sequence[ast.expr]) -> str | None:
    clauses = [condition(part) for part in parts]
    return f" {word} ".join(one for one in clauses if one) if None not in clauses else None
