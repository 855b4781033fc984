"""NB228 filter-keeps-everything: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic

FEW = 10  # of so few rows all may well be meant


class FilterKeepsEverything(Rule):
    """A filter keeps every row.

    ## What it does
    Counts the rows around each selection by a condition while the cell runs. Tables of ten rows and fewer are left alone.

    ## Why is this bad?
    The condition does nothing: a date before the data begin, a threshold below all values, a column that was not meant.

    ## Example
    ```python
    log[log['day'] > pd.Timestamp('1990-01-01')]  # the data begin in 2024
    ```

    ## Known limits
    A condition that guards against values which do not occur here (`log[log['day'].notna()]`) keeps every row rightly.

    ## Origin
    Written after reading answers to requests of our own: "the last 90 days" counted from the first day of the data.
    """

    code = "NB228"
    name = "filter-keeps-everything"
    severity = "intent"
    area = "intent"
    phase = "run"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        for step in subject.report.steps if subject.report is not None else ():
            if step.kind == "filter" and step.before > FEW and step.after == step.before:
                yield self.found(line=step.line, before=step.before)
                return

    def message(self, data: Mapping[str, Any]) -> str:
        return f"A condition keeps all of {data['before']:,} rows"
