"""NB503 flaky-test: see the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbcopilot.checks.rule import Rule


class FlakyTest(Rule):
    """A generated test does not give the same result twice.

    ## What it does
    Runs every test twice.

    ## Why is this bad?
    It would fail for no reason some day.

    ## Example
    ```python
    assert shuffled(xs) == [3, 1, 2]
    ```

    ## Known limits
    None.

    ## Origin
    House rule.
    """

    code = "NB503"
    name = "flaky-test"
    severity = "info"
    area = "tests"
    phase = "told"

    def message(self, data: Mapping[str, Any]) -> str:
        return f"Left out: {data['test']}: not the same from run to run"
