"""NB101 undefined-name: see the class."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from nbcopilot.checks.rule import Rule, Subject
from nbcopilot.notebook import cellnames
from nbcopilot.notebook.names import nearest_name, same_but_for_digits
from nbcopilot.notebook.packages import USUAL_IMPORTS
from nbcopilot.notebook.source_edit import Code, Edit
from nbcopilot.verdict import Diagnostic


class UndefinedName(Rule):
    """A name is used that nothing defines.

    ## What it does
    Finds names that are neither in the notebook, nor builtins, nor defined by the answer before their use. Scopes are read by pyflakes, so that the rules are those of an editor.

    ## Why is this bad?
    The cell raises NameError.

    ## Example
    ```python
    total = sum(valeus)  # the notebook has `values`
    ```

    ## Known limits
    Below a star import the name may exist: the finding is then an info.

    ## Origin
    pyflakes F821.
    """

    code = "NB101"
    name = "undefined-name"
    severity = "error"
    area = "names"
    phase = "static"

    def detect(self, subject: Subject) -> Iterator[Diagnostic]:
        if subject.tree is None:
            return
        for missing in cellnames.undefined(subject.tree, subject.names - {"*"}):
            certain = missing.certain and "*" not in subject.names
            near = nearest_name(missing.name, subject.names | cellnames.defined(subject.tree))
            yield self.found(
                line=missing.line,
                severity=None if certain else "info",
                name=missing.name,
                near=near,
                importing="" if near else USUAL_IMPORTS.get(missing.name, ""),
                certain=certain,
            )

    def message(self, data: Mapping[str, Any]) -> str:
        return f"`{data['name']}` is not defined" + (
            "" if data.get("certain", True) else " unless a star import brings it"
        )

    def hint(self, data: Mapping[str, Any]) -> str:
        if data.get("near"):
            return f"Did you mean `{data['near']}`?"
        return f"Add `{data['importing']}`" if data.get("importing") else ""

    def fix(self, code: Code, diagnostic: Diagnostic) -> Iterator[Edit]:
        name, near = diagnostic.data["name"], diagnostic.data.get("near")
        if near and not same_but_for_digits(near, name):
            places = [node for node in code.all(ast.Name) if node.id == name]
            yield Edit([code.replaced(node, near) for node in places], f"`{near}` instead of `{name}`", sure=False)
