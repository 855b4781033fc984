"""NB505 tests-not-run: see the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbcopilot.checks.rule import Rule


class TestsNotRun(Rule):
    """The tests were not run.

    ## What it does
    Tells why no sandbox could run them.

    ## Why is this bad?
    Nobody knows whether they pass.

    ## Example
    ```python
    # no sandbox on this machine
    ```

    ## Known limits
    None.

    ## Origin
    House rule.
    """

    code = "NB505"
    name = "tests-not-run"
    severity = "warning"
    area = "tests"
    phase = "told"

    def message(self, data: Mapping[str, Any]) -> str:
        return f"The tests were not run: {data['problem']}"
