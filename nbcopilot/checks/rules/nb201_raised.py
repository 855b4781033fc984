"""NB201 raised: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks import wording
from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


class Raised(Rule):
    """The code raised an exception.

    ## What it does
    Runs the answer in a sandbox on a replica of the notebook's state and tells the exception, the line and what may have been meant.

    ## Why is this bad?
    The cell would fail the same way.

    ## Example
    ```python
    df['revenu'].sum()  # KeyError: the column is `revenue`
    ```

    ## Known limits
    What a sandbox does not have (network, GPU, credentials) is told by NB203 instead.

    ## Origin
    House rule.
    """

    code = "NB201"
    name = "raised"
    severity = "error"
    area = "run"
    phase = "run"
    suppressible = False

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        report = subject.report
        error = report.error if report else None
        if report is None or report.ok or report.needs or report.setup_error or error is None:
            return
        rows = subject.code.split("\n")
        text = rows[error.line - 1].strip()[:100] if error.line and error.line <= len(rows) else ""
        yield self.found(
            line=error.line,
            error=error.name,
            problem=" ".join(error.message.split())[:400],
            text=text,
            suggestion=wording.suggestions(error),
        )

    def message(self, data: Mapping[str, Any]) -> str:
        ended = data["error"] in ("TimeLimit", "ProcessEnded")
        text = data["problem"] if ended else f"{data['error']}: {data['problem']}".rstrip(": ")
        text = text[:1].upper() + text[1:]
        return text + (f" in `{data['text']}`" if data.get("text") else "")

    def hint(self, data: Mapping[str, Any]) -> str:
        return str(data.get("suggestion", ""))
