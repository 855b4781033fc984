"""NB403 forbidden-import: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.notebook import packages
from nbcopilot.verdict import Diagnostic


class ForbiddenImport(Rule):
    """The policy forbids this import.

    ## What it does
    Holds every absolute import, and the packages it lies in, against `forbid_imports`.

    ## Why is this bad?
    The policy of the user or the site says so.

    ## Example
    ```python
    import torch
    ```

    ## Known limits
    Imports by text (`__import__(name)`) are told by NB401 as eval.

    ## Origin
    House rule.
    """

    code = "NB403"
    name = "forbidden-import"
    severity = "error"
    area = "policy"
    phase = "static"
    suppressible = False

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        forbidden = subject.policy.forbid_imports
        for module, line, _ in packages.imported(subject.tree) if forbidden and subject.tree else ():
            parts = module.split(".")
            if any(".".join(parts[:size]) in forbidden for size in range(1, len(parts) + 1)):
                yield self.found(line=line, module=module)

    def message(self, data: Mapping[str, Any]) -> str:
        return f"Imports `{data['module']}`, which the policy forbids"
