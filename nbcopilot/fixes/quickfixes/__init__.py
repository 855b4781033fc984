"""Edits that an error itself asks for: a name that a library has renamed, an argument it takes by keyword, brackets.

    the run of a cell fails -> what the message says -> the cell with that edit -> run again (`judge` decides)

No model is asked. Text and syntax tree alone are read here, nothing is executed. One file for each kind of error:
`names` (what is gone), `arguments` (of calls), `data` (tables and files), `values` (of the wrong type), `kinds` (other than
asked for). What libraries have renamed is in `tables`.
"""

from __future__ import annotations

from dataclasses import dataclass

from nbcopilot.fixes.quickfixes import arguments, conversions, data, names, values
from nbcopilot.fixes.quickfixes.cell import Code
from nbcopilot.sandbox.report import RunError

MAX_REMEDIES = 6
_RULES = (*names.RULES, *arguments.RULES, *data.RULES, *values.RULES, *conversions.RULES)


@dataclass(frozen=True)
class Remedy:
    """The whole cell with the edit; `change` says it in words.

    sure: the message names the edit. One that is not sure is offered only after a run has shown that it helps.
    """

    source: str
    change: str
    sure: bool = True


def remedies(source: str, error: RunError) -> tuple[Remedy, ...]:
    """The edits of the cell that the error asks for, likeliest first, MAX_REMEDIES at most; () when it asks for none."""
    code = Code.read(source, error.line)
    if code is None:
        text = names.python3(source) if error.name in ("SyntaxError", "IndentationError") else source
        return (Remedy(text, "statements of Python 2"),) if text != source and Code.read(text) is not None else ()
    found: dict[str, Remedy] = {}
    for pattern, rule in _RULES:
        match = pattern.search(f"{error.name}: {error.message}")
        for edit in rule(code, match, error) if match else ():
            edited = code.edited(edit.spans)
            if edited != source and Code.read(edited) is not None:
                found.setdefault(edited, Remedy(edited, edit.change, edit.sure))
    return tuple(found.values())[:MAX_REMEDIES]
