"""NB224 filter-keeps-nothing: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


class FilterKeepsNothing(Rule):
    """A filter keeps no row.

    ## What it does
    Counts the rows around each selection by a condition while the cell runs.

    ## Why is this bad?
    What follows is computed from nothing: 0, NaN or an empty table.

    ## Example
    ```python
    log[log['status'] == '500']  # status is a number
    ```

    ## Known limits
    An empty selection on the way may be right, such as "rows with errors: none".

    ## Origin
    House rule: values, not wordings.
    """

    code = "NB224"
    name = "filter-keeps-nothing"
    severity = "intent"
    area = "intent"
    phase = "run"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        for step in subject.report.steps if subject.report is not None else ():
            if step.kind == "filter" and step.before > 0 and step.after == 0:
                yield self.found(line=step.line, before=step.before)
                return

    def message(self, data: Mapping[str, Any]) -> str:
        return f"A condition keeps none of {data['before']:,} rows"
