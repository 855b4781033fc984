"""NB102 syntax-error: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.notebook import syntax
from nbcopilot.verdict import Diagnostic


class SyntaxFault(Rule):
    """The answer is not Python.

    ## What it does
    Parses and compiles the answer as IPython would, with magics and top-level await.

    ## Why is this bad?
    The cell cannot run.

    ## Example
    ```python
    for i in range(3)
        print(i)
    ```

    ## Known limits
    Cell magics of other languages are not looked into.

    ## Origin
    The language reference.
    """

    code = "NB102"
    name = "syntax-error"
    severity = "error"
    area = "syntax"
    phase = "static"
    suppressible = False

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        try:
            syntax.compiles(syntax.parse(subject.code))
        except SyntaxError as exc:
            rows = subject.code.split("\n")
            line = exc.lineno if exc.lineno and exc.lineno <= len(rows) else None
            text = rows[line - 1].strip()[:80] if line else ""
            yield self.found(line=line, problem=(exc.msg or "invalid syntax").rstrip("."), text=text)

    def message(self, data: Mapping[str, Any]) -> str:
        shown = f": `{data['text']}`" if data.get("text") else ""
        return f"{data['problem'][:1].upper()}{data['problem'][1:]}{shown}"
