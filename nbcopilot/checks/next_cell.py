"""What a new cell of a notebook must be beyond right code: it shows what was asked for, makes what was named, copies nothing.

Runs beside mend and check, for requests for new code. Changes at most the last line, and notes it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from nbcopilot.checks import request_constraints
from nbcopilot.notebook import cellnames, syntax
from nbcopilot.notebook.dependencies import names
from nbcopilot.notebook.requests import is_request
from nbcopilot.types import Candidate, Cell, Finding, Notebook, Task, Verdict

_PRINTS = re.compile(r"\bprint", re.IGNORECASE)
# How a request speaks of the name that a value shall get.
_GIVEN = (
    r"(?:\b(?:called|named|as|into|to|it|variables?|frame|dataframe|list|array|dict|series|create|define|make|build|load)"
    r"\s+|=\s*|[`\"'])[`\"']?{name}\b|\b{name}\s*="
)
_IN_PLACE = re.compile(
    r"\bin[- ]?place\b|\b(?:modify|change|overwrite|update)\s+the\s+(?:original|existing)\b", re.IGNORECASE
)
# Words that ask for a change of what is in memory, and the things that they are said of.
_CHANGE = re.compile(
    r"\b(?:set|renam\w*|delet\w*|remov\w*|drop\w*|add\w*|insert\w*|append\w*|fill\w*|reset\w*|re-?index\w*|convert\w*|"
    r"transform\w*|chang\w*|turn|replac\w*|modif\w*|updat\w*|clean\w*|fix|assign\w*|sav\w*|stor\w*|normali[sz]\w*|"
    r"in[- ]?place|overwrit\w*|mak\w*|correct\w*|cast|round\w*|shift\w*|shuffl\w*|substitut\w*|imput\w*|swap\w*|"
    r"capitali[sz]\w*|strip\w*|trim\w*|encod\w*)\b",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"^\W*(?:(?:now|then|next|please|let'?s|ok|okay|good|great|finally|also)\W+)*"
    r"(?:set|rename|delete|remove|drop|add|insert|fill|reset|re-?index|convert|transform|change|turn|replace|substitute|swap)\b"
    r"[^.\n]*\b(?:columns?|ind(?:ex|ices)|rows?|data ?frames?|data ?sets?|values?|entries|nans?)\b",
    re.IGNORECASE,
)
_IMPORT = re.compile(r"\b(?:import|librar|package|module|load)", re.IGNORECASE)
_MAY_BE_EMPTY = re.compile(
    r"\b(?:empty|blank|none|any|missing|nulls?|nans?|duplicat\w*|check|whether|if|is there|are there|placeholder)\b",
    re.IGNORECASE,
)
_AGAIN = re.compile(r"\b(again|repeat\w*|re-?run|same|once more|copy|duplicate)\b", re.IGNORECASE)


def is_next_cell(task: Task, notebook: Notebook) -> bool:
    """Whether the request is for a new cell below code that is there."""
    return (
        task.kind == "generate"
        and syntax.is_python(notebook.language)
        and any(_has_run(cell) for cell in notebook.cells)
    )


def _has_run(cell: Cell) -> bool:
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


def unkept(candidate: Candidate, verdict: Verdict, task: Task, notebook: Notebook) -> tuple[Finding, ...]:
    """Errors for what the request names and the code does not do: a variable it shall make, a change in place."""
    tree = syntax.tree(candidate.text)
    if task.kind != "generate" or tree is None or not syntax.is_python(notebook.language):
        return ()
    made = cellnames.defined(tree) | set(verdict.evidence.get("changes", ()))
    found = [
        Finding("tests", "error", f"the code does not define `{name}`, which is asked for")
        for name in request_constraints.named(task.instruction)
        if name not in made
    ]
    imports = [statement for statement in tree.body if isinstance(statement, (ast.Import, ast.ImportFrom))]
    if imports and len(imports) == len(tree.body) and not _IMPORT.search(task.instruction):
        found.append(Finding("tests", "error", "the code only imports, and does nothing of what is asked for"))
    ran = verdict.checks.get("run") == "passed"
    empty = verdict.evidence.get("empty")
    nothing_there = any(" 0 rows" in f" {v.summary[:200]}" for v in notebook.namespace or ())
    if ran and empty and not nothing_there and not _MAY_BE_EMPTY.search(task.instruction):
        found.append(Finding("tests", "error", f"nothing was found: {empty}"))
    found += [Finding("tests", "error", message) for message in _too_wide(tree, notebook)]
    if ran and _IN_PLACE.search(task.instruction) and not {"changes", "deletes", "creates"} & verdict.evidence.keys():
        found.append(Finding("tests", "error", "nothing in memory was changed, and a change in place is asked for"))
    return tuple(found)


def _too_wide(tree: ast.Module, notebook: Notebook) -> Iterator[str]:
    """Selections of more columns than a frame in memory has: `iloc` gives fewer without a word."""
    widths: dict[str, int] = {}
    for variable in notebook.namespace or ():
        found = re.match(r"DataFrame, [\d,]+ rows? × ([\d,]+) column", variable.summary)
        if found:
            widths[variable.name] = int(found[1].replace(",", ""))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Attribute):
            continue
        frame, part = node.value.value, node.slice
        if node.value.attr == "iloc" and isinstance(part, ast.Tuple) and len(part.elts) == 2:
            part = part.elts[1]
        elif node.value.attr != "columns":
            continue
        upper = part.upper.value if isinstance(part, ast.Slice) and isinstance(part.upper, ast.Constant) else None
        name = frame.id if isinstance(frame, ast.Name) else ""
        if isinstance(upper, int) and upper > widths.get(name, upper):
            wide = [f"`{other}` has {width}" for other, width in widths.items() if width >= upper][:2]
            told = "; ".join([f"`{name}` has {widths[name]}", *wide])
            yield f"`{ast.unparse(node)}` selects {upper} columns, and {told}"


def doubts(candidate: Candidate, verdict: Verdict, task: Task) -> tuple[Finding, ...]:
    """Warnings for what runs and may yet not be meant: of several answers one without them is taken first.

    A value in the middle of the cell that nobody sees; an order to change something after which nothing is changed or
    made; a change of a variable of which the request says nothing.
    """
    tree = syntax.plain_tree(candidate.text)
    if tree is None:
        return ()
    lost = [statement for statement in tree.body[:-1] if _is_mere_value(statement)]
    found = [
        f"the value of `{ast.unparse(statement)[:60]}` is not shown: a cell shows its last one" for statement in lost
    ]
    if verdict.checks.get("run") == "passed":
        changed = [str(name) for name in verdict.evidence.get("changes", ())]
        touched = {"changes", "deletes", "creates"} & verdict.evidence.keys()
        if not touched and _ORDER.search(task.instruction):
            found.append("nothing in memory is changed or made, and the request asks for a change")
        if changed and not _CHANGE.search(task.instruction):
            found.append(f"it changes `{', '.join(changed)}`, and the request does not speak of a change")
    return tuple(Finding("intent", "warning", message) for message in found)


def _is_mere_value(statement: ast.stmt) -> bool:
    """Whether a statement only names or computes a value: without a call it does nothing."""
    if not isinstance(statement, ast.Expr) or isinstance(statement.value, (ast.Constant, ast.Await)):
        return False
    return not any(
        isinstance(node, (ast.Call, ast.Yield, ast.YieldFrom, ast.NamedExpr)) for node in ast.walk(statement)
    )


def repeated(candidate: Candidate, task: Task, notebook: Notebook) -> Finding | None:
    """An error when the code is that of one of the last two cells, whose outcome stands right above.

    A small model copies what it was shown; further up the same code may well be wanted again, and so it is when a cell
    in between has changed what it reads.
    """
    tree = syntax.plain_tree(candidate.text)
    if tree is None or not tree.body or _AGAIN.search(task.instruction):
        return None
    own, reads = ast.dump(tree), names(candidate.text).used
    for cell in reversed([cell for cell in notebook.cells if _has_run(cell)][-2:]):
        other = syntax.plain_tree(cell.source)
        if other is not None and ast.dump(other) == own:
            return Finding(
                "tests", "error", f"this only repeats cell [{cell.executed}], which did not answer the request"
            )
        seen = names(cell.source)
        if reads & (seen.defined | seen.modified | seen.deleted):
            return None
    return None
