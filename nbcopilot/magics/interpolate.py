"""`{{name}}` in a prompt becomes its value; every other brace is literal text.

`{}`, `{'a': 1}`, f-strings, JSON and comprehensions pass unharmed (jupyter-ai#27). `\\{{` keeps two braces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nbcopilot.errors import UndefinedNameError
from nbcopilot.notebook import syntax
from nbcopilot.notebook.namespace import summarize

_PLACE = re.compile(r"(\\?)\{\{([^{}\n]+)\}\}")
# Longest text of one inserted value, in characters.
LIMIT = 4000


def interpolate(text: str, namespace: Mapping[str, Any]) -> str:
    """`text` with every `{{expression}}` replaced by its value in `namespace`.

    Texts and numbers are inserted as they are, other objects as their bounded summary (schema, shape, signature).
    Raises UndefinedNameError when an expression cannot be evaluated.
    """
    return _PLACE.sub(lambda match: _insert(match, namespace), text)


def _insert(match: re.Match[str], namespace: Mapping[str, Any]) -> str:
    escaped, expression = match[1], match[2].strip()
    if escaped:
        return match[0][1:]
    if syntax.expression(expression) is None:
        return match[0]  # not Python: a template of another language, literal
    try:
        value = eval(expression, dict(namespace))
    except Exception as exc:
        raise UndefinedNameError(
            f"{{{{{expression}}}}} in the prompt: {type(exc).__name__}: {exc}",
            hint=f"define it first, or write \\{{{{{expression}}}}} to keep the braces",
        ) from None
    shown = str(value) if isinstance(value, (str, int, float, complex, bool)) else _summary(expression, value)
    return shown if len(shown) <= LIMIT else f"{shown[:LIMIT]} … ({len(shown) - LIMIT} characters more)"


def _summary(expression: str, value: Any) -> str:
    variables = summarize({"value": value}, rows=0)
    return variables[0].summary if variables else f"{expression}: {type(value).__name__}"
