"""NB212 repeats-cell: see the class."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.next_cell import has_run
from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.notebook import syntax
from nbcopilot.notebook.dependencies import names
from nbcopilot.verdict import Diagnostic


class RepeatsCell(Rule):
    """The code only repeats one of the last two cells.

    ## What it does
    Compares syntax trees. A cell in between that changes what the code reads makes the same code a new answer.

    ## Why is this bad?
    Its outcome stands right above already. Small models copy what they were shown.

    ## Example
    ```python
    # cell [3] above
    df.describe()
    # the answer
    df.describe()
    ```

    ## Known limits
    A request to do the same again is answered right by the same code: it is a guess and never rejects.

    ## Origin
    Written after reading wrong answers on the development sessions of DSEval Exercise (arXiv:2402.17168); the fault is general, and the cases in tests/rules are its own.
    """

    code = "NB212"
    name = "repeats-cell"
    severity = "intent"
    area = "tests"
    phase = "static"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        if not subject.new_cell or subject.tree is None or not subject.tree.body:
            return
        own, reads = ast.dump(subject.tree), names(subject.code).used
        for cell in reversed([cell for cell in subject.notebook.cells if has_run(cell)][-2:]):
            other = syntax.tree(cell.source)
            if other is not None and ast.dump(other) == own:
                yield self.found(cell=cell.executed)
                return
            seen = names(cell.source)
            if reads & (seen.defined | seen.modified | seen.deleted):
                return

    def message(self, data: Mapping[str, Any]) -> str:
        return f"The code only repeats cell [{data['cell']}]"
