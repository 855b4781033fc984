"""NB401 forbidden-code: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.checks.side_effects import first_uses
from nbcopilot.policy import KINDS
from nbcopilot.verdict import Diagnostic


class ForbiddenCode(Rule):
    """The policy forbids this kind of code.

    ## What it does
    Reads kinds of code that reach outside the notebook (shell, deletion, network, eval, ...) from the syntax tree and holds them against `forbid`.

    ## Why is this bad?
    The policy of the user or the site says so.

    ## Example
    ```python
    !rm -rf data
    ```

    ## Known limits
    Names are followed through imports and simple assignments, not through data. The barrier is the sandbox.

    ## Origin
    House rule.
    """

    code = "NB401"
    name = "forbidden-code"
    severity = "error"
    area = "policy"
    phase = "static"
    suppressible = False

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        for use in first_uses(subject.code, subject.notebook.language, subject.policy.forbid):
            yield self.found(line=use.line, kind=use.kind, call=use.call)

    def message(self, data: Mapping[str, Any]) -> str:
        return f"{KINDS[data['kind']].capitalize()} (`{data['call']}`), which the policy forbids"
