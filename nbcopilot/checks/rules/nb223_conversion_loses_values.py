"""NB223 conversion-loses-values: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


class ConversionLosesValues(Rule):
    """A conversion turns values into missing ones.

    ## What it does
    Compares the values before and after `to_numeric` and `to_datetime`; blank texts do not count.

    ## Why is this bad?
    `errors='coerce'` with the wrong format leaves a column of nothing, and every sum of it is 0.

    ## Example
    ```python
    pd.to_numeric(df['price'], errors='coerce')  # '12.50 €'
    ```

    ## Known limits
    A few unreadable values among many may be meant to go: less than one in twenty is not told.

    ## Origin
    House rule: values, not wordings.
    """

    code = "NB223"
    name = "conversion-loses-values"
    severity = "intent"
    area = "intent"
    phase = "run"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        for step in subject.report.steps if subject.report is not None else ():
            if step.kind == "conversion" and step.before > 0 and step.before - step.after > 0.05 * step.before:
                yield self.found(
                    line=step.line, lost=step.before - step.after, before=step.before, examples=list(step.examples)
                )
                return

    def message(self, data: Mapping[str, Any]) -> str:
        return (
            f"A conversion turns {data['lost']:,} of {data['before']:,} values into missing ones, such as "
            + ", ".join(repr(text) for text in data["examples"])
        )
