"""Test source taken apart: single tests, and what they share. Tests that assert nothing are told from those that do."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from dataclasses import dataclass

from nbcopilot.notebook import cellnames, syntax
from nbcopilot.notebook.packages import USUAL_IMPORTS


@dataclass(frozen=True)
class SingleTest:
    """One test function or class: its name and source. `idle` says why it can show nothing ("" when it can)."""

    name: str
    source: str
    idle: str = ""


@dataclass(frozen=True)
class Tests:
    """A test module: `preamble` (imports, helpers, constants) and the tests. `problem` when it cannot be read."""

    preamble: str = ""
    tests: tuple[SingleTest, ...] = ()
    problem: str = ""


def split(source: str, under_test: Collection[str], known: Collection[str] = ()) -> Tests:
    """The tests in `source`. Copies of the code under test, and imports of it from somewhere, are left out.

    Asserts at the top level become tests of their own. Usual imports that are missing (pytest, math) are added.
    known: names that are there besides the code under test.
    """
    whole = source
    while True:
        try:
            tree = syntax.parse(source)
            text = syntax.transform(source)
            break
        except SyntaxError as exc:
            # An answer that was cut ends in the middle of a test: the whole ones before it count.
            source = _without_last(source)
            if not source:
                return Tests(problem=f"the tests are not valid Python: {exc.msg} in line {exc.lineno}")
    problem = "" if source == whole else "the last test was not whole"
    shared: list[str] = []
    tests: list[SingleTest] = []
    loose: list[str] = []
    for node in tree.body:
        segment = _segment(text, node)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name in under_test:
                continue  # the model repeated what it was to test
            if _is_test(node):
                tests.append(SingleTest(node.name, segment, _idle(node)))
            else:
                shared.append(segment)
        elif isinstance(node, ast.Assert):
            loose.append(segment)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            line = _import_without(node, under_test)
            if line:
                shared.append(line)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            shared.append(segment)
    tests += _loose_tests(loose, under_test)
    preamble = "\n".join(shared)
    return Tests(_with_imports(preamble, tests, {*under_test, *known}), _unique(tests), problem)


def _without_last(source: str) -> str:
    """The source before its last definition at the top level; "" when there is nothing before it."""
    lines = source.split("\n")
    starts = [place for place, line in enumerate(lines) if re.match(r"(async def|def|class|@)\b|@", line)]
    return "\n".join(lines[: starts[-1]]).rstrip() if len(starts) > 1 else ""


def _is_test(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    if isinstance(node, ast.ClassDef):
        bases = [ast.unparse(base) for base in node.bases]
        return node.name.startswith("Test") or any(base.endswith("TestCase") for base in bases)
    return node.name.startswith("test") and not any("fixture" in ast.unparse(d) for d in node.decorator_list)


def _segment(text: str, node: ast.stmt) -> str:
    start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return "\n".join(text.split("\n")[start - 1 : node.end_lineno])


def _import_without(node: ast.Import | ast.ImportFrom, under_test: Collection[str]) -> str:
    """The import, but for names under test and made-up modules such as `your_module`."""
    if isinstance(node, ast.ImportFrom):
        kept = [alias for alias in node.names if alias.name not in under_test]
        module = (node.module or "").lower()
        made_up = node.level or module in ("solution", "main", "module", "my_module", "your_module", "__main__", "code")
        return ast.unparse(ast.ImportFrom(node.module, kept, node.level)) if kept and not made_up else ""
    return ast.unparse(node)


def _loose_tests(asserts: list[str], under_test: Collection[str]) -> list[SingleTest]:
    if not asserts:
        return []
    name = f"test_{min(under_test, key=len) if under_test else 'code'}_asserts"
    body = "\n".join("    " + line for source in asserts for line in source.split("\n"))
    return [SingleTest(name, f"def {name}():\n{body}")]


def _unique(tests: list[SingleTest]) -> tuple[SingleTest, ...]:
    """The last test of each name, as Python would keep it; two texts that are the same count once."""
    last = {test.name: test for test in tests}
    bodies: dict[str, SingleTest] = {}
    for test in last.values():
        bodies.setdefault(ast.dump(ast.Module(ast.parse(test.source).body[0].body, [])), test)  # type: ignore[attr-defined]  # a def or class
    return tuple(bodies.values())


def _idle(node: ast.AST) -> str:
    """Why the test can show nothing: no assertion, or only ones that hold whatever the code does."""
    asserts = [n for n in ast.walk(node) if isinstance(n, ast.Assert)]
    calls = [ast.unparse(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)]
    checks = [c for c in calls if c.endswith(("raises", "warns", "fail")) or ".assert" in c or c.startswith("assert")]
    if not asserts and not checks:
        return "it asserts nothing"
    if not checks and all(_always_holds(a.test) for a in asserts):
        return "it holds whatever the code does"
    return ""


def _always_holds(test: ast.expr) -> bool:
    if not any(isinstance(n, (ast.Call, ast.Name, ast.Attribute)) for n in ast.walk(test)):
        return True  # assert True, assert 1 == 1
    if (
        isinstance(test, ast.Compare)
        and len(test.comparators) == 1
        and isinstance(test.ops[0], (ast.Eq, ast.Is, ast.LtE, ast.GtE))
    ):
        return ast.dump(test.left) == ast.dump(test.comparators[0])  # assert f(x) == f(x)
    return False


def _with_imports(preamble: str, tests: list[SingleTest], known: set[str]) -> str:
    """The preamble with imports that the tests use and nobody made."""
    whole = "\n\n".join([preamble, *(test.source for test in tests)])
    tree = syntax.plain_tree(whole)
    if tree is None:
        return preamble
    missing = [m.name for m in cellnames.undefined(tree, frozenset(known))]
    lines = ["import pytest"] if "pytest" in missing else []
    lines += [USUAL_IMPORTS[name] for name in missing if name in USUAL_IMPORTS]
    return "\n".join([*lines, preamble]).strip("\n")
