"""NB303 warning-raised: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


class WarningRaised(Rule):
    """The code raised a warning.

    ## What it does
    Tells the warnings of the run that concern the code, at most five.

    ## Why is this bad?
    A deprecated call will fail with a newer version.

    ## Example
    ```python
    df.fillna(method='ffill')
    ```

    ## Known limits
    Warnings about the sandbox itself are left out.

    ## Origin
    House rule.
    """

    code = "NB303"
    name = "warning-raised"
    severity = "info"
    area = "run"
    phase = "run"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        for text in subject.report.warnings if subject.report else ():
            yield self.found(warning=text)

    def message(self, data: Mapping[str, Any]) -> str:
        return str(data["warning"])
