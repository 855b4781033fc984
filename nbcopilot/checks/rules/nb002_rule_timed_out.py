"""NB002 rule-timed-out: see the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbcopilot.checks.rule import Rule


class RuleTimedOut(Rule):
    """A rule of another package took too long.

    ## What it does
    Names a rule that did not end in time. It is left out until the process ends.

    ## Why is this bad?
    One slow rule would delay every answer.

    ## Example
    ```python
    while True:  # in a rule's `detect`
        pass
    ```

    ## Known limits
    A rule that is stuck in native code keeps its thread.

    ## Origin
    House rule.
    """

    code = "NB002"
    name = "rule-timed-out"
    severity = "info"
    area = "tool"
    phase = "told"

    def message(self, data: Mapping[str, Any]) -> str:
        return f"Rule {data['rule']} did not finish in {data['seconds']:g} s and is left out from now on"
