"""NB206 header-is-data: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.notebook.source_edit import Code, Edit
from nbcopilot.verdict import Diagnostic


class HeaderIsData(Rule):
    """The first row of a file became the names of the columns.

    ## What it does
    Looks for frames whose column names are mostly numbers, one of them with a fraction.

    ## Why is this bad?
    One row of data is lost and the columns have no names.

    ## Example
    ```python
    pd.read_csv('wine.data')  # the file starts with 1,14.23,1.71
    ```

    ## Known limits
    Years and ids as column names have no fraction and are left alone.

    ## Origin
    Written after reading wrong answers on the development sessions of DSEval Exercise (arXiv:2402.17168); the fault is general, and the cases in tests/rules are its own. The pandas documentation of `header=`.
    """

    code = "NB206"
    name = "header-is-data"
    severity = "warning"
    area = "run"
    phase = "run"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        report = subject.report
        for name, shown in {**report.created, **report.changed}.items() if report and report.ok else ():
            if shown.header_is_data:
                yield self.found(frame=name, columns=list(shown.header_is_data))

    def message(self, data: Mapping[str, Any]) -> str:
        names = ", ".join(map(repr, data["columns"]))
        return f"The first row of the file became the column names of `{data['frame']}` ({names})"

    def hint(self, data: Mapping[str, Any]) -> str:
        return "Read it with header=None"

    def fix(self, code: Code, diagnostic: Diagnostic) -> Iterator[Edit]:
        for call in code.calls("read_csv", "read_table", "read_excel"):
            if not any(k.arg in ("header", "names", None) for k in call.keywords):
                yield Edit([code.added(call, "header=None")], "the file has no row of names", sure=False)
