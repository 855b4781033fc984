"""NB602 ungrounded-text: see the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbcopilot.checks.rule import Rule


class UngroundedText(Rule):
    """The whole text names things that are not in the notebook.

    ## What it does
    Said when grounding would drop every sentence.

    ## Why is this bad?
    Nothing in the text is borne out by the notebook.

    ## Example
    ```python
    This cell trains a neural network.  # it reads a file
    ```

    ## Known limits
    None.

    ## Origin
    House rule.
    """

    code = "NB602"
    name = "ungrounded-text"
    severity = "warning"
    area = "grounding"
    phase = "told"

    def message(self, data: Mapping[str, Any]) -> str:
        return "The text names things that are not in the notebook: read it with care"
