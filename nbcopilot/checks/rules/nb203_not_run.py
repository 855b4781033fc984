"""NB203 not-run: see the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbcopilot.checks import wording
from nbcopilot.checks.rule import Rule
from nbcopilot.verdict import NotRun


class NotRunToItsEnd(Rule):
    """The code was not run to its end.

    ## What it does
    Tells why a run says nothing about the code: it needs the network, a GPU, a file, more time, or a package that is not here.

    ## Why is this bad?
    Nobody knows whether the cell works.

    ## Example
    ```python
    requests.get(url)
    ```

    ## Known limits
    None.

    ## Origin
    House rule.
    """

    code = "NB203"
    name = "not-run"
    severity = "warning"
    area = "run"
    phase = "told"

    def message(self, data: Mapping[str, Any]) -> str:
        reason = NotRun(data["reason"], str(data.get("detail", "")), str(data.get("more", "")))
        return f"Not run to its end: {wording.why(reason)}"
