"""Diagnostics of a piece of code, for tests: without a run, or with the report of one."""

from __future__ import annotations

from pathlib import Path

from nbcopilot.checks import registry
from nbcopilot.checks.next_cell import is_next_cell
from nbcopilot.checks.rule import Subject
from nbcopilot.execution import RunReport
from nbcopilot.policy import Policy
from nbcopilot.types import Notebook, Task
from nbcopilot.verdict import Diagnostic

NO_POLICY = Policy()
NO_NOTEBOOK = Notebook()


def static(
    code: str,
    *names: str,
    request: str = "",
    notebook: Notebook = NO_NOTEBOOK,
    folders: tuple[Path, ...] = (),
    policy: Policy = NO_POLICY,
) -> list[Diagnostic]:
    """What the rules say of `code` before it runs, where `names` exist."""
    task = Task("generate", request)
    subject = Subject(code, task, notebook, frozenset(names), policy, folders, new_cell=is_next_cell(task, notebook))
    return list(registry.detect(subject, "static"))


def after(report: RunReport, code: str = "", request: str = "", notebook: Notebook = NO_NOTEBOOK) -> list[Diagnostic]:
    """What the rules say of a run of `code`."""
    return list(registry.detect(Subject(code, Task("generate", request), notebook, report=report), "run"))


def codes(found: list[Diagnostic]) -> list[str]:
    """The codes alone."""
    return [diagnostic.code for diagnostic in found]
