"""What is under test: names that can be called, what they rest on, and calls of them that are written out somewhere."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from nbcopilot import examples
from nbcopilot.notebook import cellnames, syntax


def testable(source: str) -> list[str]:
    """Names of the functions and classes at the top level that are there to be called."""
    module = syntax.plain_tree(source)
    if module is None:
        return []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return list(
        dict.fromkeys(
            n.name
            for n in module.body
            if isinstance(n, kinds) and not n.name.startswith("_") and not n.name.startswith("test")
        )
    )


def callables(source: str, names: Sequence[str]) -> list[str]:
    """What is called: functions, and for classes each public method as `Class.method`."""
    found = []
    tops = {n.name: n for n in ast.parse(source).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    for name in names:
        node = tops.get(name)
        if isinstance(node, ast.ClassDef):
            methods = [n for n in node.body if isinstance(n, ast.FunctionDef) and not n.decorator_list]
            found += [f"{name}.{m.name}" for m in methods if not m.name.startswith("_")]
        elif isinstance(node, ast.FunctionDef) or "." in name:
            found.append(name)
    return found


def with_helpers(source: str, names: set[str]) -> set[str]:
    """The names and those of the functions in the source that they call, directly or not."""
    tops = {
        n.name: n
        for n in ast.parse(source).body
        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }
    found, stack = set(names), list(names)
    while stack:
        node = tops.get(stack.pop())
        used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} if node else set()
        new = (used & tops.keys()) - found
        found |= new
        stack += new
    return found


def known_names(source: str, setup: Sequence[str]) -> set[str]:
    """Names that the source and the cells before it define at their top level."""
    found: set[str] = set()
    for text in (source, *setup):
        found |= cellnames.defined(ast.parse(text))
    return found


def seeds(name: str, sources: Sequence[str]) -> list[str]:
    """Argument lists of calls of `name` whose arguments are written out, in the sources and in docstring examples."""
    found: dict[str, None] = {}
    for source in sources:
        texts = [source]
        for example in examples.find_examples(source, examples.functions_of(source)):
            texts += [example.call, example.call.removeprefix("assert ")]
        for text in texts:
            tree = syntax.tree(text)
            for node in ast.walk(tree) if tree is not None else ():
                if (
                    isinstance(node, ast.Call)
                    and ast.unparse(node.func) == name
                    and not node.keywords
                    and _is_written_out(node)
                ):
                    found[", ".join(ast.unparse(a) for a in node.args)] = None
    return list(found)[:30]


def _is_written_out(node: ast.Call) -> bool:
    allowed = {"np", "pd", "float", "set", "frozenset", "range", "list", "dict", "tuple"}
    return all(n.id in allowed for a in node.args for n in ast.walk(a) if isinstance(n, ast.Name)) and not any(
        isinstance(a, ast.Starred) for a in node.args
    )
