"""Examples that stand in a text, as something that can be judged: what the instruction promises of the code.

Understood: `>>>` sessions, `assert` lines, `f(x) == y`, arrows (`->`, `=>`, `➞`), "f(x) returns y", `Input: … Output: …`.
Only calls of functions that the code defines, with arguments that are written out, count. Reads text only; the
examples are judged in the sandbox (`sandbox/worker/example_judge.py`).
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nbcopilot.examples import prose
from nbcopilot.examples.literals import BUILTINS, call_end, called_in, literal, usable
from nbcopilot.examples.prose import THEN
from nbcopilot.notebook import syntax

MAX_EXAMPLES = 20
# Modules that asserts use without importing them.
_MODULES = frozenset(
    {"math", "sys", "re", "collections", "itertools", "datetime", "cmath", "decimal", "fractions", "string"}
)
_PROMPT = re.compile(r"^(\s*)>>> ?(.*)$")
_MORE = re.compile(r"^\s*\.\.\.(?: (.*)|)$")


@dataclass(frozen=True)
class Example:
    """One promise. `kind` as in sandbox/worker/example_judge.py; `shown` is how it stands in the text; `strict` when it is code there."""

    kind: str
    call: str
    expected: str = ""
    setup: str = ""
    shown: str = ""
    strict: bool = True

    def as_job(self) -> dict[str, str]:
        """The example as the sandbox judges it."""
        return {
            "kind": self.kind,
            "call": self.call,
            "expected": self.expected,
            "setup": self.setup,
            "source": self.call,
        }


def find_examples(text: str, functions: Mapping[str, tuple[str, ...]]) -> tuple[Example, ...]:
    """The examples in `text` for `functions` (name -> parameters), each call once, strict ones first, at most 20.

    A text that is Python is read by its docstrings and comments, so that escapes mean what they mean there.
    """
    if not functions:
        return ()
    found: dict[str, Example] = {}
    for part in _texts(text):
        for reader in (_sessions, _asserts, _spoken):
            for example in reader(part, functions):
                key = "".join((example.call if example.kind != "assert" else example.call.split("==")[0]).split())
                found.setdefault(key.removeprefix("assert"), example)
    ordered = sorted(found.values(), key=lambda example: not example.strict)
    return tuple(ordered[:MAX_EXAMPLES])


def functions_of(code: str) -> dict[str, tuple[str, ...]]:
    """Name -> parameter names of every function and class at the top level of the code; {} when it cannot be parsed."""
    tree = syntax.tree(code)
    if tree is None:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found[node.name] = tuple(a.arg for a in (*node.args.posonlyargs, *node.args.args))
        elif isinstance(node, ast.ClassDef):
            found[node.name] = ()
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = tuple(a.arg for a in node.value.args.args)
    return found


# "write largest(radii)", "write a function called largest(radii)".
_ASKED_FOR = re.compile(
    r"\b(?:write|define|implement|create|add)\s+`?([A-Za-z_]\w*)\("
    r"|\b(?:write|define|implement|create|add|make)\b[^.\n(]{0,40}\bfunction\s+(?:called\s+|named\s+)?`?([A-Za-z_]\w*)\(",
    re.IGNORECASE,
)


def promised_names(text: str, known: frozenset[str]) -> frozenset[str]:
    """Functions that the text says will be there: heads without a body, and calls in its asserts that nobody defines.

    "Write a function f(x)" promises one too.
    """
    names = {match[1] or match[2] for match in _ASKED_FOR.finditer(text)} - BUILTINS
    module = syntax.plain_tree(text)
    for node in module.body if module is not None else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and is_head(node):
            names.add(node.name)
    for part in _texts(text):
        for source in _assert_sources(part):
            called = called_in(ast.parse(source))
            own = {name for name in called if name not in BUILTINS}
            names |= {name for name in own or called if name not in known}
    return frozenset(names)


def is_head(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is only announced: a docstring, `pass`, `...` or `raise NotImplementedError`."""
    for statement in node.body:
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        is_stub = isinstance(statement, ast.Raise) and "NotImplemented" in ast.unparse(statement)
        if not (is_text or is_stub or isinstance(statement, ast.Pass)):
            return False
    return True


