"""What a rule is: a stable code, its page, a way to detect, the sentence, and an edit that mends where there is one.

A team's own package adds rules by the entry point group `nbcopilot.rules`; each entry names a Rule subclass or a module
that holds some. docs/rules/ is generated from the docstrings (What it does, Why is this bad?, Example, Known limits,
Origin).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from nbcopilot.examples import Example
from nbcopilot.execution import RunReport
from nbcopilot.notebook import syntax
from nbcopilot.notebook.source_edit import Code, Edit
from nbcopilot.policy import Policy
from nbcopilot.types import Notebook, Task
from nbcopilot.verdict import Diagnostic, Severity

# "static": before anything runs; "run": with the report of a run; "told": said by a stage, nothing to detect.
Phase = Literal["static", "run", "told"]
Area = Literal["syntax", "names", "imports", "policy", "run", "tests", "intent", "grounding", "tool"]


@dataclass(frozen=True)
class Subject:
    """What a rule looks at: an answer, what was asked, what is there, and, once it ran, what happened.

    code: the answer's text. names: all names that exist where it will run. folders: looked at for local modules.
    own_packages: packages that a notebook without a kernel imports. new_cell: whether a cell is asked for below cells
    that have run. examples: those of the request, in the order of `report.outcomes`.
    """

    code: str
    task: Task = field(default_factory=lambda: Task("generate"))
    notebook: Notebook = field(default_factory=Notebook)
    names: frozenset[str] = frozenset()
    policy: Policy = field(default_factory=Policy)
    folders: tuple[Path, ...] = ()
    own_packages: frozenset[str] = frozenset()
    new_cell: bool = False
    examples: tuple[Example, ...] = ()
    report: RunReport | None = None

    @cached_property
    def tree(self) -> ast.Module | None:
        """The syntax tree of the code, IPython syntax included; None for what is no Python."""
        try:
            return syntax.parse(self.code)
        except SyntaxError:
            return None

    @property
    def is_generated(self) -> bool:
        """Whether the request is for new Python code."""
        return self.task.kind == "generate" and syntax.is_python(self.notebook.language)


class Rule:
    """One rule. Subclasses set the class attributes, write the docstring that becomes the page, and override methods.

    `detect` yields what `found` makes; `message` and `hint` turn `data` into sentences; `fix` gives edits of the code
    that mend it (applied only when a run shows that they help). A rule never raises for odd input; if it does, its code
    is named (NB001) and the others go on.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity] = "warning"
    area: ClassVar[Area] = "intent"
    phase: ClassVar[Phase] = "static"
    # Whether `ignore` and comments in a cell may silence it; what protects may not be silenced.
    suppressible: ClassVar[bool] = True

    def detect(self, subject: Subject) -> Iterable[Diagnostic]:
        """What the rule finds."""
        return ()

    def message(self, data: Mapping[str, Any]) -> str:
        """The sentence, without a full stop."""
        raise NotImplementedError

    def hint(self, data: Mapping[str, Any]) -> str:
        """What to do next; "" when there is nothing to say."""
        return ""

    def fix(self, code: Code, diagnostic: Diagnostic) -> Iterator[Edit]:
        """Edits of the code that may mend it."""
        return iter(())

    @classmethod
    def found(cls, *, line: int | None = None, severity: Severity | None = None, **data: Any) -> Diagnostic:
        """A diagnostic of this rule."""
        return Diagnostic(cls.code, severity or cls.severity, data, line)


def quoted(names: Sequence[str], most: int = 3) -> str:
    """`a`, `b`, `c` and 2 more."""
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
