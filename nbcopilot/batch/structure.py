"""What a cell is at a glance: whether it needs a text at all, and a title from the name of a file. Needs no model."""

from __future__ import annotations

import ast
import re

from nbcopilot.notebook.syntax import is_magic_call, tree


def is_trivial(source: str) -> bool:
    """Whether a Python cell only imports, sets a few constants, or adjusts a library: a text could add nothing."""
    module = tree(source)
    if module is None or not module.body:
        return False
    imported = {
        (alias.asname or alias.name).split(".")[0]
        for node in module.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    return all(_is_trivial(node, imported) for node in module.body)


def _is_trivial(node: ast.stmt, imported: set[str]) -> bool:
    if isinstance(node, (ast.Import, ast.ImportFrom)) or is_magic_call(node):
        return True
    if isinstance(node, ast.Assign):
        return isinstance(node.value, ast.Constant) and node.end_lineno == node.lineno
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    call = node.value
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    if not isinstance(call.func, ast.Attribute):
        return False
    root = call.func.value
    while isinstance(root, ast.Attribute):
        root = root.value
    is_of_library = isinstance(root, ast.Name) and root.id in imported
    return not arguments or (is_of_library and all(isinstance(one, ast.Constant) for one in arguments))


def title_from(name: str) -> str:
    """A title from the name of a file: "02_monthly-sales" is "Monthly sales"; "Notebook" when it says nothing."""
    words = re.sub(r"^[\W\d_]+(?=[^\W\d_])", "", re.sub(r"[_\-\s]+", " ", name)).strip()
    words = " ".join(re.sub(r"[^\w\s,&()+#.]", " ", words).split())
    if not re.search(r"[^\W\d_]{2}", words) or words.lower().startswith("untitled"):
        return "Notebook"
    return words[0].upper() + words[1:]
