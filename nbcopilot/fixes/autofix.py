"""Small repairs that need no model: an import that is missing, a helper that the instruction shows, a head left out.

Runs between extract and check. Adds above the code, never changes a line of it, and notes what it added.
"""

from __future__ import annotations

import ast
import textwrap
from dataclasses import replace

from nbcopilot.examples import is_head
from nbcopilot.notebook import cellnames, packages, syntax
from nbcopilot.notebook.packages import USUAL_IMPORTS
from nbcopilot.types import Candidate, Task


def mend(candidate: Candidate, task: Task, names: frozenset[str]) -> Candidate:
    """The candidate with what it plainly lacks added, each addition in `notes`; itself when nothing is to be done.

    names: what the notebook defines. Added are: the head of the function when only its body was written, imports and
    helpers that stand in the instruction, and usual imports (`np`, `math`, `List`) of installed packages.
    """
    if candidate.answer != "code" or not candidate.text.strip() or syntax.foreign_magic(candidate.text):
        return candidate
    given = _parse(task.instruction) if task.kind == "generate" else None
    if given is not None:
        candidate = _with_head(candidate, task.instruction, given)
    tree = _parse(candidate.text)
    if tree is None:
        return candidate
    missing = [m.name for m in cellnames.undefined(tree, names) if m.certain]
    added: dict[str, str] = {}
    for name in missing:
        line = (_shown(task.instruction, given, name) if given is not None else "") or _usual(name)
        if line:
            added.setdefault(line, name)
    if not added:
        return candidate
    text = _above(list(added), candidate.text)
    if not syntax.parses(text):
        return candidate
    notes = tuple(f"added `{line.splitlines()[0]}`, which the code needs" for line in added)
    return replace(candidate, text=text, notes=(*candidate.notes, *notes))


def _parse(text: str) -> ast.Module | None:
    return syntax.tree(text) if text.strip() else None


def _with_head(candidate: Candidate, instruction: str, given: ast.Module) -> Candidate:
    """The instruction with the answer as the body of its last function, when the answer is just that."""
    last = given.body[-1] if given.body else None
    if not isinstance(last, (ast.FunctionDef, ast.AsyncFunctionDef)) or not is_head(last):
        return candidate
    body = candidate.text
    tree = _parse(body)
    if tree is not None and not body.lstrip("\n")[:1].isspace():
        try:
            syntax.compiles(tree)
        except SyntaxError:  # `return` outside a function: a body after all
            pass
        else:
            return candidate
    text = f"{instruction.rstrip()}\n{textwrap.indent(textwrap.dedent(body), '    ')}"
    whole = _parse(text)
    if whole is None:
        return candidate
    return replace(candidate, text=text, notes=(*candidate.notes, f"put the answer below the head of `{last.name}`"))


def _shown(instruction: str, given: ast.Module, name: str) -> str:
    """The source in the instruction that defines `name`: an import, a whole function or class, an assignment."""
    for node in given.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if any((alias.asname or alias.name.split(".")[0]) == name for alias in node.names):
                return ast.unparse(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.name == name and not is_head(node):
                return ast.get_source_segment(instruction, node) or ""
        elif (isinstance(node, ast.ClassDef) and node.name == name) or (
            isinstance(node, (ast.Assign, ast.AnnAssign)) and name in cellnames.defined(ast.Module([node], []))
        ):
            return ast.get_source_segment(instruction, node) or ""
    return ""


def _usual(name: str) -> str:
    line = USUAL_IMPORTS.get(name, "")
    module = line.split()[1] if line else ""
    return line if module and packages.is_installed(module) else ""


def _above(lines: list[str], text: str) -> str:
    """The lines above the code, below a leading cell magic and `from __future__`."""
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    others = [line for line in lines if line not in imports]
    block = "\n".join(imports) + ("\n\n\n".join(["", *others]) if others else "")
    block = block.strip("\n") + ("\n\n\n" if others else "\n")
    rows = text.split("\n")
    at = 0
    while at < len(rows) and (rows[at].startswith(("%%", "from __future__")) or not rows[at].strip()):
        at += 1
    if at == 0 and not text.startswith(("import ", "from ")) and not others:
        block += "\n"
    return "\n".join([*rows[:at], block + "\n".join(rows[at:])]) if at else block + text
