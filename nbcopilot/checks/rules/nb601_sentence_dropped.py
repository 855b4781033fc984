"""NB601 sentence-dropped: see the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbcopilot.checks.rule import Rule


class SentenceDropped(Rule):
    """A sentence was left out of an explanation.

    ## What it does
    Holds names and numbers of generated prose against the notebook, and drops sentences that name what is not in it.

    ## Why is this bad?
    The model made it up.

    ## Example
    ```python
    The data has 5,000 rows.  # it has 120
    ```

    ## Known limits
    A false sentence without a name or a number is not seen.

    ## Origin
    House rule.
    """

    code = "NB601"
    name = "sentence-dropped"
    severity = "info"
    area = "grounding"
    phase = "told"

    def message(self, data: Mapping[str, Any]) -> str:
        return f"Dropped: {data['sentence']} ({data['missing']} is not in the notebook)"
