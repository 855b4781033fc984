"""NB221 join-loses-rows: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


class JoinLosesRows(Rule):
    """A join drops rows without a partner.

    ## What it does
    Counts the rows of the left table that have no partner in an inner or right join.

    ## Why is this bad?
    Rows that silently go are missing from every figure that follows.

    ## Example
    ```python
    staff.merge(pay, on='id')  # those without pay are gone
    ```

    ## Known limits
    Dropping them may be what was asked for.

    ## Origin
    House rule: values, not wordings.
    """

    code = "NB221"
    name = "join-loses-rows"
    severity = "intent"
    area = "intent"
    phase = "run"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        for step in subject.report.steps if subject.report is not None else ():
            if step.kind == "join" and step.how in ("inner", "right") and 0 < step.hit < step.before:
                yield self.found(line=step.line, lost=step.before - step.hit, before=step.before)
                return

    def message(self, data: Mapping[str, Any]) -> str:
        return f"A join drops {data['lost']:,} of {data['before']:,} rows, which have no partner"
