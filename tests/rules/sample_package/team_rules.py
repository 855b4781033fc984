"""Rules of a team, as another package has them: one that is useful, one that raises, one that never ends."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


class NoPrint(Rule):
    """A cell prints.

    ## What it does
    Finds calls of `print`.

    ## Why is this bad?
    The team logs.

    ## Example
    ```python
    print("done")
    ```

    ## Known limits
    None.

    ## Origin
    The team's style guide.
    """

    code = "TM101"
    name = "no-print"
    severity = "warning"
    area = "policy"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        for node in ast.walk(subject.tree) if subject.tree else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                yield self.found(line=node.lineno)

    def message(self, data: Mapping[str, Any]) -> str:
        return "The team logs and does not print"


class Raises(Rule):
    """A rule with a fault."""

    code = "TM102"
    name = "raises"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        raise LookupError("no line 7")


class Loops(Rule):
    """A rule that never ends."""

    code = "TM103"
    name = "loops"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        while True:
            pass
