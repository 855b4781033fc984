"""NB202 example-fails: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.verdict import Diagnostic


class ExampleFails(Rule):
    """An example in the request does not hold.

    ## What it does
    Runs the examples that the request writes out (`>>>` sessions, asserts, `f(2) == 4`, arrows, Input and Output) against the answer.

    ## Why is this bad?
    The request says what is right, and the answer does something else.

    ## Example
    ```python
    # Return the sum of squares: sq([1, 2]) == 5
    def sq(xs): return sum(xs)
    ```

    ## Known limits
    Examples in free prose are read only where call and value are written out as code.

    ## Origin
    Codeforces-style visible tests; AlphaCode, arXiv:2203.07814.
    """

    code = "NB202"
    name = "example-fails"
    severity = "error"
    area = "tests"
    phase = "run"

    MOST = 3  # failing examples that are told one by one

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        outcomes = subject.report.outcomes if subject.report else ()
        failed = [(e, o) for e, o in zip(subject.examples, outcomes, strict=False) if not o.ok]
        for example, outcome in failed[: self.MOST]:
            shown = " ".join((outcome.at or example.shown).removeprefix("assert ").split())[:300]
            yield self.found(example=shown, got=outcome.got, error=outcome.error, end=outcome.end)

    def message(self, data: Mapping[str, Any]) -> str:
        text = f"The example `{data['example']}` does not hold"
        if data.get("end"):
            return f"{text}: it {data['error']}"
        if data.get("error"):
            return f"{text}: it raised {data['error']}"
        return f"{text}: it gave {data['got']}" if data.get("got") else text
