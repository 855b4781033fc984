"""NB208 other-kind: see the class."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks import request, wording
from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.notebook.source_edit import Code, Edit
from nbcopilot.verdict import Diagnostic


class OtherKind(Rule):
    """The value is of another kind than the request names.

    ## What it does
    Reads the kind that a request names for what it wants back ("return a list of", "as a tuple", "a DataFrame called vol") and holds the value's class against it.

    ## Why is this bad?
    Code that goes on with the value may not work with it.

    ## Example
    ```python
    # Return a list of the largest values
    df['x'].nlargest(3)  # a Series
    ```

    ## Known limits
    English only; it claims little and is a guess, so it never rejects.

    ## Origin
    Written after reading wrong answers on the development sessions of DSEval Exercise (arXiv:2402.17168); the fault is general, and the cases in tests/rules are its own.
    """

    code = "NB208"
    name = "other-kind"
    severity = "intent"
    area = "intent"
    phase = "run"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        report = subject.report
        if report is None or not report.ok or not subject.is_generated:
            return
        there = {**report.created, **report.changed}
        for wanted in request.kinds(subject.task.instruction):
            shown = there.get(wanted.name) if wanted.name else report.result
            if shown is not None and not request.fits(wanted.kind, shown):
                kind = shown.type.rpartition(".")[2]
                yield self.found(wanted=wanted.kind, name=wanted.name, kind=kind, told=wording.value(shown))

    def message(self, data: Mapping[str, Any]) -> str:
        whose = f"`{data['name']}`" if data["name"] else "the result"
        return f"The request asks for {wording.with_article(data['wanted'])}, and {whose} is {data['told']}"

    def fix(self, code: Code, diagnostic: Diagnostic) -> Iterator[Edit]:
        data = diagnostic.data
        value = request.given(code, data["name"])
        for wanted, kinds, made in request.CONVERSIONS:
            if value is not None and wanted == data["wanted"] and re.fullmatch(kinds, data["kind"]):
                new = made.format(code.text(value) if made.endswith("({})") else code.operand(value))
                change = f"{wording.with_article(wanted)} is made of the {data['kind']}"
                yield Edit([code.replaced(value, new)], change, sure=False)
