"""NB302 deletes-variable: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject, quoted
from nbcopilot.verdict import Diagnostic


class DeletesVariable(Rule):
    """The cell deletes variables of the notebook.

    ## What it does
    Compares the variables before and after the run.

    ## Why is this bad?
    Later cells may need them.

    ## Example
    ```python
    del df
    ```

    ## Known limits
    None.

    ## Origin
    House rule: values, not wordings.
    """

    code = "NB302"
    name = "deletes-variable"
    severity = "warning"
    area = "run"
    phase = "run"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        if subject.report and subject.report.deleted:
            yield self.found(names=list(subject.report.deleted))

    def message(self, data: Mapping[str, Any]) -> str:
        return f"Deletes {quoted(data['names'])}, which the notebook has"
