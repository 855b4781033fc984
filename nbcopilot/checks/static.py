"""What can be said of code without running it: syntax, undefined names, imports that are not installed.

Part of check. Nothing is executed or imported; the names that exist arrive as an argument.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from nbcopilot.notebook import cellnames, packages, syntax
from nbcopilot.notebook.packages import USUAL_IMPORTS
from nbcopilot.types import Finding


def check_static(
    code: str,
    names: frozenset[str],
    language: str = "python",
    *,
    folders: Sequence[Path] = (),
    own: frozenset[str] = frozenset(),
) -> tuple[Finding, ...]:
    """Findings on `code`; () when there is nothing to say, and for every language but Python.

    names: what the namespace and the upstream cells define; builtins and IPython's own are known. A `"*"` among
    them (an upstream star import) makes undefined names a mere remark. `folders` are looked at for local modules. own: packages that the notebook itself imports; that these are not
    installed here is no fault of the code, only a warning. A syntax error ends it: names and imports are not looked at then.
    """
    if not syntax.is_python(language) or syntax.foreign_magic(code):
        return ()
    try:
        tree = syntax.parse(code)
        syntax.compiles(tree)
    except SyntaxError as exc:
        return (_syntax_finding(exc, code),)
    return (*_undefined(tree, names), *_imports(tree, folders, own))


def _syntax_finding(exc: SyntaxError, code: str) -> Finding:
    line = exc.lineno if exc.lineno and exc.lineno <= len(code.split("\n")) else None
    text = code.split("\n")[line - 1].strip() if line else ""
    where = f" in line {line}" if line else ""
    shown = f": `{text[:80]}`" if text else ""
    return Finding("syntax", "error", f"{(exc.msg or 'invalid syntax').rstrip('.')}{where}{shown}", line=line)


def _undefined(tree: ast.Module, names: frozenset[str]) -> Iterator[Finding]:
    for missing in cellnames.undefined(tree, names - {"*"}):
        certain = missing.certain and "*" not in names
        near = nearest(missing.name, names | cellnames.defined(tree))
        yield Finding(
            "names",
            "error" if certain else "info",
            f"`{missing.name}` is not defined" + ("" if certain else " unless a star import brings it"),
            hint=f"did you mean `{near}`?" if near else _import_hint(missing.name),
            line=missing.line,
        )


def nearest(name: str, known: frozenset[str]) -> str:
    """The name of `known` that `name` may be a slip for; "" when none is near."""
    found = difflib.get_close_matches(name, sorted(n for n in known if not n.startswith("_")), n=1, cutoff=0.75)
    return found[0] if found else ""


def _import_hint(name: str) -> str:
    line = USUAL_IMPORTS.get(name)
    return f"add `{line}`" if line else ""


def _imports(tree: ast.Module, folders: Sequence[Path], own: frozenset[str]) -> Iterator[Finding]:
    told: set[str] = set()
    for module, line, guarded in _imported(tree):
        top = module.split(".")[0]
        if guarded or module in told or top in told:
            continue
        if not packages.is_installed(module, folders):
            told.add(top)
            yield Finding(
                "imports",
                "warning" if top in own else "error",
                f"`{top}` is not installed",
                hint=f"%pip install {packages.pip_name(module)}",
                line=line,
            )
        elif packages.submodule_is_missing(module):
            told.add(module)
            yield Finding("imports", "warning", f"`{top}` is installed but has no module `{module}`", line=line)


@lru_cache(maxsize=1024)
def packages_of(source: str) -> frozenset[str]:
    """Top-level packages that a cell imports; none for what is no Python."""
    tree = syntax.tree(source)
    return frozenset(module.split(".")[0] for module, *_ in _imported(tree)) if tree is not None else frozenset()


def _imported(tree: ast.Module) -> Iterator[tuple[str, int, bool]]:
    """(dotted module, line, whether a failing import is caught) for every absolute import."""
    stack: list[tuple[ast.AST, bool]] = [(tree, False)]
    while stack:
        node, guarded = stack.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, guarded
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module, node.lineno, guarded
        caught = isinstance(node, ast.Try) and bool(node.handlers)
        for child in reversed(list(ast.iter_child_nodes(node))):
            inside = caught and isinstance(node, ast.Try) and child in node.body
            stack.append((child, guarded or inside or isinstance(node, ast.ExceptHandler)))
