"""Which file the notebook that runs is in: as the front end says it, else as the program that runs it was called.

A kernel of nbclient, nbconvert or papermill is told nothing. There the command line of the program that started it
names the notebook, or its folder holds it; a file counts only when it has the very cell that runs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Largest notebook file that is read while a cell waits: some 0.2 s.
MAX_FILE_BYTES = 20_000_000
# Notebooks of a folder that are looked at.
MAX_FILES = 200


def said(user_ns: Mapping[str, Any]) -> Path | None:
    """The notebook file, where the front end or the server says which one it is, and it exists."""
    names = [user_ns.get("__vsc_ipynb_file__"), os.environ.get("JPY_SESSION_NAME"), user_ns.get("__session__")]
    for one in names:
        if type(one) is str and one.endswith(".ipynb"):
            # A server's path is relative to its root; the kernel starts in the notebook's own folder.
            for path in (Path(one), Path.cwd() / Path(one).name):
                if path.is_absolute() and path.is_file():
                    return path
            if (Path.cwd() / one).is_file():
                return Path.cwd() / one
    return None


def found(user_ns: Mapping[str, Any], source: str, history: Sequence[str]) -> Path | None:
    """The notebook file that holds a cell with the text `source` and is the one that runs; None when it is not known.

    `history` has the sources that ran before. Where several files fit, the one that has most of them; where that does
    not tell them apart, none. Never raises.
    """
    try:
        known = said(user_ns)
        if known is not None:
            return known
        for paths in (_of_papermill(user_ns), _of_the_caller(), _beside()):
            fitting = _fitting(paths, source, history)
            if fitting:
                return fitting[0] if len(fitting) == 1 else None
    except Exception:  # an odd system must not cost the user the answer
        return None
    return None


def _of_papermill(user_ns: Mapping[str, Any]) -> list[Path]:
    name = user_ns.get("PAPERMILL_INPUT_PATH")
    return [Path(name)] if type(name) is str else []


def _of_the_caller() -> list[Path]:
    """Notebooks on the command line of the program that started the kernel, such as `jupyter execute a.ipynb`."""
    parent = os.environ.get("JPY_PARENT_PID", "")
    if not parent.isdigit():
        return []
    import psutil

    try:
        process = psutil.Process(int(parent))
        words, folder = process.cmdline(), process.cwd()
    except psutil.Error:
        return []
    return [Path(folder, word) for word in words if word.endswith(".ipynb")]


def _beside() -> list[Path]:
    """Notebooks in the kernel's own folder."""
    paths = [Path(entry.path) for entry in os.scandir(Path.cwd()) if entry.name.endswith(".ipynb")]
    return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)[:MAX_FILES]


def _fitting(paths: Iterable[Path], source: str, history: Sequence[str]) -> list[Path]:
    """Those of `paths` that hold the cell, and most of what ran before it."""
    ran = {text.strip() for text in history if text.strip()}
    scores: dict[Path, int] = {}
    for path in paths:
        texts = {text.strip() for text in _sources(path)}
        if source.strip() in texts:
            scores[path] = len(texts & ran)
    best = max(scores.values(), default=0)
    return [path for path, score in scores.items() if score == best]


def _sources(path: Path) -> list[str]:
    """The texts of the code cells of a notebook file; [] when it cannot be read."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            return []
        cells = json.loads(path.read_bytes())["cells"]
        texts = [cell["source"] for cell in cells if cell.get("cell_type") == "code"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return [text if isinstance(text, str) else "".join(map(str, text)) for text in texts]
