"""Code that stands in prose: where a call ends, which value is written, whether its names mean anything.

The smallest pieces of `examples` and `spoken`; reads text, executes nothing.
"""

from __future__ import annotations

import ast
import builtins
import io
import re
import tokenize
from collections.abc import Mapping

from nbcopilot.notebook import syntax

BUILTINS = frozenset(dir(builtins))


def called_in(tree: ast.AST) -> set[str]:
    return {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


def usable(tree: ast.Module, functions: Mapping[str, tuple[str, ...]], setup: list[str]) -> bool:
    """Whether the code calls one of the functions and uses no name that is nowhere defined."""
    if not called_in(tree) & functions.keys():
        return False
    made = {n.id for source in setup for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name)}
    made |= {
        a.asname or a.name.split(".")[0]
        for source in setup
        for n in ast.walk(ast.parse(source))
        if isinstance(n, (ast.Import, ast.ImportFrom))
        for a in n.names
    }
    bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    if any(isinstance(n, ast.Constant) and n.value is Ellipsis for n in ast.walk(tree)):
        return False
    return used <= functions.keys() | BUILTINS | made | bound


def written_out(tree: ast.AST) -> bool:
    """Whether a call's arguments are values and not placeholders such as `n` or `text`."""
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    calls = called_in(tree)
    return names <= calls | BUILTINS


def call_end(text: str, start: int) -> int | None:
    """The index after the bracket that closes the first one from `start` on; strings are respected."""
    depth, quote, i = 0, "", start
    while i < min(len(text), start + 4000):
        char = text[i]
        if quote:
            if char == "\\":
                i += 1
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return i + 1
            if depth < 0:
                return None
        elif char == "\n" and depth == 0:
            return None
        i += 1
    return None


def literal(text: str) -> str:
    """The longest value written at the start of a text (`[1, 2]`, `-3.5`, `None`, `float("inf")`), or ""."""
    text = text.lstrip(" \t`\n") if text.strip() else ""
    ends: list[tuple[int, int]] = []
    lines = text.split("\n")
    depth = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text + "\n").readline):
            if token.type in (tokenize.NEWLINE, tokenize.NL) and depth == 0:
                break
            if token.type in (tokenize.ERRORTOKEN, tokenize.COMMENT):
                break
            depth += (token.string in "([{") - (token.string in ")]}") if token.type == tokenize.OP else 0
            if depth < 0:
                break
            if depth == 0 and token.string:
                ends.append(token.end)
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass
    for row, column in reversed(ends):
        source = "\n".join([*lines[: row - 1], lines[row - 1][:column]])
        after = lines[row - 1][column : column + 1]
        if _is_value(source) and not (after.isalnum() or after in tuple("\"'_(")):
            found = source.strip()
            found = found[:-1] if re.fullmatch(r"-?\d+\.", found) else found  # the full stop of a sentence
            return {"true": "True", "false": "False", "null": "None"}.get(found, found)
    return ""


def _is_value(source: str) -> bool:
    tree = syntax.expression(source)
    if tree is None:
        return False
    allowed = (
        ast.Constant,
        ast.List,
        ast.Tuple,
        ast.Dict,
        ast.Set,
        ast.UnaryOp,
        ast.BinOp,
        ast.operator,
        ast.unaryop,
        ast.expr_context,
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if not (
                isinstance(node.func, ast.Name)
                and node.func.id in ("float", "set", "frozenset", "complex", "dict", "list", "tuple")
            ):
                return False
        elif isinstance(node, ast.Name):
            if node.id not in (
                "float",
                "set",
                "frozenset",
                "complex",
                "dict",
                "list",
                "tuple",
                "true",
                "false",
                "null",
            ):
                return False
        elif not isinstance(node, allowed):
            return False
    # `12 - 3` is a value; `1 - text` is not one, and neither is a name alone.
    return not isinstance(tree, ast.Name) or tree.id in ("true", "false", "null")
