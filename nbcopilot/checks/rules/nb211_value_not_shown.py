"""NB211 value-not-shown: see the class."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


def _is_mere_value(statement: ast.stmt) -> bool:
    """Whether a statement only names or computes a value: without a call it does nothing."""
    if not isinstance(statement, ast.Expr) or isinstance(statement.value, (ast.Constant, ast.Await)):
        return False
    return not any(
        isinstance(node, (ast.Call, ast.Yield, ast.YieldFrom, ast.NamedExpr)) for node in ast.walk(statement)
    )


class ValueNotShown(Rule):
    """A value in the middle of the cell is not shown.

    ## What it does
    Finds statements before the last one that compute a value, call nothing and keep nothing.

    ## Why is this bad?
    A cell shows only its last value.

    ## Example
    ```python
    df['x'].shape
    df['y'].shape
    ```

    ## Known limits
    Front ends can be told to show all values (`ast_node_interactivity`).

    ## Origin
    Written after reading wrong answers on the development sessions of DSEval Exercise (arXiv:2402.17168); the fault is general, and the cases in tests/rules are its own. See also flake8-bugbear B018.
    """

    code = "NB211"
    name = "value-not-shown"
    severity = "intent"
    area = "intent"
    phase = "static"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        if not subject.new_cell or subject.tree is None:
            return
        for statement in subject.tree.body[:-1]:
            if _is_mere_value(statement):
                yield self.found(line=statement.lineno, value=ast.unparse(statement)[:60])

    def message(self, data: Mapping[str, Any]) -> str:
        return f"The value of `{data['value']}` is not shown: a cell shows its last one"
