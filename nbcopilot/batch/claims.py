"""Claims that the syntax of a Python cell refutes: "imports `x`" where nothing imports x. No proof that the rest is true."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from nbcopilot.notebook.syntax import PYTHON_CELL_MAGICS, cell_magic, tree

_IMPORTS = re.compile(r"\bimport(?:s|ed|ing)?\b([^.;]*)", re.I)
_DEFINES = re.compile(r"\b(?:defin(?:es?|ed|ing)|function(?:s)?(?: called| named)?|class(?:es)?(?: called| named)?)\s+(?:(?:a|an|the|two|three|function|class|method|called|named)\s+)*`(\w+)", re.I)  # fmt: skip
_LOOPS = re.compile(r"\b(?:loops?|iterat(?:es?|ing))\b", re.I)
_PRINTS = re.compile(r"\b(?:prints?|printed|printing)\b", re.I)
_PLOTS = re.compile(r"\b(?:plots?|draws?|charts?|histograms?|visuali[sz]es?|figures?)\b", re.I)
_READS = re.compile(r"\b(?:reads?|loads?|opens?)\b[^.]*\bfiles?\b", re.I)
_FIRST_NAME = re.compile(r"`([A-Za-z_][\w.]*)")


def wrong(sentence: str, sources: Sequence[str], language: str) -> str:
    """What of `sentence` the code refutes, in words; "" when nothing. Always "" for other languages than Python."""
    if language != "python":
        return ""
    trees = [_tree(source) for source in sources]
    modules = [module for module in trees if module is not None]
    if len(modules) < len(trees):
        return ""
    nodes = [node for module in modules for node in ast.walk(module)]
    imported = _imported(nodes)
    for match in _IMPORTS.finditer(sentence):
        if not imported:
            return "nothing is imported"
        names = [name.split(".")[0] for name in _FIRST_NAME.findall(match[1])]
        if names and names[0] not in imported:
            return f"{names[0]} is not imported"
    defined = {n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
    bound = defined | {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for match in _DEFINES.finditer(sentence):
        if match[0].lower().startswith("defin") and match[1] not in bound:
            return f"{match[1]} is not defined here"
    text = "\n".join(sources)
    loops = any(isinstance(n, (ast.For, ast.AsyncFor, ast.While, ast.comprehension)) for n in nodes)
    if _LOOPS.search(sentence) and not loops and "loop" not in text and "iter" not in text:
        return "there is no loop"
    if (
        _PRINTS.search(sentence)
        and "print" not in text
        and "echo" not in text
        and "write" not in text
        and "display" not in text
    ):
        return "nothing is printed"
    return ""


def _imported(nodes: Sequence[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= set(node.module.split("."))
            for alias in node.names:
                found |= {*alias.name.split("."), alias.asname or alias.name}
    return found


def _tree(source: str) -> ast.Module | None:
    magic = cell_magic(source)
    if magic is not None:
        return tree(magic.body) if magic.name in PYTHON_CELL_MAGICS else None
    return tree(source)
