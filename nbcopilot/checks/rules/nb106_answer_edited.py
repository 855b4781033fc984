"""NB106 answer-edited: see the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbcopilot.checks.rule import Rule


class AnswerEdited(Rule):
    """The answer was changed on its way into the cell.

    ## What it does
    Tells what was added or left out: a missing import, a cut tail, a value shown at the end.

    ## Why is this bad?
    It is not bad. You should know what was not written by the model.

    ## Example
    ```python
    import numpy as np  # added, because the answer uses `np`
    ```

    ## Known limits
    None.

    ## Origin
    House rule.
    """

    code = "NB106"
    name = "answer-edited"
    severity = "info"
    area = "syntax"
    phase = "told"

    def message(self, data: Mapping[str, Any]) -> str:
        return str(data["note"])
