"""What "it" may be: the value, variable or figure that the newest cell left, and the request that cell answered."""

from __future__ import annotations

import ast
from collections.abc import Sequence, Set

from nbcopilot.live_state import LastResult
from nbcopilot.notebook import dependencies, syntax
from nbcopilot.notebook.requests import is_request, request_above
from nbcopilot.types import Cell, Notebook

MAX_SOURCE = 600


def last_result(notebook: Notebook) -> LastResult | None:
    """The last result of the newest code cell that ran and is no request; None when there is none."""
    place = _newest(notebook.cells)
    if place is None:
        return None
    cell = notebook.cells[place]
    tree = syntax.tree(cell.source)
    if tree is None:
        return None
    body = tree.body
    names = notebook.names
    made = tuple(name for name in _made(body) if name in names)
    figure = any(_draws(node) for statement in body for node in ast.walk(statement))
    source, name = _value(body, names)
    if not source and made:
        name = source = made[-1]
    return LastResult(
        source=source if len(source) <= MAX_SOURCE else "",
        name=name,
        type=_type(notebook, name),
        figure=figure,
        request=request_above(notebook, place)[:300],
        code=cell.source[:2000],
        made=made,
    )


def _newest(cells: Sequence[Cell]) -> int | None:
    ran = [(cell.executed, i) for i, cell in enumerate(cells) if cell.kind == "code" and cell.executed is not None]
    ran = [(count, i) for count, i in ran if not is_request(cells[i]) and cells[i].source.strip()]
    return max(ran)[1] if ran else None


def _made(body: Sequence[ast.stmt]) -> list[str]:
    found: dict[str, None] = {}
    for statement in body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = list(statement.targets)
        elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
            targets = [statement.target]
        elif isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            found[statement.name] = found.pop(statement.name, None)
        for target in targets:
            root = target
            while isinstance(root, (ast.Subscript, ast.Attribute)):
                root = root.value
            for node in root.elts if isinstance(root, (ast.Tuple, ast.List)) else [root]:
                if isinstance(node, ast.Name):
                    found.pop(node.id, None)
                    found[node.id] = None
    return list(found)


def _value(body: Sequence[ast.stmt], namespace: Set[str]) -> tuple[str, str]:
    """(source, name) of the last expression; a look at a table (`t.head()`, `t[[...]]`) stands for the table."""
    last = body[-1] if body else None
    if not isinstance(last, ast.Expr) or _draws(last.value):
        return "", ""
    node = last.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return "", ""
    root: ast.expr = node
    looks = True
    while isinstance(root, (ast.Call, ast.Attribute, ast.Subscript)):
        if isinstance(root, ast.Call):
            looks = (
                looks and isinstance(root.func, ast.Attribute) and root.func.attr in ("head", "tail", "info", "copy")
            )
            root = root.func
        else:
            root = root.value
    if isinstance(root, ast.Name) and root.id in namespace and (looks or root is node):
        return root.id, root.id
    free = dependencies.names(ast.unparse(node)).used - dependencies.BUILTINS
    return (
        (ast.unparse(node), "")
        if free <= set(namespace) and isinstance(node, (ast.Call, ast.Subscript, ast.BinOp))
        else ("", "")
    )


def _draws(node: ast.AST) -> bool:
    """Whether a call goes to a plotting interface: `x.plot...`, `plt.…`, `ax.…` and the like."""
    if not isinstance(node, ast.Call):
        return False
    names = {n.attr for n in ast.walk(node.func) if isinstance(n, ast.Attribute)}
    roots = {n.id for n in ast.walk(node.func) if isinstance(n, ast.Name)}
    return bool(
        names & {"plot", "hist", "boxplot", "scatter", "show", "imshow", "bar", "barh"}
        or roots & {"plt", "ax", "sns", "fig", "axes"}
    )


def _type(notebook: Notebook, name: str) -> str:
    if notebook.state is not None and notebook.state.table(name) is not None:
        return "DataFrame"
    things = notebook.state.things if notebook.state is not None else ()
    return next((thing.type for thing in things if thing.name == name), "")
