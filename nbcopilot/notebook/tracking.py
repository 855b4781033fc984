"""What a live shell forgets: which cell each run came from, and which cell failed last.

`watch` hooks IPython's own events; it keeps ids and short texts, never objects, and never raises into the shell.
What ran before it was called is known from the shell's history and `sys.last_value`.
"""

from __future__ import annotations

import contextlib
import linecache
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

from nbcopilot.errors import NbcopilotError
from nbcopilot.notebook.inspecting import class_name
from nbcopilot.notebook.outputs import strip_ansi
from nbcopilot.types import ErrorInfo

_ATTRIBUTE = "_nbcopilot_runs"
_MESSAGE = 500
# Where the body of a cell magic failed, until the number of its cell is known.
_INSIDE = "inside a cell"
# Frames that are IPython's way to the cell, not the user's.
_MACHINERY = ("/IPython/core/", "/ipykernel/", "\\IPython\\core\\", "\\ipykernel\\")


@dataclass(frozen=True)
class Run:
    """One execution: the exact source, and the id of the cell when the front end tells it."""

    source: str
    cell_id: str | None


@dataclass
class Runs:
    """The executions of a shell by execution count, and the errors that are not mended by cell, the last one last."""

    by_count: dict[int, Run] = field(default_factory=dict)
    errors: dict[str, ErrorInfo] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    _infos: list[Any] = field(default_factory=list)

    def before(self, info: Any) -> None:
        """IPython's pre_run_cell."""
        self._infos.append(info)

    def after(self, result: Any) -> None:
        """IPython's post_run_cell."""
        with contextlib.suppress(Exception):  # a bookkeeping fault must never show up below the user's cell
            self._record(result)

    def _record(self, result: Any) -> None:
        info = getattr(result, "info", None) or self._infos[-1]
        if self._infos and self._infos[-1] is info:  # an empty cell ends without having begun
            self._infos.pop()
        outer = self._infos[0] if self._infos else info  # %%testgen and %%time run their body inside their cell
        source, cell_id = info.raw_cell or "", getattr(outer, "cell_id", None)
        count = result.execution_count
        if isinstance(count, int) and info.store_history:
            self.by_count[count] = Run(source, cell_id)
        error = result.error_before_exec or result.error_in_exec
        label = cell_id or f"In[{count}]"
        if isinstance(error, NbcopilotError):
            if (inside := self.errors.pop(_INSIDE, None)) is not None:
                self.errors[label] = replace(inside, cell_id=label)
            return
        if outer is not info and cell_id is None:
            label = _INSIDE
        self.errors.pop(label, None)
        if error is not None:
            self.errors[label] = error_info(error, label, source, self.files)


def watch(shell: Any) -> Runs:
    """Start to keep the runs of `shell` (once; later calls give the same Runs)."""
    runs = runs_of(shell)
    if runs is None:
        runs = Runs(files=_files(shell))
        with contextlib.suppress(Exception):  # an odd shell: what failed before is then not known
            if (error := last_error(shell)) is not None:
                runs.errors[error.cell_id or ""] = error
        setattr(shell, _ATTRIBUTE, runs)
        shell.events.register("pre_run_cell", runs.before)
        shell.events.register("post_run_cell", runs.after)
    return runs


def unwatch(shell: Any) -> None:
    """Take the hooks away."""
    runs = runs_of(shell)
    if runs is not None:
        for event, hook in (("pre_run_cell", runs.before), ("post_run_cell", runs.after)):
            with contextlib.suppress(ValueError):
                shell.events.unregister(event, hook)
        delattr(shell, _ATTRIBUTE)


def runs_of(shell: Any) -> Runs | None:
    """The Runs of a watched shell, else None."""
    found = getattr(shell, _ATTRIBUTE, None)
    return found if isinstance(found, Runs) else None


def last_error(shell: Any) -> ErrorInfo | None:
    """The last exception that was shown, from `sys.last_value`: for a shell that is not watched."""
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    if not isinstance(error, BaseException) or isinstance(error, NbcopilotError):
        return None
    counts = _files(shell)
    frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    count = next((counts[name] for name in frames if name in counts), None)
    history = shell.history_manager.input_hist_raw
    source = history[count] if isinstance(count, int) and 0 < count < len(history) else ""
    return error_info(error, f"In[{count}]" if source else None, source, counts)


def _files(shell: Any) -> Mapping[str, int]:
    """IPython's own table from the file names of compiled cells to execution counts; empty where it has none."""
    found = getattr(getattr(shell, "compile", None), "_filename_map", None)
    return found if isinstance(found, dict) else {}


def error_info(
    error: BaseException, cell_id: str | None, source: str, files: Mapping[str, int] | None = None
) -> ErrorInfo:
    """The ErrorInfo of an exception: bounded text, no values of variables.

    `files` maps the file names of compiled cells to their execution counts.
    """
    name = class_name(type(error))
    try:
        message = strip_ansi(str(error))[:_MESSAGE]
    except Exception:  # the user's own __str__
        message = "<message unavailable>"
    last = f"{name}: {message}" if message else name
    return ErrorInfo(name, message, f"{_frames(error, files or {})}{last}", cell_id, source)


def _frames(error: BaseException, files: Mapping[str, int]) -> str:
    """The way to the error: where it started, the deepest line of a cell, and where it ended."""
    way = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not any(part in frame.f_code.co_filename for part in _MACHINERY)
    ]
    cells = [i for i, (frame, _) in enumerate(way) if _is_cell(frame.f_code.co_filename, files)]
    last = len(way) - 1
    keep = range(len(way)) if last < 5 else sorted({0, cells[-1] if cells else 0, last - 1, last})
    text, previous = "", -1
    for i in keep:
        text += f"… {i - previous - 1} frames left out …\n" if i > previous + 1 else ""
        text, previous = text + _frame(*way[i], files), i
    if isinstance(error, SyntaxError) and error.text:
        text += f"line {error.lineno}\n    {error.text.rstrip()[:200]}\n"
    return text


def _is_cell(file: str, files: Mapping[str, int]) -> bool:
    return file in files or "ipykernel_" in file or file.startswith("<")


def _frame(frame: FrameType, line: int, files: Mapping[str, int]) -> str:
    file, name = frame.f_code.co_filename, frame.f_code.co_name
    cell = f"Cell In[{files[file]}]" if file in files else "Cell"
    where = cell if _is_cell(file, files) else f'File "{_tail(file)}"'
    inside = "" if name == "<module>" else f", in {name}"
    source = linecache.getline(file, line).strip()[:200]
    return f"{where}, line {line}{inside}\n" + (f"    {source}\n" if source else "")


def _tail(file: str) -> str:
    """The end of a path that still says which module it is: nothing above site-packages is sent anywhere."""
    parts = file.replace("\\", "/").split("/")
    for mark in ("site-packages", "dist-packages"):
        if mark in parts:
            return "/".join(parts[parts.index(mark) + 1 :])
    return "/".join(parts[-2:])
