"""NB205 empty-result: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


class EmptyResult(Rule):
    """The result has no rows or no columns.

    ## What it does
    Looks at the value the cell shows, or, where it shows none, at what it makes. Tells where the texts in the code are found.

    ## Why is this bad?
    A filter that finds nothing is often one that looks in the wrong column, or for a wrong spelling.

    ## Example
    ```python
    df[df['city'] == 'berlin']  # the data says 'Berlin'
    ```

    ## Known limits
    Sometimes nothing is the right answer: the finding only ranks and informs.

    ## Origin
    Written after reading wrong answers on the development sessions of DSEval Exercise (arXiv:2402.17168); the fault is general, and the cases in tests/rules are its own.
    """

    code = "NB205"
    name = "empty-result"
    severity = "intent"
    area = "tests"
    phase = "run"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        report = subject.report
        if report is None or not report.ok:
            return
        shown = [("", report.result)] if report.result is not None else list(report.created.items())
        for whose, value in shown:
            if value is not None and value.shape and 0 in value.shape:
                where = [{"frame": e.frame, "text": e.text, "column": e.column} for e in report.elsewhere]
                yield self.found(whose=whose, shape=list(value.shape), elsewhere=where)
                return

    def message(self, data: Mapping[str, Any]) -> str:
        whose = f"`{data['whose']}`" if data["whose"] else "The result"
        text = f"{whose} is empty ({' x '.join(map(str, data['shape']))})"
        found = [
            f"`{e['frame']}` has {e['text']} in its " + ("index" if e["column"] is None else f"column {e['column']}")
            for e in data.get("elsewhere", ())
        ]
        return "; ".join([text, *found])
