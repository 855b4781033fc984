"""Which cell is at fault for an error: often not the one that failed, but the one that defines what it called.

Reads the traceback and the sources only; whether mending that cell helps is found out by running it (validate).
"""

from __future__ import annotations

import ast

from nbcopilot.notebook import conventions, dependencies, tracebacks
from nbcopilot.notebook.syntax import tree
from nbcopilot.notebook.tracebacks import Frame
from nbcopilot.types import Cell, ErrorInfo, Notebook

# Errors that say: what was computed is wrong, or never ends. The cell that shows it is seldom the one to mend.
_SHOWN_ELSEWHERE = ("AssertionError", "KeyboardInterrupt", "TimeoutError", "RecursionError")


def at_fault(notebook: Notebook) -> Cell | None:
    """The cell to mend for `notebook.error`: the failed one, or the one above that defines what it called.

    That is the cell of the deepest frame of the traceback; for a failed assertion, or a cell that did not end, the
    cell that defines the function which the failing statement calls. None when the failed cell is not known.
    """
    error = notebook.error
    failed = notebook.cell(error.cell_id) if error is not None else None
    if error is None or failed is None or notebook.language != "python":
        return failed
    found, line = _deepest(error, notebook, failed)
    if found.id != failed.id:
        return found
    # A cell that may not be changed (a graded test) is taken to be right.
    if error.name not in _SHOWN_ELSEWHERE and not conventions.locked(failed.metadata):
        return failed
    for name in _called(failed.source, line):
        definition = dependencies.find_definition(notebook, name)
        cell = notebook.cell(definition.cell_id) if definition is not None else None
        if cell is not None and cell.id != failed.id:
            return cell
    return failed


def line_in(error: ErrorInfo, notebook: Notebook, cell_id: str | None) -> int | None:
    """The line of the cell `cell_id` in which the error's traceback was deepest; None when it does not say so."""
    failed = notebook.cell(error.cell_id)
    if failed is None:
        return None
    found = None
    for frame in tracebacks.read(error.traceback).in_cells:
        if frame.line and _cell(frame, notebook, failed).id == cell_id:
            found = frame.line
    return found


def leading_up(notebook: Notebook, mended: str | None) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
    """What the failed cell stands on, in execution order: (cells before the cell `mended`, cells between it and the failed one).

    Those between must run again after the mended one, before the failed cell says whether it helped. Both are empty
    when there is no error, or `mended` is not above the failed cell.
    """
    error = notebook.error
    failed = notebook.index(error.cell_id) if error is not None else None
    if error is None or failed is None or notebook.language != "python":
        return (), ()
    slice_ = dependencies.upstream(notebook, error.source, failed)
    order = [cell.id for cell in dependencies.execution_order(notebook, failed)]
    if mended not in order:
        return (), ()
    place = {cell_id: i for i, cell_id in enumerate(order)}
    at = place[mended]
    others = [cell for cell in slice_ if cell.id not in (mended, error.cell_id) and cell.id in place]
    return tuple(c for c in others if place[c.id] < at), tuple(c for c in others if place[c.id] > at)


def _deepest(error: ErrorInfo, notebook: Notebook, failed: Cell) -> tuple[Cell, int | None]:
    """The cell of the last frame that lies in a cell, and the line of the last frame in the failed one."""
    cell, line = failed, None
    for frame in tracebacks.read(error.traceback).in_cells:
        cell = _cell(frame, notebook, failed)
        line = frame.line if cell.id == failed.id and frame.line else line
    return cell, line


def _cell(frame: Frame, notebook: Notebook, failed: Cell) -> Cell:
    """The cell of a frame: by its number among the executions, else by the function that it is in."""
    if frame.count is not None:
        return next((c for c in notebook.cells if c.executed == frame.count), failed)
    known = frame.function and "<" not in frame.function
    definition = dependencies.find_definition(notebook, frame.function) if known else None
    cell = notebook.cell(definition.cell_id) if definition is not None else None
    return cell or failed


def _called(source: str, line: int | None) -> list[str]:
    """Names of what the statement at `line` calls, outermost first; of the statements before it when it calls nothing."""
    module = tree(source)
    if module is None:
        return []
    last = next((i for i, s in enumerate(module.body) if line and s.lineno <= line <= (s.end_lineno or 0)), None)
    body = module.body if last is None else module.body[: last + 1]
    names: dict[str, None] = {}
    for statement in reversed(body):
        for node in ast.walk(statement):
            if isinstance(node, ast.Call):
                names.setdefault(ast.unparse(node.func).split("(")[0].split("[")[0], None)
    dotted = list(names)
    return dotted + [name.split(".")[0] for name in dotted if "." in name]
