"""NB220 join-multiplies-rows: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


class JoinMultipliesRows(Rule):
    """A join multiplies rows.

    ## What it does
    Counts the rows around each join of pandas while the cell runs, and looks at the keys on both sides.

    ## Why is this bad?
    Where keys occur several times on both sides, every pair becomes a row: sums and counts come out too large.

    ## Example
    ```python
    visits.merge(invoices, on='patient')  # several of both for one patient
    ```

    ## Known limits
    A product of rows that was meant looks the same.

    ## Origin
    House rule: values, not wordings.
    """

    code = "NB220"
    name = "join-multiplies-rows"
    severity = "intent"
    area = "intent"
    phase = "run"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        for step in subject.report.steps if subject.report is not None else ():
            if step.kind == "join" and step.repeats and step.after > step.before:
                yield self.found(line=step.line, before=step.before, after=step.after)
                return

    def message(self, data: Mapping[str, Any]) -> str:
        return (
            f"A join turns {data['before']:,} rows into {data['after']:,}: its keys occur several times on both sides"
        )
