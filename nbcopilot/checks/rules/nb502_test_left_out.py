"""NB502 test-left-out: see the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbcopilot.checks.rule import Rule


class TestLeftOut(Rule):
    """A generated test was left out.

    ## What it does
    Leaves out tests that assert nothing, cannot run here, or say what another one says.

    ## Why is this bad?
    It would prove nothing.

    ## Example
    ```python
    def test_runs():
        half(3)
    ```

    ## Known limits
    None.

    ## Origin
    House rule.
    """

    code = "NB502"
    name = "test-left-out"
    severity = "info"
    area = "tests"
    phase = "told"

    def message(self, data: Mapping[str, Any]) -> str:
        return f"Left out: {data['test']}: {data['problem']}"
