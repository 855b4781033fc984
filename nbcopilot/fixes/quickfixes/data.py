"""Tables and files: columns, separators, paths, brackets of conditions, what cannot be averaged."""

from __future__ import annotations

import ast
import difflib
import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from nbcopilot.execution import RunError
from nbcopilot.fixes.quickfixes import tables
from nbcopilot.fixes.quickfixes.names import Rule
from nbcopilot.notebook.source_edit import Code, Edit, Span, called, owner

_REDUCTIONS = (
    "mean", "median", "std", "var", "sem", "skew", "kurt", "kurtosis", "quantile", "corr", "cov", "corrwith", "sum", "prod",
    "min", "max",
)  # fmt: skip
_READERS = ("read_csv", "read_table", "read_fwf", "open", "read_json")
_BITS = {ast.BitAnd: "&", ast.BitOr: "|"}


def _numeric_only(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """agg function failed [how->mean,dtype->object]"""
    for call in code.calls(*_REDUCTIONS):
        value = owner(call)
        if value is None or code.text(value) in ("np", "numpy", "torch", "math"):
            continue
        if not any(k.arg in ("numeric_only", None) for k in call.keywords):
            change = f"`{called(call)}` of the numeric columns only"
            yield Edit([code.added(call, "numeric_only=True")], change, sure=False)


def _separator(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """Error tokenizing data. C error: Expected 1 fields in line 6, saw 5"""
    for call in code.calls("read_csv", "read_table"):
        if not any(k.arg in ("sep", "delimiter", None) for k in call.keywords) and len(call.args) == 1:
            if re.search(r"\.(?:tsv|tab)\b", code.text(call.args[0])):
                yield Edit([code.added(call, 'sep="\\t"')], "the file is separated by tabs", sure=False)
            guess = [code.added(call, 'sep=None, engine="python"')]
            yield Edit(guess, "the separator is found out by pandas", sure=False)


def _encoding(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """'utf-8' codec can't decode byte 0xe9 in position 10"""
    for call in code.calls(*_READERS):
        if not any(k.arg in ("encoding", None) for k in call.keywords):
            yield Edit(
                [code.added(call, 'encoding="latin-1"')], "the file is not in UTF-8: read as Latin-1", sure=False
            )


def _path(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """No such file or directory: 'cars.csv'; the folder has `inputs/cars.csv`"""
    for there in error.suggested("files"):
        if PurePosixPath(there).name == PurePosixPath(match["path"].replace("\\", "/")).name:
            spans = [code.retold(node, there) for node in _texts(code, match["path"])]
            yield Edit(spans, f"the file is `{there}`", sure=False)


def _column(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """'team'; `discipline` has the columns 'Team', 'Yellow Cards'"""
    there = error.suggested("columns")
    bare = {re.sub(r"\W|_", "", name).casefold(): name for name in there}
    spans, said = [], []
    for node in code.near(ast.Constant):
        if isinstance(node.value, str) and node.value not in there:
            new = bare.get(re.sub(r"\W|_", "", node.value).casefold())
            new = new or next(iter(difflib.get_close_matches(node.value, there, n=1, cutoff=0.85)), None)
            if new is not None:
                spans.append(code.retold(node, new))
                said.append(f"`{new}`")
    if spans:
        yield Edit(spans, f"the column is {', '.join(said)}", sure=False)


def _history(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """'val_acc': Keras has called it 'val_accuracy' since 2.3"""
    spans = [
        code.retold(node, old.replace("acc", "accuracy")) for old in ("acc", "val_acc") for node in _texts(code, old)
    ]
    if "history" in code.source:
        yield Edit(spans, "Keras calls it `accuracy` now")


def _position(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """KeyError: 0, of `series[0]`: positions are `iloc` since pandas 3.0"""
    for node in code.near(ast.Subscript):
        if isinstance(node.ctx, ast.Load) and code.text(node.slice) == match["key"]:
            text = f"{code.text(node.value)}.iloc[{match['key']}]"
            yield Edit([code.replaced(node, text)], "`iloc` counts positions", sure=False)


def _columns_list(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """Cannot subset columns with a tuple with more than one element. Use a list instead."""
    spans = [
        code.replaced(node.slice, f"[{code.text(node.slice).removeprefix('(').removesuffix(')')}]")
        for node in code.near(ast.Subscript)
        if isinstance(node.slice, ast.Tuple) and not any(isinstance(part, ast.Slice) for part in node.slice.elts)
    ]
    if spans:
        yield Edit(spans, "several columns are a list", sure="tuple" in error.message)


def _renamer(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """nested renamer is not supported"""
    for call in code.calls("agg", "aggregate"):
        table = call.args[0] if call.args else None
        if isinstance(table, ast.Dict) and all(isinstance(k, ast.Constant) for k in table.keys):
            pairs = [
                (str(k.value), code.text(v))
                for k, v in zip(table.keys, table.values, strict=True)
                if isinstance(k, ast.Constant)
            ]
            if all(name.isidentifier() for name, _ in pairs):
                text = ", ".join(f"{name}={value}" for name, value in pairs)
                yield Edit([code.replaced(table, text)], "`agg` takes new names as keywords")


def _brackets(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """`a == 1 | b == 2` is read as `a == (1 | b) == 2`"""
    for node in code.near(ast.Compare):
        parts: list[str] = []
        for operand, between in zip([node.left, *node.comparators], [*node.ops, None], strict=True):
            pieces = _split(code, operand)
            parts += [*pieces, *([_symbol(code, node, between)] if between is not None else [])]
        if "&" in parts or "|" in parts:
            yield Edit([code.replaced(node, _grouped(parts))], "comparisons between `&` and `|` need brackets")


def _split(code: Code, node: ast.expr) -> list[str]:
    """[left, "|", right] of an operand that is an `&` or `|` without brackets around it; else the operand."""
    start, end, _ = code.replaced(node, "")
    bracketed = code.source[:start].rstrip().endswith("(") and code.source[end:].lstrip().startswith(")")
    if isinstance(node, ast.BinOp) and type(node.op) in _BITS and not bracketed:
        return [*_split(code, node.left), _BITS[type(node.op)], *_split(code, node.right)]
    text = code.text(node)
    return [f"({text})" if bracketed else text]


def _symbol(code: Code, node: ast.Compare, operator: ast.cmpop) -> str:
    whole = ast.unparse(ast.Compare(ast.Name("a"), [operator], [ast.Name("b")]))
    return whole.removeprefix("a ").removesuffix(" b")


def _grouped(parts: list[str]) -> str:
    """Every comparison in brackets: ["a", "==", "1", "|", "b", "==", "2"] is "(a == 1) | (b == 2)"."""
    groups: list[list[str]] = [[]]
    for part in parts:
        if part in ("&", "|"):
            groups += [[part], []]
        else:
            groups[-1].append(part)
    return " ".join(group[0] if len(group) == 1 else f"({' '.join(group)})" for group in groups)


def _elementwise(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """The truth value of a Series is ambiguous, of `(a > 1) and (b < 2)`"""
    spans: list[Span] = []
    for node in code.near(ast.BoolOp):
        sign = " & " if isinstance(node.op, ast.And) else " | "
        spans.append(code.replaced(node, sign.join(f"({code.text(value)})" for value in node.values)))
    if not spans:
        nots = [node for node in code.near(ast.UnaryOp) if isinstance(node.op, ast.Not)]
        spans = [code.replaced(node, f"~({code.text(node.operand)})") for node in nots]
    if spans:
        yield Edit(spans, "`&`, `|` and `~` compare element by element", sure=False)


def _frequency(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """Invalid frequency: M. Did you mean ME?"""
    told = re.search(r"(?:[Uu]se '|Did you mean )(\w+)", error.message)
    for node in code.near(ast.Constant):
        if isinstance(node.value, str) and (found := re.fullmatch(r"(\d*)([A-Z]+)(-\w+)?", node.value)):
            new = tables.FREQUENCIES.get(found[2]) or (told[1] if told else "")
            if new:
                text = f"{found[1]}{new}{found[3] or ''}"
                yield Edit([code.retold(node, text)], f"the frequency `{node.value}` is now `{text}`")


def _concat(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """first argument must be an iterable of pandas objects, you passed an object of type "DataFrame\""""
    for call in code.calls("concat", "concatenate", "vstack", "hstack", "column_stack"):
        if len(call.args) > 1:
            start, end = code.replaced(call.args[0], "").start, code.replaced(call.args[-1], "").end
            yield Edit([Span(start, end, f"[{code.source[start:end]}]")], "the pieces to be joined are a list")


def _two_dimensional(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """Expected 2D array, got 1D array instead"""
    for call in code.calls():
        first = call.args[0] if call.args else None
        if not re.match(r"(?:partial_)?fit|transform|predict|inverse_transform|score", called(call)) or first is None:
            continue
        column = isinstance(first, ast.Subscript) and isinstance(first.slice, ast.Constant)
        if column and isinstance(first, ast.Subscript):
            text = f"{code.text(first.value)}[[{code.text(first.slice)}]]"
        else:
            text = f"np.asarray({code.text(first)}).reshape(-1, 1)"
        spans = [code.replaced(first, text), *(code.above("import numpy as np") if not column else [])]
        yield Edit(spans, "one column as a table", sure=False)


def _texts(code: Code, value: str) -> Iterator[ast.Constant]:
    return (node for node in code.all(ast.Constant) if node.value == value)


def _without_missing(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """Input X contains NaN."""
    taken: dict[str, list[tuple[ast.Name, list[str]]]] = {}
    for node in code.all(ast.Subscript):
        columns = _columns_of(node.slice)
        if isinstance(node.value, ast.Name) and isinstance(node.ctx, ast.Load) and columns:
            taken.setdefault(node.value.id, []).append((node.value, columns))
    for frame, uses in taken.items():
        columns = list(dict.fromkeys(column for _, found in uses for column in found))
        rows = f"{frame}.dropna(subset=[{', '.join(json.dumps(column, ensure_ascii=False) for column in columns)}])"
        # Everywhere the same rows: what is fitted must stay as long as what it is fitted to.
        spans = [code.replaced(name, rows) for name, _ in uses]
        yield Edit(spans, f"rows of `{frame}` without a value are left out", sure=False)


def _columns_of(node: ast.expr) -> list[str]:
    """The columns that a subscript names; [] for anything else."""
    nodes = node.elts if isinstance(node, ast.List) else [node]
    names = [one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return names if len(names) == len(nodes) else []


RULES: tuple[tuple[re.Pattern[str], Rule], ...] = (
    (re.compile(r"^KeyError: '(?:val_)?acc'"), _history),
    (re.compile(r"^KeyError: (?P<key>-?\d+)$"), _position),
    (re.compile(r"^KeyError: \('"), _columns_list),
    (re.compile(r"tuple with more than one element"), _columns_list),
    (re.compile(r"^KeyError"), _column),
    (re.compile(r"nested renamer is not supported"), _renamer),
    (re.compile(r"Error tokenizing data"), _separator),
    (re.compile(r"^UnicodeDecodeError: 'utf-?8' codec"), _encoding),
    (re.compile(r"^FileNotFoundError: .*'(?P<path>[^']+)'"), _path),
    (re.compile(r"Cannot perform 'r?(?:and|or)_'|unsupported operand type\(s\) for [&|]:|ufunc 'bitwise_(?:and|or)'"
                r"|operator '[&|]' not supported|The truth value of a"), _brackets),
    (re.compile(r"The truth value of a (?:Series|DataFrame|Index|array)|truth value of an array"), _elementwise),
    (re.compile(r"Invalid frequency: |no longer supported"), _frequency),
    (re.compile(r"must be an iterable of pandas objects|only integer scalar arrays can be converted"), _concat),
    (re.compile(r"\bInput (?:X |y )?contains NaN"), _without_missing),
    (re.compile(r"Expected 2D array, got 1D array instead"), _two_dimensional),
    (re.compile(r"agg function failed|[Cc]ould not convert|Cannot perform reduction|does not support (?:operation|reduction)"
                r"|can only concatenate str|unsupported operand type|Unable to perform"), _numeric_only),
)  # fmt: skip
