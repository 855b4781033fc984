"""NB501 test-disagrees: see the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbcopilot.checks.rule import Rule


class TestDisagrees(Rule):
    """A generated test disagrees with the code.

    ## What it does
    Runs each test on the code as it is. One that fails is shown apart, with the question which of the two is right.

    ## Why is this bad?
    Either the test is wrong, or it has found a bug.

    ## Example
    ```python
    def test_half():
        assert half(3) == 2  # the code gives 1.5
    ```

    ## Known limits
    None.

    ## Origin
    House rule.
    """

    code = "NB501"
    name = "test-disagrees"
    severity = "warning"
    area = "tests"
    phase = "told"

    def message(self, data: Mapping[str, Any]) -> str:
        return f"Disagrees with the code: {data['test']}: {data['problem']}"
