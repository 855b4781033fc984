"""NB214 fix-changes-nothing: see the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbcopilot.checks.rule import Rule


class FixChangesNothing(Rule):
    """The fix is the code that fails.

    ## What it does
    Compares the program before and after, comments and layout aside.

    ## Why is this bad?
    The cell would fail again.

    ## Example
    ```python
    # before
    x = 1 / 0
    # after
    x = 1/0  # mended
    ```

    ## Known limits
    None.

    ## Origin
    House rule.
    """

    code = "NB214"
    name = "fix-changes-nothing"
    severity = "error"
    area = "run"
    phase = "told"

    def message(self, data: Mapping[str, Any]) -> str:
        return "The answer is the same code as the cell that fails"
