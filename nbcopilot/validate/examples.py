"""Examples that stand in a text, as something that can be judged: what the instruction promises of the code.

Understood: `>>>` sessions, `assert` lines, `f(x) == y`, arrows (`->`, `=>`, `➞`), "f(x) returns y", `Input: … Output: …`.
Only calls of functions that the code defines, with arguments that are written out, count. Reads text only; the
examples are judged in the sandbox (`inside/judge.py`).
"""

from __future__ import annotations

import ast
import builtins
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nbcopilot.validate import syntax

MAX_EXAMPLES = 20
_BUILTINS = frozenset(dir(builtins))
# Modules that asserts use without importing them.
_MODULES = frozenset(
    {"math", "sys", "re", "collections", "itertools", "datetime", "cmath", "decimal", "fractions", "string"}
)
_THEN = re.compile(
    r"^[ \t`]*(?:(?:#|//)\s*)?(?P<sign>==>|=>|==|->|-->|=|➞|→|➜|—>|⇒|≡|"
    r"(?:should|must|would|will)\s+(?:return|be|equal|give|evaluate to|output|result in)|"
    r"returns?|gives?|evaluates?\s+to|yields?|outputs?|is\s+equal\s+to|equals?|is|produces?|results?\s+in)\s*:?[ \t]*(?P<rest>.*)",
    re.DOTALL | re.IGNORECASE,
)
_ARROWS = frozenset({"==>", "=>", "->", "-->", "➞", "→", "➜", "—>", "⇒"})
_INPUT = re.compile(
    r"^[ \t]*(?:\**input\**(?:\s*\d+)?)\s*[:=]\s*(?P<given>.+?)\n\s*\**(?:expected\s+)?output\**(?:\s*\d+)?\s*[:=]\s*(?P<then>.+?)"
    r"(?=\n\s*\n|\n\s*\**(?:explanation|input|example|note|constraints?)\b|\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_FOR = re.compile(r"\b(?:for|if|given|when)\s+(?=\w+\s*=\s*\S)(?P<rest>[^\n]+)", re.IGNORECASE)
_THE_OUTPUT = re.compile(
    r"\b(?:result|output|answer|it|function|value)\s+(?:should|must|would|will)?\s*(?:be|is|returns?|gives?)\s*:?\s*",
    re.IGNORECASE,
)
_PROMPT = re.compile(r"^(\s*)>>> ?(.*)$")
_MORE = re.compile(r"^\s*\.\.\.(?: (.*)|)$")


@dataclass(frozen=True)
class Example:
    """One promise. `kind` as in inside/judge.py; `shown` is how it stands in the text; `strict` when it is code there."""

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
        for reader in (_sessions, _asserts, _calls, _inputs):
            for example in reader(part, functions):
                key = "".join((example.call if example.kind != "assert" else example.call.split("==")[0]).split())
                found.setdefault(key.removeprefix("assert"), example)
    ordered = sorted(_consistent(list(found.values())), key=lambda example: not example.strict)
    return tuple(ordered[:MAX_EXAMPLES])


def _consistent(found: list[Example]) -> list[Example]:
    """Without lines of a definition that look like examples: `tri(1) = 3` beside `tri(3) = [1, 3, 2, 8]`."""
    plain = [e for e in found if e.kind == "equal" and not e.strict]
    kinds = {_is_container(e.expected) for e in plain}
    return [e for e in found if e.strict or len(kinds) < 2 or _is_container(e.expected)]


def _is_container(source: str) -> bool:
    return source.startswith(("[", "(", "{", "set(", "dict("))


def functions_of(code: str) -> dict[str, tuple[str, ...]]:
    """Name -> parameter names of every function and class at the top level of the code; {} when it cannot be parsed."""
    try:
        tree = syntax.parse(code)
    except SyntaxError:
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


def promised_names(text: str, known: frozenset[str]) -> frozenset[str]:
    """Functions that the text says will be there: heads without a body, and calls in its asserts that nobody defines."""
    names: set[str] = set()
    try:
        for node in ast.parse(text).body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and is_head(node):
                names.add(node.name)
    except (SyntaxError, ValueError, RecursionError):
        pass
    for part in _texts(text):
        for source in _assert_sources(part):
            called = _called(ast.parse(source))
            own = {name for name in called if name not in _BUILTINS}
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
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [textwrap.dedent(text)]
    nodes = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if not any(isinstance(node, nodes) for node in tree.body):
        return [textwrap.dedent(text)]  # an example or two alone
    parts = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, nodes)]
    comments = [line.strip().lstrip("#") for line in text.split("\n") if line.strip().startswith("#")]
    asserts = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Assert)]
    return [part for part in (*parts, "\n".join(comments), "\n".join(asserts)) if part.strip()]


