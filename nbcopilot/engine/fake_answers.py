"""What the fake engine says: a plausible, deterministic answer to every kind of task, read off the prompt.

`answer(prompt)` finds the kind by the wording of the last request, takes names from its code and answers in the
form that the kind asks for. It is no model: it never runs code and knows a handful of small programs.
"""

from __future__ import annotations

import ast
import difflib
import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass

from nbcopilot.engine import begun
from nbcopilot.inference import Message, Prompt
from nbcopilot.notebook import syntax
from nbcopilot.types import TaskKind

FENCE = re.compile(r"(`{3,})([\w+-]*)[^\n]*\n(.*?)(?:\n\1|\Z)", re.DOTALL)
NAME = re.compile(r"[A-Za-z_]\w*")
# The wording that gives each kind away; the earliest one in the request wins.
WORDING: dict[TaskKind, re.Pattern[str]] = {
    "generate": re.compile(r"\b(provide|write|generate|implement|create)\b[^.\n]{0,40}\b(code|function|class|program|cell)\b", re.I),
    "testgen": re.compile(r"\bpytest\b|\bunit[ -]?tests?\b|\bwrite tests?\b|\btest cases\b", re.I),
    "fix": re.compile(r"\bfails?\b|\bfix\b|\bcorrect it\b|\bcorrected\b|\bmend\b|\brepair\b", re.I),
    "explain": re.compile(r"\bexplain\b", re.I),
    "document": re.compile(r"\bdescribe\b|\bdocument\b|\bsummar|\boverview\b|\btitle\b|\bgives back\b|\bheading\b|\bquestion\b", re.I),
}  # fmt: skip
# What small programs do: words that ask for it, the head, the value; {a} and {b} are the parameters.
PROGRAMS: tuple[tuple[str, str, str], ...] = (
    (r"prime", "is_prime(n)", "{a} > 1 and all({a} % d for d in range(2, int({a}**0.5) + 1))"),
    (r"factorial", "factorial(n)", "1 if {a} < 2 else {a} * {name}({a} - 1)"),
    (r"fibonacci|\bfib", "fibonacci(n)", "{a} if {a} < 2 else {name}({a} - 1) + {name}({a} - 2)"),
    (r"palindrome", "is_palindrome(text)", "{a} == {a}[::-1]"),
    (r"revers", "reverse(items)", "{a}[::-1]"),
    (r"\bmean|average", "mean(values)", "sum({a}) / len({a}) if len({a}) else 0.0"),
    (r"\bgcd\b|common divisor", "gcd(a, b)", "{a} if {b} == 0 else {name}({b}, {a} % {b})"),
    (r"median", "median(values)", "sorted({a})[len({a}) // 2]"),
    (r"unique|duplicate", "unique(items)", "list(dict.fromkeys({a}))"),
    (r"sort", "sort_items(items)", "sorted({a})"),
    (r"count", "count_items(items)", "{{item: {a}.count(item) for item in {a}}}"),
    (r"\bmax|largest", "largest(values)", "max({a})"),
    (r"\bsum\b|\btotal|\badd", "total(values)", "sum({a})"),
)
ARGUMENTS = {
    "int": "3", "float": "2.5", "str": "'abc'", "bool": "True", "list": "[3, 1, 2]", "dict": "{'a': 1}",
    "text": "'abc'", "s": "'abc'", "string": "'abc'", "word": "'abc'", "name": "'abc'",
    "values": "[3, 1, 2]", "items": "[3, 1, 2]", "numbers": "[3, 1, 2]", "xs": "[3, 1, 2]", "data": "[3, 1, 2]",
}  # fmt: skip
MODULES = {"np": "numpy as np", "pd": "pandas as pd", "plt": "matplotlib.pyplot as plt"} | {
    name: name for name in ("math", "re", "os", "sys", "json", "random", "itertools", "collections", "time")
}


@dataclass(frozen=True)
class Request:
    """The last request of a prompt: its prose, the code it is about, and what the engine was told besides."""

    kind: TaskKind
    prose: str
    code: str
    language: str
    everything: str


