"""What a function binds for itself: its arguments, what its body assigns, what it leaves to the outside. Syntax only."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def arguments(args: ast.arguments) -> list[ast.arg]:
    """All arguments of a signature."""
    rest = [one for one in (args.vararg, args.kwarg) if one is not None]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *rest]


def locals_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[set[str], set[str]]:
    """The names local to a function, and those that it declares global."""
    local = {one.arg for one in arguments(node.args)}
    outer: set[str] = set()
    free: set[str] = set()
    for inner in _own(node):
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            local.add(inner.id)
        elif isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            local.add(inner.name)
        elif isinstance(inner, (ast.Import, ast.ImportFrom)):
            local |= {(alias.asname or alias.name).split(".")[0] for alias in inner.names}
        elif isinstance(inner, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and inner.name:
            local.add(inner.name)
        elif isinstance(inner, ast.MatchMapping) and inner.rest:
            local.add(inner.rest)
        elif isinstance(inner, ast.Global):
            outer |= set(inner.names)
        elif isinstance(inner, ast.Nonlocal):
            free |= set(inner.names)
    return local - outer - free, outer


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that bind or declare in a function's own scope: not those of functions, classes and loops of
    comprehensions inside it, but `:=` anywhere."""
    stack = list(ast.iter_child_nodes(node))
    while stack:
        inner = stack.pop()
        yield inner
        if isinstance(inner, ast.comprehension):
            stack += [inner.iter, *inner.ifs]
        elif not isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            stack.extend(ast.iter_child_nodes(inner))


def catches_name_error(handler: ast.ExceptHandler) -> bool:
    """Whether a handler is there for names that are missing: `except NameError`, or a bare `except`."""
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(one is None or getattr(one, "id", "") == "NameError" for one in types)


def is_main_guard(test: ast.expr) -> bool:
    """Whether a test is that of `if __name__ == "__main__"`."""
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"
