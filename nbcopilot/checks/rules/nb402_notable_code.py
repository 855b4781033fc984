"""NB402 notable-code: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.checks.side_effects import uses
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
        seen: set[str] = set()
        for use in uses(subject.code, subject.notebook.language) if subject.policy.warn else ():
            if use.kind in subject.policy.warn - subject.policy.forbid and use.kind not in seen:
                seen.add(use.kind)
                yield self.found(line=use.line, kind=use.kind, call=use.call)

    def message(self, data: Mapping[str, Any]) -> str:
        return f"{KINDS[data['kind']].capitalize()} (`{data['call']}`)"
