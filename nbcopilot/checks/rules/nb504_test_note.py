"""NB504 test-note: see the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbcopilot.checks.rule import Rule


class TestNote(Rule):
    """A remark on how the tests were made.

    ## What it does
    Tells what was tried and what there was no time for.

    ## Why is this bad?
    It is not bad.

    ## Example
    ```python
    # two functions were not reached in the time for tests
    ```

    ## Known limits
    None.

    ## Origin
    House rule.
    """

    code = "NB504"
    name = "test-note"
    severity = "info"
    area = "tests"
    phase = "told"

    def message(self, data: Mapping[str, Any]) -> str:
        return str(data["note"])