def answer(prompt: Prompt, *, variant: int = 0) -> str:
    """The whole answer to `prompt`, without its prefill. `variant` changes the wording, not the meaning."""
    if prompt.text is not None:
        return complete(prompt.text + prompt.prefill, prompt.suffix or "")
    request = read(prompt)
    if request.kind in ("explain", "document"):
        return ("In short: " if variant % 2 else "") + describe(request)
    code = {"testgen": tests, "fix": fix}.get(request.kind, program)(request)
    if variant % 2:
        code = re.sub(r"^    return (?=\S)(.+)$", r"    result = \1\n    return result", code, flags=re.M)
    before = prompt.prefill.rpartition("```")
    if before[1] and "\n" in before[2]:
        return begun.continued(before[2].partition("\n")[2], code) + "\n```"
    return f"{'' if prompt.prefill else 'Here is the code.'}\n\n```{request.language}\n{code}\n```\n"


def read(prompt: Prompt) -> Request:
    """The request that the last user turn makes; a complaint about an answer stands for the request before it."""
    users = [m.content for m in prompt.messages if m.role == "user"] or [""]
    at = len(users) - 1
    kind = _kind(users[at], prompt)
    complaint = ""
    if at > 0 and re.search(r"did not work|was run and|try again", FENCE.sub("", users[at])):
        at, complaint = at - 1, users[at]
        kind = _kind(users[at], prompt)
    request = users[at].rpartition("## The request\n")[2]
    fences = [match.group(3) for match in FENCE.finditer(request)]
    prose = FENCE.sub("", request)
    everything = "\n".join(m.content for m in _without_examples(prompt)) + complaint
    return Request(kind, prose, fences[-1] if fences else "", prompt.language, everything)


def _without_examples(prompt: Prompt) -> tuple[Message, ...]:
    return prompt.messages[-1:] if len(prompt.messages) < 4 else prompt.messages[-3:]


def _kind(text: str, prompt: Prompt) -> TaskKind:
    prose = FENCE.sub("", text.rpartition("## The request\n")[2])
    kinds: tuple[TaskKind, ...] = ("explain", "document") if prompt.answer == "markdown" else tuple(WORDING)
    found = {kind: match.start() for kind in kinds if (match := WORDING[kind].search(prose))}
    return min(found, key=lambda kind: found[kind]) if found else kinds[0]


# --------------------------------------------------------------------------- code


def program(request: Request) -> str:
    """A small valid program: the function that was asked for, or a few lines on what the notebook holds."""
    if request.language not in ("python", ""):
        return f'print("{_words(request)[:40]}")'
    head, name, parameters = _signature(request)
    topic = f"{name} {request.prose.rpartition(chr(10) * 2)[2]} {request.code}".replace("_", " ")
    known = next((p for p in PROGRAMS if re.search(p[0], topic, re.I)), None)
    if not head:
        frame = re.search(r"^- `?(\w+)`?.*DataFrame", request.everything, re.M)
        if not re.search(r"\bfunction\b|\bdef\b", request.prose.rpartition("\n\n")[2], re.I) and not known:
            return (
                f"summary = {frame[1]}.describe()\nsummary"
                if frame
                else "squares = [n * n for n in range(10)]\nsquares"
            )
        shape = known[1] if known else "run(value)"
        shape = f"{name}({shape.partition('(')[2]}" if name else shape
        head, name = f"def {shape}:", shape.partition("(")[0]
        parameters = [part.strip() for part in shape.partition("(")[2].rstrip(")").split(",")]
        head += f'\n    """{_words(request)[:60].capitalize() or "Value asked for"}."""'
    names = [*parameters, "0", "0"]
    value = known[2].format(a=names[0], b=names[1], name=name) if known and parameters else names[0]
    return f"{head.rstrip()}\n    return {value}"


