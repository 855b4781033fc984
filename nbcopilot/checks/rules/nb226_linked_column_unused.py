"""NB226 linked-column-unused: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.live_state import Link
from nbcopilot.notebook import cellnames, syntax
from nbcopilot.verdict import Diagnostic

STRONG = 0.75


class LinkedColumnUnused(Rule):
    """The code uses none of the columns that the request names.

    ## What it does
    Holds the labels in the code against the columns that words of the request are linked to (docs/grounding.md).

    ## Why is this bad?
    An answer by region where the segment was asked for runs, and is wrong.

    ## Example
    ```python
    orders.groupby('region')['amount'].sum()  # "amount per segment"
    ```

    ## Known limits
    A word may name something else by chance. Code that reaches columns by place or by a variable is not seen.

    ## Origin
    House rule: values, not wordings.
    """

    code = "NB226"
    name = "linked-column-unused"
    severity = "intent"
    area = "intent"
    phase = "static"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        if subject.tree is None or not subject.is_generated:
            return
        meant: dict[str, set[str]] = {}
        for link in subject.task.grounding.links:
            if link.kind in ("column", "value") and link.score >= STRONG:
                meant.setdefault(link.phrase, set()).update(_names(link))
        used = cellnames.mentioned(subject.tree)
        for phrase, names in meant.items():
            if not names & used:
                yield self.found(phrase=phrase, columns=sorted(names)[:3])

    def message(self, data: Mapping[str, Any]) -> str:
        columns = " or ".join(f"`{name}`" for name in data["columns"])
        return f'Uses nothing that "{data["phrase"]}" may mean ({columns})'


def _names(link: Link) -> set[str]:
    """A column's label and, of a value, also the value: either in the code will do."""
    labels = [syntax.literal(link.label), syntax.literal(link.value) if link.value else None]
    return {str(label) for label in labels if label is not None}
