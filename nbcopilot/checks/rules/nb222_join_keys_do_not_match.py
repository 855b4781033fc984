"""NB222 join-keys-do-not-match: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


class JoinKeysDoNotMatch(Rule):
    """Hardly any key of a join has a partner.

    ## What it does
    Counts the rows of the left table that find a partner.

    ## Why is this bad?
    Keys of other things, types or spellings make a table of missing values.

    ## Example
    ```python
    orders.merge(customers, left_on='order_id', right_on='id')
    ```

    ## Known limits
    Tables that share little are rare, but exist.

    ## Origin
    House rule: values, not wordings.
    """

    code = "NB222"
    name = "join-keys-do-not-match"
    severity = "intent"
    area = "intent"
    phase = "run"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        for step in subject.report.steps if subject.report is not None else ():
            if step.kind == "join" and step.before > 0 and step.hit < 0.1 * step.before:
                yield self.found(line=step.line, hit=step.hit, before=step.before)
                return

    def message(self, data: Mapping[str, Any]) -> str:
        return f"Only {data['hit']:,} of {data['before']:,} rows find a partner in a join: the keys do not match"
