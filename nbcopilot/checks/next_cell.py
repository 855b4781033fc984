"""A new cell below cells that have run: when a request is for one, and the value that such a cell shows at its end.

Changes at most the last line of an answer, and notes it.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from nbcopilot.notebook import syntax
from nbcopilot.notebook.requests import is_request
from nbcopilot.types import Candidate, Cell, Notebook, Task

_PRINTS = re.compile(r"\bprint", re.IGNORECASE)
# How a request speaks of the name that a value shall get.
_GIVEN = (
    r"(?:\b(?:called|named|as|into|to|it|variables?|frame|dataframe|list|array|dict|series|create|define|make|build|load)"
    r"\s+|=\s*|[`\"'])[`\"']?{name}\b|\b{name}\s*="
)


def is_next_cell(task: Task, notebook: Notebook) -> bool:
    """Whether the request is for a new cell below code that is there."""
    return (
        task.kind == "generate"
        and syntax.is_python(notebook.language)
        and any(has_run(cell) for cell in notebook.cells)
    )


def has_run(cell: Cell) -> bool:
    """Whether a code cell has run and is no request to us."""
    return cell.kind == "code" and cell.executed is not None and not is_request(cell)


def show(candidate: Candidate, task: Task, names: frozenset[str]) -> Candidate:
    """The candidate with a value as its last line where it only printed the value, or gave it a name and ended.

    A notebook shows the value of a cell's last expression, a table as a table. Left alone are texts that are put
    together (`print(f"…")`), several prints, a print that was asked for, and names that the notebook has.
    """
    tree = syntax.plain_tree(candidate.text)
    if tree is None or not tree.body:
        return candidate
    last = tree.body[-1]
    if isinstance(last, ast.Expr):
        text = _unprinted(candidate.text, tree, last) if not _PRINTS.search(task.instruction) else ""
        note = "ends with the value that it printed"
    else:
        name = _new_name(last)
        asked_for = re.search(_GIVEN.format(name=re.escape(name)), task.instruction, re.IGNORECASE)
        text = f"{candidate.text.rstrip()}\n{name}" if name and name not in names and not asked_for else ""
        note = f"shows `{name}` at its end"
    return (
        replace(candidate, text=text, notes=(*candidate.notes, note)) if text and syntax.plain_tree(text) else candidate
    )


def _unprinted(text: str, tree: ast.Module, last: ast.Expr) -> str:
    """The text with `x` for a final `print(x)`, when that is the only print; "" when it is not like that."""
    prints = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "print"]
    call = last.value
    if len(prints) != 1 or call is not prints[0] or len(prints[0].args) != 1 or prints[0].keywords:
        return ""
    value = prints[0].args[0]
    if isinstance(value, (ast.JoinedStr, ast.Starred)) or (
        isinstance(value, ast.Constant) and isinstance(value.value, str)
    ):
        return ""
    if any(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in _joined(value)):
        return ""
    shown = ast.get_source_segment(text, value)
    lines = text.encode().split(b"\n")  # the parser counts columns in bytes
    head = b"\n".join([*lines[: last.lineno - 1], lines[last.lineno - 1][: last.col_offset]])
    tail = b"\n".join([lines[(last.end_lineno or 1) - 1][last.end_col_offset :], *lines[last.end_lineno :]])
    return f"{head.decode()}{shown}{tail.decode()}" if shown else ""


def _joined(value: ast.expr) -> list[ast.expr]:
    """The parts of `"a" + b`, `"%d" % n`, `"{}".format(n)`: a text that is put together."""
    if isinstance(value, ast.BinOp):
        return [*_joined(value.left), *_joined(value.right)]
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "format":
        return _joined(value.func.value)
    return [value]


def _new_name(last: ast.stmt) -> str:
    """The one name that a statement gives to a value, "" for anything else."""
    if isinstance(last, ast.Assign) and len(last.targets) == 1 and isinstance(last.targets[0], ast.Name):
        return "" if isinstance(last.value, ast.Lambda) else last.targets[0].id
    return ""
