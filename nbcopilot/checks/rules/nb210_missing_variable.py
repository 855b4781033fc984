"""NB210 missing-variable: see the class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nbcopilot.checks import request
from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.notebook import cellnames
from nbcopilot.types import Notebook
from nbcopilot.verdict import Diagnostic


class MissingVariable(Rule):
    """The request names a variable that neither the notebook nor the answer has.

    ## What it does
    Takes the plain names that a request sets in backticks, in whatever language it is. One that no cell, variable or column has is new; the answer should have it, as a variable, column, parameter or text.

    ## Why is this bad?
    The next cell may use the name.

    ## Example
    ```python
    # Store the sum in `total`
    result = sum(xs)
    ```

    ## Known limits
    Names without backticks are words like others. It is a guess and never rejects.

    ## Origin
    Written after reading wrong answers on the development sessions of DSEval Exercise (arXiv:2402.17168), then reduced to names as code; the cases in tests/rules are its own.
    """

    code = "NB210"
    name = "missing-variable"
    severity = "intent"
    area = "intent"
    phase = "static"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        names = request.names_as_code(subject.task.instruction)
        if not names or not subject.is_generated or subject.tree is None:
            return
        known = subject.names | cellnames.mentioned(subject.tree) | _words(_texts(subject.notebook))
        for name in names:
            if name not in known:
                yield self.found(name=name)

    def message(self, data: Mapping[str, Any]) -> str:
        return f"The code does not use `{data['name']}`, which the request names"


def _texts(notebook: Notebook) -> Iterator[str]:
    """All that shows which names are taken: cells, summaries of variables, labels of columns."""
    yield from (cell.source for cell in notebook.cells if cell.kind == "code")
    yield from (variable.summary for variable in notebook.namespace or ())
    yield from (column.text for _, column in (notebook.state.columns() if notebook.state else ()))


def _words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in re.findall(r"[^\W\d]\w*", text)}
