"""NB210 missing-variable: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks import request
from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.notebook import cellnames
from nbcopilot.verdict import Diagnostic


class MissingVariable(Rule):
    """The code does not make a variable that the request names.

    ## What it does
    Reads names that a request gives: "a variable called total", "store it in `total`".

    ## Why is this bad?
    The next cell may use the name.

    ## Example
    ```python
    # Store the sum in `total`
    result = sum(xs)
    ```

    ## Known limits
    English only, and a guess: it never rejects.

    ## Origin
    Written after reading wrong answers on the development sessions of DSEval Exercise (arXiv:2402.17168); the fault is general, and the cases in tests/rules are its own.
    """

    code = "NB210"
    name = "missing-variable"
    severity = "intent"
    area = "intent"
    phase = "static"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        if not subject.is_generated or subject.tree is None:
            return
        made = cellnames.defined(subject.tree) | subject.names
        for name in request.named(subject.task.instruction):
            if name not in made:
                yield self.found(name=name)

    def message(self, data: Mapping[str, Any]) -> str:
        return f"The code does not define `{data['name']}`, which the request names"
