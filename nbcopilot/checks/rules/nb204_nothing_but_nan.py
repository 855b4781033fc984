"""NB204 nothing-but-nan: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


class NothingButNaN(Rule):
    """A table or array holds nothing but missing values.

    ## What it does
    Looks at the result and at what the cell makes or changes.

    ## Why is this bad?
    Most often a conversion, a join or an index went wrong without an error.

    ## Example
    ```python
    df['price'] = pd.to_numeric(df['price'], errors='coerce')  # prices are written '1.234,50 EUR'
    ```

    ## Known limits
    An all-missing value that was asked for is told too; it is a warning, not an error.

    ## Origin
    Written after reading wrong answers on the development sessions of DSEval Exercise (arXiv:2402.17168); the fault is general, and the cases in tests/rules are its own.
    """

    code = "NB204"
    name = "nothing-but-nan"
    severity = "warning"
    area = "run"
    phase = "run"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        for whose, shown in subject.report.left() if subject.report and subject.report.ok else ():
            if shown.all_nan:
                yield self.found(whose=whose, shape=list(shown.shape or ()))

    def message(self, data: Mapping[str, Any]) -> str:
        whose = f"`{data['whose']}`" if data["whose"] else "The result"
        if not data["shape"]:
            return f"{whose} is not a number (NaN)"
        return f"{whose} holds nothing but missing values ({' x '.join(map(str, data['shape']))})"
