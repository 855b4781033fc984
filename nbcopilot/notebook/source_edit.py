"""A cell's text with its syntax tree: which pieces an edit replaces, every other character left as it was."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from nbcopilot.notebook import syntax

Node = TypeVar("Node", bound=ast.AST)


class Span(NamedTuple):
    """`text` in place of the characters from `start` to `end`."""

    start: int
    end: int
    text: str


class Edit(NamedTuple):
    """What is replaced, what that does in words, and whether the error itself names it (`sure`)."""

    spans: list[Span]
    change: str
    sure: bool = True


class Code:
    """A cell of Python, by character positions. `near` is the statement that failed."""

    def __init__(self, source: str, tree: ast.Module, line: int | None) -> None:
        self.source = source
        self.tree = tree
        rows = source.split("\n")
        self._rows = [row.encode() for row in rows]
        self._starts = [0]
        for row in rows:
            self._starts.append(self._starts[-1] + len(row) + 1)
        self._failed = _statement(tree, line)

    @classmethod
    def read(cls, source: str, line: int | None = None) -> Code | None:
        """The cell, magics and shell lines read as blanks; None for what is no Python. `line` (from 1) is where it failed."""
        tree = syntax.plain_tree(source) or syntax.plain_tree(syntax.blank_magics(source))
        return cls(source, tree, line) if tree is not None else None

    def text(self, node: ast.AST) -> str:
        """The source of a node."""
        start, end = self._span(node)
        return self.source[start:end]

    def operand(self, node: ast.expr) -> str:
        """The source of a node as it may stand before a dot: in brackets where it needs them."""
        text = self.text(node)
        return text if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.Call)) else f"({text})"

    def near(self, kind: type[Node]) -> Iterator[Node]:
        """Nodes of a kind in the statement that failed; in the whole cell where that is not known."""
        return (node for node in ast.walk(self._failed) if isinstance(node, kind))

    def all(self, kind: type[Node]) -> Iterator[Node]:
        """Nodes of a kind in the whole cell."""
        return (node for node in ast.walk(self.tree) if isinstance(node, kind))

    def attributes(self, name: str, *, everywhere: bool = False) -> list[ast.Attribute]:
        """`x.name` near the failure, or in the whole cell."""
        nodes = self.all(ast.Attribute) if everywhere else self.near(ast.Attribute)
        return [node for node in nodes if node.attr == name]

    def calls(self, *names: str) -> list[ast.Call]:
        """Calls near the failure, of functions or methods with one of these names; of all when none is given."""
        return [node for node in self.near(ast.Call) if not names or called(node) in names]

    def replaced(self, node: ast.AST, text: str) -> Span:
        """`text` in place of the node."""
        return Span(*self._span(node), text)

    def retold(self, node: ast.Constant, text: str) -> Span:
        """Another text in place of the text, in the same quotes."""
        double = self.text(node).endswith('"') and not set(text) & set('"\\\n')
        return self.replaced(node, f'"{text}"' if double else repr(text))

    def added(self, call: ast.Call, argument: str) -> Span:
        """One more argument, behind the others."""
        end = self._span(call)[1] - 1
        inside = self.source[:end].rstrip()
        lead = "" if inside.endswith("(") and not call.args and not call.keywords else ", "
        return Span(end, end, (" " if inside.endswith(",") else lead) + argument)

    def dropped(self, call: ast.Call, keyword: ast.keyword) -> Span:
        """The keyword argument gone, with the comma that parts it from the others."""
        parts = sorted([*call.args, *call.keywords], key=lambda part: self._span(part))
        at = parts.index(keyword)
        start, end = self._span(keyword)
        if at > 0:
            start = self._span(parts[at - 1])[1]
        elif len(parts) > 1:
            end = self._span(parts[1])[0]
        return Span(start, end, "")

    def arguments(self, call: ast.Call) -> str:
        """The arguments as they are written."""
        start, end = self._span(call.func)[1], self._span(call)[1] - 1
        return self.source[start:end].lstrip().removeprefix("(").strip().rstrip(",")

    def above(self, line: str) -> list[Span]:
        """A line of its own before the first statement; [] where the cell has it."""
        if line in self.source.split("\n"):
            return []
        future = [s for s in self.tree.body if isinstance(s, ast.ImportFrom) and s.module == "__future__"]
        first = next((s for s in self.tree.body if not isinstance(s, ast.Pass)), None)
        if future:
            at = min(self._starts[future[-1].end_lineno or 0], len(self.source))
        else:
            decorators = getattr(first, "decorator_list", None) or []
            at = self._starts[min([first.lineno, *(d.lineno for d in decorators)]) - 1] if first else 0
        return [Span(at, at, f"{line}\n")]

    def edited(self, spans: Iterable[Span]) -> str:
        """The source with the spans replaced; of two that overlap the later one counts."""
        text, limit = self.source, len(self.source) + 1
        for start, end, new in sorted(dict.fromkeys(spans), reverse=True):
            if end <= limit:
                text, limit = text[:start] + new + text[end:], start
        return text

    def _span(self, node: ast.AST) -> tuple[int, int]:
        where: ast.expr = node  # type: ignore[assignment]  # statements and keywords have the same four attributes
        end_line, end_column = where.end_lineno or where.lineno, where.end_col_offset or 0
        return self._at(where.lineno, where.col_offset), self._at(end_line, end_column)

    def _at(self, line: int, column: int) -> int:
        """Character position of a line (from 1) and a column in bytes, as the tree gives them."""
        return self._starts[line - 1] + len(self._rows[line - 1][:column].decode())


def called(call: ast.Call) -> str:
    """The last part of the name that is called: "mean" for `df.a.mean()`."""
    func = call.func
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def owner(call: ast.Call) -> ast.expr | None:
    """What stands before the last dot of the name that is called."""
    return call.func.value if isinstance(call.func, ast.Attribute) else None


def _statement(tree: ast.Module, line: int | None) -> ast.AST:
    """The innermost statement that the line is in; the whole tree when there is none."""
    found: ast.AST = tree
    for node in ast.walk(tree):
        if line and isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0):
            found = node
    return found
