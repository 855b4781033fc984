"""A live IPython shell as a frozen Notebook: what ran, in which order, what is defined, what failed.

Step 1 for magics. The notebook file is merged in when its path is known, for the text between the code and for the
order of the document; what the shell has run always wins over what the file says. Never raises through, runs no
code of the user's, and leaves nothing in the shell but the hooks of `tracking`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from nbcopilot.config import Config
from nbcopilot.errors import NbcopilotError
from nbcopilot.notebook import conventions, document, namespace, tracking, whereabouts
from nbcopilot.notebook.namespace import MAX_SUMMARY
from nbcopilot.notebook.profile.measure import measure
from nbcopilot.types import Cell, ErrorInfo, Notebook, Variable

__all__ = ["MAX_SUMMARY", "snapshot"]

# Variables that are summarised and executions that become cells; older ones stay in `history`.
MAX_VARIABLES = 200
MAX_CELLS = 400


def snapshot(shell: Any, source: str, cell_id: str | None, config: Config) -> Notebook:
    """The Notebook as the running cell sees it.

    `source` is the text of the request (names in it are summarised first), `cell_id` the running cell as the front
    end names it (None when it does not). The running cell is among the cells and `cursor` is its index; without
    one the cursor is the last cell. Each part that cannot be had is left empty.
    """
    # From now on at the latest, ids and errors of the cells are known exactly.
    _safe(lambda: tracking.watch(shell), None)
    user_ns = _safe(lambda: dict(shell.user_ns), {})
    running, stored = _safe(lambda: _running(shell, cell_id), (None, False))
    history = _safe(lambda: _history(shell, stored), [])
    path = _safe(lambda: whereabouts.said(user_ns), None)
    cells = _safe(lambda: _executed(shell, history, running), ())
    cells = _safe(lambda: _merged(cells, path, running), cells)
    return Notebook(
        cells=cells,
        cursor=next(
            (i for i, cell in enumerate(cells) if running is not None and cell.id == running.id), len(cells) - 1
        )
        if cells
        else None,
        path=path,
        namespace=_safe(lambda: _variables(user_ns, source, config.dataframe_rows), ()),
        names=frozenset(name for name in user_ns if type(name) is str),
        history=tuple(history),
        error=_safe(lambda: _error(shell, cells), None),
        state=_safe(lambda: measure(user_ns, _ordered(user_ns, source), _folder(path)), None),
    )


def _safe(make: Any, otherwise: Any) -> Any:
    """What `make` gives, or `otherwise`: a fault in looking must not cost the user the answer."""
    try:
        return make()
    except Exception:
        return otherwise


def _running(shell: Any, cell_id: str | None) -> tuple[Cell | None, bool]:
    """The cell that is running now with its exact text, and whether the history holds it already.

    Found on the stack: the execution count is raised before or after the run, depending on IPython's version.
    """
    executions = len(shell.history_manager.input_hist_raw) - 1
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "run_cell_async" and frame.f_locals.get("self") is shell:
            text, stored = frame.f_locals.get("raw_cell"), bool(frame.f_locals.get("store_history"))
            return (
                (Cell(cell_id or f"In[{executions}]", "code", text), stored)
                if isinstance(text, str)
                else (None, stored)
            )
        frame = frame.f_back
    return None, False


def _history(shell: Any, running_is_stored: bool) -> list[str]:
    """Sources that were executed before the running cell; index n - 1 is execution n."""
    raw = [text if isinstance(text, str) else "" for text in shell.history_manager.input_hist_raw][1:]
    return raw[:-1] if running_is_stored else raw


def _executed(shell: Any, history: Sequence[str], running: Cell | None) -> tuple[Cell, ...]:
    """The executions as cells, oldest first; of a cell that ran more often only the last run."""
    runs = tracking.runs_of(shell)
    latest: dict[str, Cell] = {}
    for count in range(max(1, len(history) - MAX_CELLS + 1), len(history) + 1):
        source, cell_id = history[count - 1], None
        run = runs.by_count.get(count) if runs else None
        if run is not None and run.source.rstrip("\n") == source:
            source, cell_id = run.source, run.cell_id
        if not source.strip() or (running is not None and cell_id == running.id):
            continue
        # Without ids, the same text is taken for the same cell.
        key = cell_id or f"text {source.strip()}"
        latest.pop(key, None)
        latest[key] = Cell(cell_id or f"In[{count}]", "code", source, executed=count)
    return (*latest.values(), running) if running is not None else tuple(latest.values())


def _variables(user_ns: Mapping[str, Any], source: str, rows: int) -> tuple[Variable, ...]:
    """Summaries of the user's names: those in the request first, then the newest."""
    return namespace.summarize(user_ns, _ordered(user_ns, source), rows=rows, focus=source)