def _signature(request: Request) -> tuple[str, str, list[str]]:
    """(head of the program up to its docstring, name, parameters) as the request gives them; "" where it does not."""
    found = list(_functions(request.code)) or list(_functions(request.code.rstrip() + "\n    pass"))
    if found:
        last = found[-1]
        has_body = not all(isinstance(node, ast.Expr | ast.Pass) for node in last.body)
        head = request.code[: request.code.rindex(f"def {last.name}")] if has_body else request.code
        return ("" if has_body else head), last.name, [arg.arg for arg in last.args.args]
    called = re.search(r"`?\b([A-Za-z_]\w*)\(([\w, ]*)\)`?", request.prose)
    if called and called[1] not in MODULES:
        parameters = [part.strip() for part in called[2].split(",") if part.strip()]
        return f"def {called[1]}({', '.join(parameters)}):", called[1], parameters
    named = re.search(
        r"\b(?:function|called|named)\s+`?([a-z_]\w*_\w+|(?<=called )\w+|(?<=named )\w+|(?<=`)\w+)`?", request.prose
    )
    return "", named[1] if named else "", []


def tests(request: Request) -> str:
    """Pytest functions for the functions of the code: its doctest examples, else that two calls agree."""
    wanted = set(re.findall(r"`(\w+)`", request.prose))
    functions = [f for f in _functions(request.code) if not wanted or f.name in wanted] or list(
        _functions(request.code)
    )
    blocks = []
    for function in functions:
        examples = [
            f"    assert {example.source.strip()} == {example.want.strip()}"
            for example in doctest.DocTestParser().get_examples(ast.get_docstring(function) or "")
            if _is_literal(example.want) and _is_expression(example.source)
        ]
        call = f"{function.name}({', '.join(_argument(arg) for arg in _required(function))})"
        if examples:
            blocks.append(f"def test_{function.name}_examples():\n" + "\n".join(examples))
        blocks.append(f"def test_{function.name}_gives_the_same_answer_twice():\n    assert {call} == {call}")
    if not blocks:
        name = next(iter(_assigned(request.code)), "True")
        blocks = [f"def test_{name.lower()}_is_there():\n    assert {name} is not None"]
    return "\n\n\n".join(blocks)


def fix(request: Request) -> str:
    """The code with the smallest change that the error message suggests; unchanged when it suggests none."""
    code, error = request.code, request.everything
    unknown = re.search(r"name '(\w+)' is not defined", error)
    if unknown and unknown[1] in MODULES:
        return f"import {MODULES[unknown[1]]}\n\n{code}"
    if unknown or (unknown := re.search(r"KeyError: '(\w+)'|has no attribute '(\w+)'", error)):
        wrong = next(part for part in unknown.groups() if part)
        others = [name for name in dict.fromkeys(NAME.findall(request.everything)) if name != wrong]
        near = re.search(r"Did you mean:? '(\w+)'", error)
        right = [near[1]] if near else difflib.get_close_matches(wrong, others, n=1, cutoff=0.6)
        return re.sub(rf"\b{wrong}\b", right[0], code) if right else code
    if "expected ':'" in error:
        return re.sub(r"^(\s*(?:def|if|for|while|else|elif|class|with|try)\b[^:\n]*)$", r"\1:", code, flags=re.M)
    if "ZeroDivisionError" in error:
        return re.sub(r"/ (len\(\w+\)|\w+)", r"/ (\1 or 1)", code, count=1)
    if "IndexError" in error:
        return code.replace(" + 1)", ")", 1) if " + 1)" in code else code.replace("<=", "<", 1)
    if "can only concatenate str" in error:
        return re.sub(r"(['\"]) \+ (\w+)", r"\1 + str(\2)", code, count=1)
    return code


