"""Examples in the words of a text: `f(x) == y`, arrows, "f(x) returns y", and `Input: … Output: …`.

Gives (call, expected value, whether it is certain) as source; `examples` makes Examples of them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from nbcopilot.examples.literals import call_end, literal, usable, written_out
from nbcopilot.notebook import syntax

Functions = Mapping[str, tuple[str, ...]]
Spoken = tuple[str, str, bool]

THEN = re.compile(
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


def calls(text: str, functions: Functions) -> Iterator[Spoken]:
    """Calls of the functions with what is said of their value, in the order of the text."""
    names = "|".join(re.escape(name) for name in sorted(functions, key=len, reverse=True))
    for found in re.finditer(rf"(?<![\w.\"'])(?:{names})\(", text):
        line_start = text.rfind("\n", 0, found.start()) + 1
        before = text[line_start : found.start()]
        if ">>>" in before or re.search(r"\b(def|assert|class)\s+[\w(]*$", before):
            continue
        end = call_end(text, found.start())
        if end is None:
            continue
        call = text[found.start() : end]
        tree = syntax.plain_tree(call)
        then = THEN.match(text[end : end + 2000])
        if tree is None or then is None:
            continue
        if not usable(tree, functions, []) or not written_out(tree):
            continue
        expected = literal(then["rest"])
        strict = then["sign"] in _ARROWS or then["sign"] == "=="
        if not expected and then["sign"] in _ARROWS:
            word = re.match(r"[\"'`]?([A-Za-z_][\w-]*)[\"'`]?\s*(?:$|\n|,|\.)", then["rest"])
            expected = word[1] if word else ""
        if expected:
            yield call, expected, strict


def inputs(text: str, functions: Functions) -> Iterator[Spoken]:
    """Inputs and outputs without a call; they are taken for the one function that the text is about."""
    if len(functions) != 1 and not any(name in text for name in functions):
        return
    name = next((n for n in functions if re.search(rf"\b{re.escape(n)}\b", text)), next(iter(functions)))
    pairs = [(m["given"], m["then"]) for m in _INPUT.finditer(text)]
    for given, then in pairs:
        arguments = _arguments(given.strip().rstrip(".;,").strip("`"), functions[name])
        expected = literal(then)
        if arguments is not None and expected:
            call = f"{name}({arguments})"
            yield call, expected, False


def _arguments(given: str, parameters: tuple[str, ...]) -> str | None:
    """The argument list for "arr = [1, 2], k = 3" or "[1, 2], 3"; None when it is not written out."""
    tree = syntax.plain_tree(f"f({' '.join(given.split())})")
    if tree is None or not isinstance(tree.body[0], ast.Expr) or not isinstance(tree.body[0].value, ast.Call):
        return None
    call = tree.body[0].value
    values = [ast.unparse(a) for a in call.args]
    named = {k.arg: ast.unparse(k.value) for k in call.keywords if k.arg}
    if not written_out(tree) or (not values and not named):
        return None
    if named and set(named) <= set(parameters):
        return ", ".join([*values, *(f"{k}={v}" for k, v in named.items())])
    if len(values) + len(named) > len(parameters):
        return None
    return ", ".join([*values, *named.values()])
