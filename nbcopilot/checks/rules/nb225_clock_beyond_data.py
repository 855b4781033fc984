"""NB225 clock-beyond-data: see the class."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic

DAYS = 7


class ClockBeyondData(Rule):
    """The code counts from today, and the data end before.

    ## What it does
    Finds calls of the computer's clock in code that works on tables whose newest date is more than a week old.

    ## Why is this bad?
    "The last 90 days" of data that end in July are empty in December.

    ## Example
    ```python
    df[df['day'] > pd.Timestamp.now() - pd.Timedelta(days=90)]
    ```

    ## Known limits
    Ages and contracts are rightly counted from today.

    ## Origin
    House rule: values, not wordings.
    """

    code = "NB225"
    name = "clock-beyond-data"
    severity = "intent"
    area = "intent"
    phase = "static"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        state = subject.notebook.state
        if subject.tree is None or state is None or not state.now or not subject.is_generated:
            return
        try:
            ends = date.fromisoformat(state.now[:10])
        except ValueError:
            return
        if date.today() - ends < timedelta(days=DAYS):
            return
        for node in ast.walk(subject.tree):
            if isinstance(node, ast.Call) and _reads_clock(node):
                yield self.found(line=node.lineno, ends=ends.isoformat())
                return

    def message(self, data: Mapping[str, Any]) -> str:
        return f"Counts from today's date, and the data end on {data['ends']}"


def _reads_clock(call: ast.Call) -> bool:
    """`datetime.now()`, `pd.Timestamp.today()`, `pd.to_datetime("today")`."""
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("now", "today", "utcnow"):
        return True
    first = call.args[0] if call.args else None
    return isinstance(first, ast.Constant) and first.value in ("now", "today")
