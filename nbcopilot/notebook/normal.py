"""A cell's text in a form that formatters leave alone: what it says, not how it is laid out.

Black, isort, mdformat and the like run over notebooks and change quotes, blanks, the order of imports, bullets. A cell
is the same as long as this form is; comments and words count, their layout does not.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import io
import re
import tokenize
from collections.abc import Sequence
from typing import Any

from nbcopilot.notebook.labels import unlabelled
from nbcopilot.notebook.syntax import cell_magic, tree
from nbcopilot.types import CellKind

PREFIX = "form:"
# Marks of markdown that a formatter may write in another way.
_MARKUP = re.compile(r"[*_`#>|~=+\\-]+|^\s*\d+[.)]\s", re.M)


def form(kind: CellKind, source: str) -> str:
    """`form:` and a hash: the same for two texts that differ only as formatters make them differ. Labels do not count."""
    text = unlabelled(kind, source)
    parts = _code(text) if kind == "code" else _words(text)
    return PREFIX + hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def forms(kinds_and_sources: Sequence[tuple[CellKind, str]]) -> str:
    """The form of several cells together; of one it is its own."""
    found = [form(kind, source) for kind, source in kinds_and_sources]
    if len(found) == 1:
        return found[0]
    return PREFIX + hashlib.sha256("\0".join(found).encode()).hexdigest()


def _words(text: str) -> list[str]:
    return _MARKUP.sub(" ", text).split()


def _code(text: str) -> list[str]:
    magic = cell_magic(text)
    if magic is not None:
        return [f"%%{magic.name} {magic.line}", *_code(magic.body)]
    module = tree(text)
    if module is None:
        return [line.rstrip() for line in text.strip().split("\n")]
    statements = [ast.dump(_Plain().visit(statement)) for statement in module.body]
    return [*_with_sorted_imports(module.body, statements), "#", *_comments(text)]


def _with_sorted_imports(body: Sequence[ast.stmt], dumped: Sequence[str]) -> list[str]:
    """Each run of imports in one order."""
    found: list[str] = []
    run: list[str] = []
    for statement, text in zip(body, dumped, strict=True):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            run.append(text)
        else:
            found += [*sorted(run), text]
            run = []
    return found + sorted(run)


class _Plain(ast.NodeTransformer):
    """Docstrings as they are shown."""

    def visit_Expr(self, node: ast.Expr) -> Any:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return ast.Expr(ast.Constant(inspect.cleandoc(node.value.value)))
        return self.generic_visit(node)


def _comments(text: str) -> list[str]:
    """The words of the comments, in order; [] where the text cannot be cut into tokens (a magic is in it)."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return [line.strip().lstrip("#!:").strip() for line in text.split("\n") if line.lstrip().startswith("#")]
    return [token.string.lstrip("#!:").strip() for token in tokens if token.type == tokenize.COMMENT]
