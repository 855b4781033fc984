"""NB001 rule-failed: see the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbcopilot.checks.rule import Rule


class RuleFailed(Rule):
    """A rule raised an exception.

    ## What it does
    Names a rule that failed while it looked at an answer. The other rules go on.

    ## Why is this bad?
    What the rule would have found is not known.

    ## Example
    ```python
    # a rule of an installed package that assumes every cell has a line
    source.splitlines()[0]
    ```

    ## Known limits
    None.

    ## Origin
    House rule.
    """

    code = "NB001"
    name = "rule-failed"
    severity = "info"
    area = "tool"
    phase = "told"

    def message(self, data: Mapping[str, Any]) -> str:
        return f"Rule {data['rule']} failed and was skipped: {data['error']}"