def complete(prefix: str, suffix: str) -> str:
    """A short line that goes between `prefix` and `suffix`."""
    line = prefix.rpartition("\n")[2]
    before = [row for row in prefix.split("\n") if row.strip()]
    ends = "" if suffix.startswith("\n") or not suffix else "\n"
    if not line.strip():
        indent = " " * (len(line) % 4 or (4 if before and before[-1].endswith(":") and not line else 0))
        inside = bool(line or indent) and suffix.lstrip().startswith("return") is False
        return f"{indent}{'return None' if inside else 'result = None'}{ends}"
    if line.endswith(("return ", "= ", "(", "in ")):
        names = [name for name in NAME.findall(prefix) if len(name) > 1 and name not in ("def", "return", "for", "in")]
        return (names[-1] if names else "None") + (")" if line.endswith("(") and not suffix.startswith(")") else "")
    if re.match(r"\s*(import|from)\s*$", line):
        return "math"
    return ":" if re.match(r"\s*(if|for|while|def|class)\b", line) and not line.rstrip().endswith(":") else "  # done"


# --------------------------------------------------------------------------- prose


def describe(request: Request) -> str:
    """Markdown on the code in which every name in backticks stands in the code, and no number occurs."""
    sentences = list(_sentences(request.code)) if request.language in ("python", "") else []
    if not sentences:
        names = [f"`{name}`" for name in dict.fromkeys(NAME.findall(request.code)) if len(name) > 1][:3]
        sentences = [
            f"This {request.language or 'code'} cell works with {_list(names)}." if names else "This cell is empty."
        ]
    if request.kind == "explain":
        steps = "\n".join(f"- {sentence}" for sentence in sentences)
        return f"This code prepares one step of the notebook.\n\n{steps}"
    words = dict.fromkeys(
        name for name in NAME.findall(request.code) if re.search(rf"(?<!\w){name}(?!\w)", request.code)
    )
    known = [f"`{name}`" for name in words if name not in ("def", "class", "import", "return", "for")][:3]
    return f"Needed before the later steps of this notebook can go on with {_list(known) if known else 'their work'}."


def _sentences(code: str) -> Iterator[str]:
    tree = syntax.plain_tree(code)
    if tree is None:
        return
    body = tree.body
    imported = [
        a.name for node in body if isinstance(node, ast.Import | ast.ImportFrom) for a in node.names if a.name != "*"
    ]
    if imported:
        yield f"It imports {_list([f'`{name}`' for name in imported[:4]])}."
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            takes = [f"`{arg.arg}`" for arg in node.args.args]
            yield f"It defines `{node.name}`" + (f", which takes {_list(takes)}." if takes else ".")
        elif isinstance(node, ast.ClassDef):
            yield f"It defines the class `{node.name}`."
    assigned = list(_assigned(code))
    if assigned:
        yield f"It computes {_list([f'`{name}`' for name in assigned[:4]])}."
    called = [
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    if called:
        yield f"It uses {_list([f'`{name}`' for name in dict.fromkeys(called)][:3])}."


# --------------------------------------------------------------------------- reading code


def _functions(code: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = syntax.plain_tree(code)
    if tree is None:
        return
    yield from (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _assigned(code: str) -> Iterator[str]:
    tree = syntax.plain_tree(code)
    if tree is None:
        return
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    yield from dict.fromkeys(t.id for t in targets if isinstance(t, ast.Name))


def _required(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    arguments = [*function.args.posonlyargs, *function.args.args]
    return arguments[: len(arguments) - len(function.args.defaults)]


def _argument(arg: ast.arg) -> str:
    kind = ast.unparse(arg.annotation).lower() if arg.annotation else ""
    by_type = next((value for name, value in ARGUMENTS.items() if kind.startswith(name)), None) if kind else None
    return by_type or ARGUMENTS.get(arg.arg.lower(), "3")


def _is_literal(text: str) -> bool:
    try:
        syntax.literal(text.strip())
    except SyntaxError:
        return False
    return True


def _is_expression(text: str) -> bool:
    return syntax.expression(text) is not None


def _words(request: Request) -> str:
    """The instruction as plain words: the last paragraph of the request's prose."""
    paragraph = next((p for p in reversed(request.prose.split("\n\n")) if p.strip()), "")
    return " ".join(re.findall(r"[\w-]+", paragraph))


def _list(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]
