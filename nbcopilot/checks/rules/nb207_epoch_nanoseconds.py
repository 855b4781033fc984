"""NB207 epoch-nanoseconds: see the class."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.notebook.source_edit import Code, Edit
from nbcopilot.verdict import Diagnostic


class EpochNanoseconds(Rule):
    """Plain numbers were read as nanoseconds since 1970.

    ## What it does
    Finds columns, indexes and series of times that all lie in the first minute of 1970.

    ## Why is this bad?
    `pd.to_datetime` takes a bare number for nanoseconds: the year 1990 becomes 1970-01-01 00:00:00.000001990.

    ## Example
    ```python
    df['year'] = pd.to_datetime(df['year'])
    ```

    ## Known limits
    Real measurements of the first minute of 1970 are told too.

    ## Origin
    Written after reading wrong answers on the development sessions of DSEval Exercise (arXiv:2402.17168); the fault is general, and the cases in tests/rules are its own. See also pandas documentation of `to_datetime(unit=)`.
    """

    code = "NB207"
    name = "epoch-nanoseconds"
    severity = "warning"
    area = "run"
    phase = "run"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        for whose, shown in subject.report.left() if subject.report and subject.report.ok else ():
            if shown.epoch_nanoseconds:
                low, high = shown.epoch_nanoseconds
                yield self.found(whose=whose, low=low, high=high)

    def message(self, data: Mapping[str, Any]) -> str:
        whose = f"`{data['whose']}`" if data["whose"] else "the result"
        numbers = f"{data['low']} to {data['high']}"
        return (
            f"The times in {whose} all lie in the first minute of 1970: the numbers {numbers} were read as nanoseconds"
        )

    def hint(self, data: Mapping[str, Any]) -> str:
        return "Say what they are: format= or unit="

    def fix(self, code: Code, diagnostic: Diagnostic) -> Iterator[Edit]:
        low, high = diagnostic.data["low"], diagnostic.data["high"]
        formats = {"%Y": (1500, 2200), "%Y%m": (150001, 220012), "%Y%m%d": (15000101, 22001231)}
        form = next((form for form, (first, last) in formats.items() if first <= low <= high <= last), None)
        for call in code.calls("to_datetime"):
            plain = call.args and not any(k.arg in ("format", "unit", None) for k in call.keywords)
            if form and plain and not isinstance(call.args[0], (ast.List, ast.Tuple, ast.Starred)):
                # pandas 3 wants texts
                as_text = code.replaced(call.args[0], f"{code.operand(call.args[0])}.astype(str)")
                edits = [as_text, code.added(call, f'format="{form}"')]
                yield Edit(edits, f"the numbers are dates of the form {form}", sure=False)
