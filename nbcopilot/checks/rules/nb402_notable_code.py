"""NB402 notable-code: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.checks.side_effects import first_uses
from nbcopilot.policy import KINDS
from nbcopilot.verdict import Diagnostic


class NotableCode(Rule):
    """The policy asks to be told of this kind of code.

    ## What it does
    As NB401, for the kinds under `warn`.

    ## Why is this bad?
    You should look at it before you run it.

    ## Example
    ```python
    df.to_csv('out.csv')
    ```

    ## Known limits
    As for NB401.

    ## Origin
    House rule.
    """

    code = "NB402"
    name = "notable-code"
    severity = "warning"
    area = "policy"
    phase = "static"
    suppressible = False

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        for use in first_uses(subject.code, subject.notebook.language, subject.policy.warn - subject.policy.forbid):
            yield self.found(line=use.line, kind=use.kind, call=use.call)

    def message(self, data: Mapping[str, Any]) -> str:
        return f"{KINDS[data['kind']].capitalize()} (`{data['call']}`)"
