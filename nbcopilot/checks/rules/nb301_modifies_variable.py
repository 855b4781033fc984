"""NB301 modifies-variable: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject, quoted
from nbcopilot.verdict import Diagnostic


class ModifiesVariable(Rule):
    """The cell modifies variables of the notebook.

    ## What it does
    Compares the variables before and after the run.

    ## Why is this bad?
    It is not bad where a change was asked for. You should know before you accept.

    ## Example
    ```python
    df.dropna(inplace=True)
    ```

    ## Known limits
    Objects that cannot be compared are told as modified only when they are bound anew.

    ## Origin
    Written after reading wrong answers on the development sessions of DSEval Exercise (arXiv:2402.17168); the fault is general, and the cases in tests/rules are its own.
    """

    code = "NB301"
    name = "modifies-variable"
    severity = "info"
    area = "run"
    phase = "run"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        if subject.report and subject.report.ok and subject.report.changed:
            yield self.found(names=sorted(subject.report.changed))

    def message(self, data: Mapping[str, Any]) -> str:
        return f"Modifies {quoted(data['names'])}"