def _ordered(user_ns: Mapping[str, Any], source: str) -> list[str]:
    hidden = namespace.hidden_names(user_ns)
    own = [name for name in user_ns if name not in hidden]
    words = set(re.findall(r"\w+", source))
    order = [name for name in own if name in words] + [name for name in reversed(own) if name not in words]
    return order[:MAX_VARIABLES]


def _folder(path: Path | None) -> Path | None:
    return path.parent if path is not None else Path.cwd()


def _error(shell: Any, cells: Sequence[Cell]) -> ErrorInfo | None:
    runs = tracking.runs_of(shell)
    last = tracking.last_error(shell) if runs is None else None
    errors = [last] if last is not None else list(runs.errors.values()) if runs is not None else []
    for error in reversed(errors):
        # The same text may have run again since, under a newer number.
        known = next((cell for cell in cells if cell.id == error.cell_id), None) or next(
            (cell for cell in cells if cell.source.strip() == error.source.strip()), None
        )
        if known is None:
            return error
        if not conventions.expects_error(known.source, known.metadata) and _still_there(known, error):
            return replace(error, cell_id=known.id)
    return None


def _still_there(cell: Cell, error: ErrorInfo) -> bool:
    """Whether the cell still has the text that failed: one that was changed since may be mended."""
    return (
        not error.source.strip() or cell.source.strip() == error.source.strip() or error.source.strip() in cell.source
    )


# --------------------------------------------------------------------------- the file


def _merged(cells: tuple[Cell, ...], path: Path | None, running: Cell | None) -> tuple[Cell, ...]:
    """The cells of the file in its order, each with what the shell knows of it; cells not saved yet go before `running`."""
    if path is None or path.stat().st_size > whereabouts.MAX_FILE_BYTES:
        return cells
    try:
        saved = document.read(path).snapshot().cells
    except NbcopilotError:
        return cells
    by_id = {cell.id: cell for cell in cells}
    by_text = {cell.source.strip(): cell for cell in cells}
    used: set[str] = set()
    merged: list[Cell] = []
    for cell in saved:
        ran = by_id.get(cell.id) or (by_text.get(cell.source.strip()) if cell.kind == "code" else None)
        if cell.kind != "code" or ran is None or ran.id in used:
            # A count in the file may be of an earlier kernel.
            merged.append(replace(cell, executed=None, outputs=()) if cell.kind == "code" else cell)
            continue
        used.add(ran.id)
        same_run = cell.source == ran.source and cell.executed == ran.executed and ran.executed is not None
        own_id = ran.id if not ran.id.startswith("In[") else cell.id
        merged.append(replace(ran, id=own_id, metadata=cell.metadata, outputs=cell.outputs if same_run else ()))
    return _with_unsaved(merged, [cell for cell in cells if cell.id not in used], running)


def _with_unsaved(merged: list[Cell], unsaved: Sequence[Cell], running: Cell | None) -> tuple[Cell, ...]:
    place = next((i for i, cell in enumerate(merged) if running is not None and cell.id == running.id), None)
    if place is None:
        # Below the saved cell that ran last before it.
        ran = [(cell.executed, i) for i, cell in enumerate(merged) if cell.executed is not None]
        place = max(ran)[1] + 1 if ran else len(merged)
    return (*merged[:place], *unsaved, *merged[place:])
