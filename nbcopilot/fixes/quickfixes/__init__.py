"""Edits that an error itself asks for: a name that a library has renamed, an argument it takes by keyword, brackets.

    the run of a cell fails -> what the message says -> the cell with that edit -> run again (`judge` decides)

No model is asked. Text and syntax tree alone are read here, nothing is executed. One file for each kind of error:
`names` (what is gone), `arguments` (of calls), `data` (tables and files), `values` (of the wrong type). What libraries have renamed is in `tables`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nbcopilot.checks import registry
from nbcopilot.execution import RunError
from nbcopilot.fixes.quickfixes import arguments, data, names, values
from nbcopilot.notebook.source_edit import Code, Edit
from nbcopilot.verdict import Diagnostic

MAX_FIXES = 6
_RULES = (*names.RULES, *arguments.RULES, *data.RULES, *values.RULES)


@dataclass(frozen=True)
class QuickFix:
    """The whole cell with the edit; `change` says it in words.

    sure: the message names the edit. One that is not sure is offered only after a run has shown that it helps.
    """

    source: str
    change: str
    sure: bool = True


def for_error(source: str, error: RunError) -> tuple[QuickFix, ...]:
    """The edits of the cell that an exception asks for, likeliest first, MAX_FIXES at most; () when it asks for none."""
    code = Code.read(source, error.line)
    if code is None:
        text = names.python3(source) if error.name in ("SyntaxError", "IndentationError") else source
        return (QuickFix(text, "statements of Python 2"),) if text != source and Code.read(text) is not None else ()
    found = (
        edit
        for pattern, rule in _RULES
        if (match := pattern.search(f"{error.name}: {error.message}"))
        for edit in rule(code, match, error)
    )
    return _applied(code, found)


def for_diagnostic(source: str, diagnostic: Diagnostic) -> tuple[QuickFix, ...]:
    """The edits that the rule of a diagnostic offers; () when it has none or the code is no Python."""
    rule, code = registry.get(diagnostic.code), Code.read(source, diagnostic.line)
    return _applied(code, rule.fix(code, diagnostic)) if rule is not None and code is not None else ()


def _applied(code: Code, edits: Iterable[Edit]) -> tuple[QuickFix, ...]:
    found: dict[str, QuickFix] = {}
    for edit in edits:
        edited = code.edited(edit.spans)
        if edited != code.source and Code.read(edited) is not None:
            found.setdefault(edited, QuickFix(edited, edit.change, edit.sure))
    return tuple(found.values())[:MAX_FIXES]