def _texts(text: str) -> list[str]:
    """The prose of a text: all of it, or for Python its docstrings and comments."""
    tree = syntax.plain_tree(text)
    if tree is None:
        return [textwrap.dedent(text)]
    nodes = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if not any(isinstance(node, nodes) for node in tree.body):
        return [textwrap.dedent(text)]  # an example or two alone
    parts = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, nodes)]
    comments = [line.strip().lstrip("#") for line in text.split("\n") if line.strip().startswith("#")]
    asserts = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Assert)]
    return [part for part in (*parts, "\n".join(comments), "\n".join(asserts)) if part.strip()]


def _spoken(text: str, functions: Mapping[str, tuple[str, ...]]) -> Iterator[Example]:
    for reader in (prose.calls, prose.inputs):
        for call, expected, strict in reader(text, functions):
            yield Example("equal", call, expected, "", f"{call} == {expected}", strict)


# --------------------------------------------------------------------------- >>> sessions


def _sessions(text: str, functions: Mapping[str, tuple[str, ...]]) -> Iterator[Example]:
    setup: list[str] = []
    for source, output in _turns(text):
        tree = syntax.plain_tree(source)
        if tree is None or not tree.body:
            continue
        last = tree.body[-1]
        if not isinstance(last, ast.Expr):
            if isinstance(last, (ast.Assign, ast.AugAssign, ast.Import, ast.ImportFrom, ast.FunctionDef, ast.For)):
                setup.append(source)
            elif isinstance(last, ast.Assert) and usable(tree, functions, setup):
                yield Example("assert", source, "", "\n".join(setup), source)
            continue
        if not usable(tree, functions, setup):
            continue
        shown = f"{source} gives {output}" if output else source
        if output.startswith("Traceback"):
            name = output.rsplit("\n", 1)[-1].split(":")[0].strip()
            yield Example("raises", source, name, "\n".join(setup), f"{source} raises {name}")
        elif not output and isinstance(last.value, ast.Compare):
            yield Example("assert", f"assert {source}", "", "\n".join(setup), source)
        elif output:
            yield Example("doctest", source, output, "\n".join(setup), shown)


def _turns(text: str) -> Iterator[tuple[str, str]]:
    """(source, output) of each `>>>`; a lone value after a second `>>>` is taken for the output."""
    lines = text.split("\n")
    at = 0
    turns: list[tuple[str, str]] = []
    while at < len(lines):
        start = _PROMPT.match(lines[at])
        at += 1
        if not start:
            continue
        source = [start[2]]
        while at < len(lines) and (more := _MORE.match(lines[at])) and not (more[1] is None and not source[-1].strip()):
            source.append(more[1] or "")
            at += 1
        output = []
        while at < len(lines) and lines[at].strip() and not _PROMPT.match(lines[at]):
            output.append(lines[at].removeprefix(start[1]))
            at += 1
        turns.append(("\n".join(source).strip(), "\n".join(output).strip()))
    for i, (asked, answer) in enumerate(turns):
        end = call_end(asked, 0)
        then = THEN.match(asked[end:]) if end else None
        if then and not answer and then["sign"] != "==" and literal(then["rest"]):
            yield asked[:end], literal(then["rest"])
        elif not answer and i + 1 < len(turns) and not turns[i + 1][1] and literal(turns[i + 1][0]) == turns[i + 1][0]:
            yield asked, turns[i + 1][0]
        else:
            yield asked, answer


# --------------------------------------------------------------------------- asserts


def _asserts(text: str, functions: Mapping[str, tuple[str, ...]]) -> Iterator[Example]:
    for source in _assert_sources(text):
        tree = ast.parse(source)
        used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        setup = [f"import {name}" for name in sorted(used & _MODULES - functions.keys())]
        if usable(tree, functions, setup):
            yield Example("assert", source, "", "\n".join(setup), source)


def _assert_sources(text: str) -> Iterator[str]:
    """Every assert statement in the text, over several lines where its brackets need them."""
    for found in re.finditer(r"(?<![\w.])assert\b", text):
        rest = text[found.start() :]
        lines = rest.split("\n")
        for count in range(1, min(len(lines), 20) + 1):
            source = "\n".join(lines[:count]).strip().strip("`").rstrip(" .;,`")
            tree = syntax.plain_tree(source)
            if tree is not None and tree.body and all(isinstance(s, ast.Assert) for s in tree.body):
                yield from (ast.unparse(s) for s in tree.body)
                break
