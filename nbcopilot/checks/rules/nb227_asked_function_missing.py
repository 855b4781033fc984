"""NB227 asked-function-missing: see the class."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


class AskedFunctionMissing(Rule):
    """The function that the request names is not defined.

    ## What it does
    A request that names a function with its parameters, such as `rate(df, year)`, asks for it.

    ## Why is this bad?
    Computing the value once is not the function that was asked for.

    ## Example
    ```python
    rate = df['n'].sum()  # "a function rate(df, year)"
    ```

    ## Known limits
    Only names with parameters in parentheses count, and not those that exist.

    ## Origin
    House rule: values, not wordings.
    """

    code = "NB227"
    name = "asked-function-missing"
    severity = "intent"
    area = "intent"
    phase = "static"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        name = subject.task.grounding.head
        if subject.tree is None or not name or not subject.is_generated:
            return
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        if not any(isinstance(node, kinds) and node.name == name for node in ast.walk(subject.tree)):
            yield self.found(name=name)

    def message(self, data: Mapping[str, Any]) -> str:
        return f"Does not define `{data['name']}`, which is asked for"