# --------------------------------------------------------------------------- >>> sessions


def _sessions(text: str, functions: Mapping[str, tuple[str, ...]]) -> Iterator[Example]:
    setup: list[str] = []
    for source, output in _turns(text):
        tree = _parse(source)
        if tree is None or not tree.body:
            continue
        last = tree.body[-1]
        if not isinstance(last, ast.Expr):
            if isinstance(last, (ast.Assign, ast.AugAssign, ast.Import, ast.ImportFrom, ast.FunctionDef, ast.For)):
                setup.append(source)
            elif isinstance(last, ast.Assert) and _usable(tree, functions, setup):
                yield Example("assert", source, "", "\n".join(setup), source)
            continue
        if not _usable(tree, functions, setup):
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
        end = _call_end(asked, 0)
        then = _THEN.match(asked[end:]) if end else None
        if then and not answer and then["sign"] != "==" and _literal(then["rest"]):
            yield asked[:end], _literal(then["rest"])
        elif not answer and i + 1 < len(turns) and not turns[i + 1][1] and _literal(turns[i + 1][0]) == turns[i + 1][0]:
            yield asked, turns[i + 1][0]
        else:
            yield asked, answer


# --------------------------------------------------------------------------- asserts


def _asserts(text: str, functions: Mapping[str, tuple[str, ...]]) -> Iterator[Example]:
    for source in _assert_sources(text):
        tree = ast.parse(source)
        used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        setup = [f"import {name}" for name in sorted(used & _MODULES - functions.keys())]
        if _usable(tree, functions, setup):
            yield Example("assert", source, "", "\n".join(setup), source)


def _assert_sources(text: str) -> Iterator[str]:
    """Every assert statement in the text, over several lines where its brackets need them."""
    for found in re.finditer(r"(?<![\w.])assert\b", text):
        rest = text[found.start() :]
        lines = rest.split("\n")
        for count in range(1, min(len(lines), 20) + 1):
            source = "\n".join(lines[:count]).strip().strip("`").rstrip(" .;,`")
            tree = _parse(source)
            if tree is not None and tree.body and all(isinstance(s, ast.Assert) for s in tree.body):
                yield from (ast.unparse(s) for s in tree.body)
                break


# --------------------------------------------------------------------------- calls in prose


def _calls(text: str, functions: Mapping[str, tuple[str, ...]]) -> Iterator[Example]:
    names = "|".join(re.escape(name) for name in sorted(functions, key=len, reverse=True))
    for found in re.finditer(rf"(?<![\w.\"'])(?:{names})\(", text):
        line_start = text.rfind("\n", 0, found.start()) + 1
        before = text[line_start : found.start()]
        if ">>>" in before or re.search(r"\b(def|assert|class)\s+[\w(]*$", before):
            continue
        end = _call_end(text, found.start())
        if end is None:
            continue
        call = text[found.start() : end]
        tree = _parse(call)
        then = _THEN.match(text[end : end + 2000])
        if tree is None or then is None:
            continue
        words = _with_words_quoted(tree, functions) if then["sign"] in _ARROWS else None
        if words:
            call, tree = words, ast.parse(words)
        if not _usable(tree, functions, []) or not _written_out(tree):
            continue
        expected = _literal(then["rest"])
        strict = then["sign"] in _ARROWS or then["sign"] == "=="
        if not expected and then["sign"] in _ARROWS:
            word = re.match(r"[\"'`]?([A-Za-z_][\w-]*)[\"'`]?\s*(?:$|\n|,|\.)", then["rest"])
            expected = word[1] if word else ""
        if expected:
            yield Example("equal", call, expected, "", f"{call} == {expected}", strict and not words)


