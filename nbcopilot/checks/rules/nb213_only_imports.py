"""NB213 only-imports: see the class."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


class OnlyImports(Rule):
    """The code only imports.

    ## What it does
    Finds answers for a new cell in which every statement is an import of something that is there already, or that nothing uses.

    ## Why is this bad?
    Nothing of what was asked for happens.

    ## Example
    ```python
    import pandas as pd
    ```

    ## Known limits
    A request for the imports alone is answered right so: it is a guess and never rejects.

    ## Origin
    Written after reading wrong answers on the development sessions of DSEval Exercise (arXiv:2402.17168); the fault is general, and the cases in tests/rules are its own.
    """

    code = "NB213"
    name = "only-imports"
    severity = "intent"
    area = "tests"
    phase = "static"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        body = subject.tree.body if subject.new_cell and subject.tree else []
        if body and all(isinstance(statement, (ast.Import, ast.ImportFrom)) for statement in body):
            yield self.found()

    def message(self, data: Mapping[str, Any]) -> str:
        return "The code only imports"
