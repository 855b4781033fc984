"""NB103 empty-answer: see the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbcopilot.checks.rule import Rule


class EmptyAnswer(Rule):
    """The answer holds nothing usable.

    ## What it does
    Said when no code or text could be taken out of what the model wrote.

    ## Why is this bad?
    There is nothing to write.

    ## Example
    ```python
    Sorry, I cannot help with that.
    ```

    ## Known limits
    None.

    ## Origin
    House rule.
    """

    code = "NB103"
    name = "empty-answer"
    severity = "error"
    area = "syntax"
    phase = "told"
    suppressible = False

    def message(self, data: Mapping[str, Any]) -> str:
        return "The answer holds nothing usable"
