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
    """The value is of another type than the request names.

    ## What it does
    Takes types that a request names as Python spells them (DataFrame, Series, tuple, dict, `list`), in whatever language it is. A type just before the name of a variable that the answer makes is that variable's; one that no variable of the notebook has is the result's.

    ## Why is this bad?
    Code that goes on with the value may not work with it.

    ## Example
    ```python
    # the largest values as a `list`
    df['x'].nlargest(3)  # a Series
    ```

    ## Known limits
    Where the variables are not known (a file without a kernel), only types beside names count. It is a guess and never rejects.

    ## Origin
    Written after reading wrong answers on the development sessions of DSEval Exercise (arXiv:2402.17168), then reduced to types and names; the cases in tests/rules are its own.
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
        there = subject.notebook.namespace
        present = None if there is None else [variable.type for variable in there]
        for wanted in request.types(subject.task.instruction, report.created, present):
            shown = report.created[wanted.name] if wanted.name else report.result
            if shown is not None and not request.fits(wanted.type, shown):
                kind = shown.type.rpartition(".")[2]
                yield self.found(wanted=wanted.type, name=wanted.name, kind=kind, told=wording.value(shown))

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
