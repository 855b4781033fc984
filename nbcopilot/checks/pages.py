"""The page of a rule as Markdown, made from its docstring: what `nbcopilot rule CODE` prints and docs/rules/ holds."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from nbcopilot.checks.rule import Rule

SECTIONS = ("What it does", "Why is this bad?", "Example", "Known limits", "Origin")
_SEVERITY = {
    "error": "An error: the answer is rejected.",
    "warning": "A warning: told, and the answer ranks below one without it.",
    "intent": "A guess about what was asked for: told, and the answer ranks below one without it. It never rejects.",
    "info": "Information: told on request.",
}


def title(rule: Rule) -> str:
    """The first line of the docstring."""
    return (inspect.getdoc(type(rule)) or "").split("\n", 1)[0]


def page(rule: Rule) -> str:
    """The whole page, ending in a newline."""
    _, _, body = (inspect.getdoc(type(rule)) or "").partition("\n")
    mended = type(rule).fix is not Rule.fix
    facts = [_SEVERITY[rule.severity]]
    facts += ["An edit that mends it is tried; it is kept when a run shows that it helps."] if mended else []
    facts += [] if rule.suppressible else ["It cannot be ignored."]
    return f"# {rule.code} {rule.name}\n\n{title(rule)}\n\n{' '.join(facts)}\n\n{body.strip()}\n"


def index(rules: Iterable[Rule]) -> str:
    """The table of all rules, ending in a newline."""
    rows = [f"| [{r.code}]({r.code}.md) | {r.name} | {r.severity} | {title(r)} |" for r in rules]
    return "\n".join(["# Rules", "", "| code | name | severity | |", "| --- | --- | --- | --- |", *rows]) + "\n"