def _with_words_quoted(tree: ast.Module, functions: Mapping[str, tuple[str, ...]]) -> str | None:
    """`f("abc")` for `f(abc)`: prose leaves out quotes. None when an argument is no bare word, or a parameter's name."""
    call = tree.body[0].value if tree.body and isinstance(tree.body[0], ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or not call.args or call.keywords:
        return None
    words = [a.id for a in call.args if isinstance(a, ast.Name)]
    if len(words) != len(call.args) or set(words) & ({*functions.get(call.func.id, ())} | functions.keys() | _BUILTINS):
        return None
    return f"{call.func.id}({', '.join(repr(word) for word in words)})"


def _call_end(text: str, start: int) -> int | None:
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


def _literal(text: str) -> str:
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
    try:
        tree = ast.parse(source.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    allowed = (
        ast.Expression,
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
    return not isinstance(tree.body, ast.Name) or tree.body.id in ("true", "false", "null")


# --------------------------------------------------------------------------- Input: ... Output: ...


def _inputs(text: str, functions: Mapping[str, tuple[str, ...]]) -> Iterator[Example]:
    if len(functions) != 1 and not any(name in text for name in functions):
        return
    name = next((n for n in functions if re.search(rf"\b{re.escape(n)}\b", text)), next(iter(functions)))
    pairs = [(m["given"], m["then"]) for m in _INPUT.finditer(text)]
    pairs += [pair for m in _FOR.finditer(text) for pair in _for_pair(m["rest"], functions[name])]
    for given, then in pairs:
        arguments = _arguments(given.strip().rstrip(".;,").strip("`"), functions[name])
        expected = _literal(then)
        if arguments is not None and expected:
            call = f"{name}({arguments})"
            yield Example("equal", call, expected, "", f"{call} == {expected}", strict=False)


def _for_pair(rest: str, parameters: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """("s = 'ab', n = 2", "the rest behind it") of "s = 'ab', n = 2, the result should be 3"."""
    outputs = list(_THE_OUTPUT.finditer(rest))
    if not outputs:
        return
    for end in reversed([m.start() for m in re.finditer(r"[,;\s]", rest[: outputs[-1].start()])]):
        if _arguments(rest[:end].rstrip(" ,;"), parameters) is not None:
            yield rest[:end].rstrip(" ,;"), rest[outputs[-1].end() :]
            return


def _arguments(given: str, parameters: tuple[str, ...]) -> str | None:
    """The argument list for "arr = [1, 2], k = 3" or "[1, 2], 3"; None when it is not written out."""
    tree = _parse(f"f({' '.join(given.split())})")
    if tree is None or not isinstance(tree.body[0], ast.Expr) or not isinstance(tree.body[0].value, ast.Call):
        return None
    call = tree.body[0].value
    values = [ast.unparse(a) for a in call.args]
    named = {k.arg: ast.unparse(k.value) for k in call.keywords if k.arg}
    if not _written_out(tree) or (not values and not named):
        return None
    if named and set(named) <= set(parameters):
        return ", ".join([*values, *(f"{k}={v}" for k, v in named.items())])
    if len(values) + len(named) > len(parameters):
        return None
    return ", ".join([*values, *named.values()])


# --------------------------------------------------------------------------- shared


def _parse(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _called(tree: ast.AST) -> set[str]:
    return {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


def _usable(tree: ast.Module, functions: Mapping[str, tuple[str, ...]], setup: list[str]) -> bool:
    """Whether the code calls one of the functions and uses no name that is nowhere defined."""
    if not _called(tree) & functions.keys():
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
    return used <= functions.keys() | _BUILTINS | made | bound


def _written_out(tree: ast.AST) -> bool:
    """Whether a call's arguments are values and not placeholders such as `n` or `text`."""
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    calls = _called(tree)
    return names <= calls | _BUILTINS
