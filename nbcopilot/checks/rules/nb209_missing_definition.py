"""NB209 missing-definition: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot import examples
from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


class MissingDefinition(Rule):
    """The code does not define a function that the request writes out.

    ## What it does
    A request that shows a function's head, or calls it in an assert or a doctest, asks for that function.

    ## Why is this bad?
    What the request shows would raise NameError.

    ## Example
    ```python
    # def area(r): ...
    def circle_area(r): ...
    ```

    ## Known limits
    Only heads and calls that stand in the request as code count.

    ## Origin
    House rule.
    """

    code = "NB209"
    name = "missing-definition"
    severity = "error"
    area = "tests"
    phase = "static"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        if not subject.is_generated or subject.tree is None:
            return
        known = frozenset(subject.names | examples.functions_of(subject.code).keys())
        for name in sorted(examples.promised_names(subject.task.instruction, known) - known):
            yield self.found(name=name)

    def message(self, data: Mapping[str, Any]) -> str:
        return f"The code does not define `{data['name']}`, which the request uses"
