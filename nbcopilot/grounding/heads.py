"""Functions and classes that a request names with their parameters: `rfm(orders)`, `kmeans(X, k, seed=0)`."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Set
from dataclasses import dataclass

_CALL = re.compile(r"(?<![\w.`'\"])([^\W\d]\w*)\(([^()\n]*)\)")
_CLASS = re.compile(r"(?<![\w.])class\s+`?([^\W\d_]\w*)")


@dataclass(frozen=True)
class Head:
    """What is to be defined. source: its first line of code; parameters: names without defaults and stars."""

    name: str
    source: str
    parameters: tuple[str, ...] = ()


def head(request: str, known: Set[str]) -> Head | None:
    """The one function or class that is to be defined; None when none is named or it is not clear which.

    known: names that exist already: a call of one of them asks for no definition.
    """
    made = _CLASS.search(request)
    if made and made[1][0].isupper() and made[1].isidentifier() and made[1] not in known:
        return Head(made[1], f"class {made[1]}:")
    found = [found for match in _CALL.finditer(request) if (found := _signature(match[1], match[2], known))]
    return found[0] if len({one.name for one in found}) == 1 else None


def _signature(name: str, inside: str, known: Set[str]) -> Head | None:
    if name in known or keyword.iskeyword(name) or hasattr(builtins, name) or not inside.strip():
        return None
    try:
        tree = ast.parse(f"def {name}({inside.strip()}):\n    pass").body[0]
    except (SyntaxError, ValueError):
        return None
    assert isinstance(tree, ast.FunctionDef)
    arguments = (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs)
    if any(isinstance(a.annotation, ast.Constant) for a in arguments):
        return None
    return Head(name, f"def {name}({inside.strip()}):", tuple(argument.arg for argument in arguments))
