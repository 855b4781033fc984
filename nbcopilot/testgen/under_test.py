"""What is under test: names that can be called, what they rest on, and calls of them that are written out somewhere."""

from __future__ import annotations

import ast
import re
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
    """What is called: functions, and for classes each public method and property as `Class.method`; a class without any: itself."""
    found = []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    tops = {n.name: n for n in ast.parse(source).body if isinstance(n, (*kinds, ast.ClassDef))}
    for name in names:
        node = tops.get(name)
        if isinstance(node, ast.ClassDef):
            methods = [
                n.name for n in node.body if isinstance(n, kinds) and not n.name.startswith("_") and not _is_setter(n)
            ]
            found += [f"{name}.{method}" for method in dict.fromkeys(methods)] or [name]
        elif node is not None or "." in name:
            found.append(name)
    return found


def _is_setter(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(d, ast.Attribute) and d.attr in ("setter", "deleter") for d in node.decorator_list)


def parameters(source: str, names: Sequence[str]) -> list[str]:
    """The parameters that functions of these names must be given, in the order of the source."""
    tree = syntax.plain_tree(source)
    found: list[str] = []
    for node in tree.body if tree is not None else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in names:
            needed = node.args.args[: len(node.args.args) - len(node.args.defaults)]
            found += [argument.arg for argument in (*node.args.posonlyargs, *needed)]
    return list(dict.fromkeys(found))


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


def lines_of(source: str, name: str) -> set[int]:
    """The lines that a call of "f" or "Class.method" may run: its own, those of functions it calls, and of its class's private methods."""
    owner, _, method = name.partition(".")
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    reached = with_helpers(source, {owner})
    lines: set[int] = set()
    for node in ast.parse(source).body:
        if getattr(node, "name", "") not in reached:
            continue
        parts: list[ast.stmt] = [node]
        if method and isinstance(node, ast.ClassDef) and node.name == owner:
            parts = [n for n in node.body if not isinstance(n, kinds) or n.name == method or n.name.startswith("_")]
        for part in parts:
            lines |= set(range(part.lineno, (part.end_lineno or part.lineno) + 1))
    return lines


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


def calls_of(name: str, sources: Sequence[str]) -> list[str]:
    """Argument lists of calls of `name` as they stand in the sources, those that name variables among them; at most 20."""
    found: dict[str, None] = {}
    for source in sources:
        tree = syntax.tree(source)
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
                arguments = [ast.unparse(a) for a in node.args]
                found[", ".join([*arguments, *(ast.unparse(k) for k in node.keywords)])] = None
    return list(found)[:20]


def quoted(source: str, tests: str = "") -> list[str]:
    """Texts that stand in quotes in docstrings of the source, then those in calls of the tests: what its data look like."""
    tree, written = syntax.plain_tree(source), syntax.plain_tree(tests)
    found: list[str] = []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, kinds):
            found += [
                text
                for pair in re.findall(
                    r"\"([^\"\n]{1,40})\"|(?<!\w)'([^'\n]{1,40})'(?!\w)", ast.get_docstring(node) or ""
                )
                for text in pair
                if text
            ]
    for node in ast.walk(written) if written is not None else ():
        if isinstance(node, ast.Call):
            found += [
                a.value
                for a in node.args
                if isinstance(a, ast.Constant) and isinstance(a.value, str) and a.value.strip()
            ]
    return list(dict.fromkeys(found))[:12]


def _is_written_out(node: ast.Call) -> bool:
    allowed = {"np", "pd", "float", "set", "frozenset", "range", "list", "dict", "tuple"}
    return all(n.id in allowed for a in node.args for n in ast.walk(a) if isinstance(n, ast.Name)) and not any(
        isinstance(a, ast.Starred) for a in node.args
    )
