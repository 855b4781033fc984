"""How the fake engine goes on from an answer that was begun for it: it closes what is open, then says its own code."""

from __future__ import annotations

import re

_CLOSING = {"(": ")", "[": "]", "{": "}"}
# What an open end asks for, by how it ends: (pattern, what is written before the closing).
_FILLED = (
    (re.compile(r"groupby\('(\w+)'\)\['\Z"), r"\1'].size()"),
    (re.compile(r"\.agg\(\Z"), "'count'"),
    (re.compile(r",\Z"), " aggfunc='count'"),
    (re.compile(r'read_sql\("""\Z'), 'select 1 as one""", con'),
    (re.compile(r'"""\Z'), 'select 1 as one"""'),
)


def continued(begun: str, code: str) -> str:
    """What follows `begun`: the rest of `code` where it begins so, else the open ends closed and `code` below."""
    if code.startswith(begun) or not begun.strip():
        return code.removeprefix(begun)
    ending = _ending(begun)
    if begun.lstrip().startswith(("def ", "class ", "async def ")):
        return ending or "    return None" if begun.lstrip()[0] != "c" else "    pass"
    return f"{ending}\n{code}" if ending else code


def _ending(begun: str) -> str:
    """What makes an open end an expression; "" for a text that ends with its line."""
    if begun.endswith("\n"):
        return ""
    fill = next((match.expand(text) for pattern, text in _FILLED if (match := pattern.search(begun))), "")
    return fill + _closers(begun + fill)


def _closers(text: str) -> str:
    """The brackets that are open at the end of a piece of code."""
    stack: list[str] = []
    for part in re.finditer(r'"""[\s\S]*?"""|"[^"\n]*"|\'[^\'\n]*\'|#[^\n]*|[()\[\]{}]', text):
        if part[0] in _CLOSING:
            stack.append(_CLOSING[part[0]])
        elif part[0] in _CLOSING.values() and stack:
            stack.pop()
    return "".join(reversed(stack))
