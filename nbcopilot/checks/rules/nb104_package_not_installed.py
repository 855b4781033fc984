"""NB104 package-not-installed: see the class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.notebook import packages
from nbcopilot.verdict import Diagnostic


class PackageNotInstalled(Rule):
    """An imported package is not installed here.

    ## What it does
    Looks each absolute import up without importing it. Imports inside `try` are left alone. A package that the notebook itself imports is only a warning: it ran in a place that has it.

    ## Why is this bad?
    The cell raises ModuleNotFoundError.

    ## Example
    ```python
    import pandsa
    ```

    ## Known limits
    A module that exists only after an install in an earlier cell of the same run is not seen.

    ## Origin
    House rule; the table of names that differ between pip and import is from the packages' own pages.
    """

    code = "NB104"
    name = "package-not-installed"
    severity = "error"
    area = "imports"
    phase = "static"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        told: set[str] = set()
        for module, line, guarded in packages.imported(subject.tree) if subject.tree else ():
            top = module.split(".")[0]
            if guarded or top in told or packages.is_installed(module, subject.folders):
                continue
            told.add(top)
            own = top in subject.own_packages
            yield self.found(line=line, severity="warning" if own else None, package=top, pip=packages.pip_name(module))

    def message(self, data: Mapping[str, Any]) -> str:
        return f"`{data['package']}` is not installed"

    def hint(self, data: Mapping[str, Any]) -> str:
        return f"%pip install {data['pip']}"
