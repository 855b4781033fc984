"""NB506 no-test-holds: see the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbcopilot.checks.rule import Rule


class NoTestHolds(Rule):
    """No generated test passes on the code.

    ## What it does
    Said when every test failed or was left out.

    ## Why is this bad?
    There is nothing to keep.

    ## Example
    ```python
    assert half(3) == 2  # the only test
    ```

    ## Known limits
    None.

    ## Origin
    House rule.
    """

    code = "NB506"
    name = "no-test-holds"
    severity = "error"
    area = "tests"
    phase = "told"
    suppressible = False

    def message(self, data: Mapping[str, Any]) -> str:
        return str(data["problem"] or "No test that passes on the code could be made")
