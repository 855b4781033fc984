"""NB105 missing-submodule: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.notebook import packages
from nbcopilot.verdict import Diagnostic


class MissingSubmodule(Rule):
    """An installed package has no such module.

    ## What it does
    Looks for the file of a dotted import inside its package, without importing it.

    ## Why is this bad?
    The import may fail. Some packages make modules when they are imported, so it is no error.

    ## Example
    ```python
    import sklearn.cross_validation
    ```

    ## Known limits
    Modules that a package makes at import time look missing.

    ## Origin
    House rule.
    """

    code = "NB105"
    name = "missing-submodule"
    severity = "warning"
    area = "imports"
    phase = "static"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        told: set[str] = set()
        for module, line, guarded in packages.imported(subject.tree) if subject.tree else ():
            here = packages.is_installed(module, subject.folders)
            if guarded or module in told or not here or not packages.submodule_is_missing(module):
                continue
            told.add(module)
            yield self.found(line=line, package=module.split(".")[0], module=module)

    def message(self, data: Mapping[str, Any]) -> str:
        return f"`{data['package']}` is installed but has no module `{data['module']}`"
