"""Project files cut into passages that make sense alone: a function, a class, a section under a heading.

Which files: `.py` and `.md` below a folder, without what git ignores, environments, builds and hidden folders.
Nothing is imported or run.
"""

from __future__ import annotations

import ast
import fnmatch
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbcopilot import paths, places
from nbcopilot.errors import UnsafePathError
from nbcopilot.notebook import syntax
from nbcopilot.project import is_ours

MAX_FILES = 2000
MAX_FILE_BYTES = 200_000
# Lines of one passage; longer definitions keep their head, and large classes are cut by method.
MAX_LINES = 60
SUFFIXES = (".py", ".md")
_SKIPPED = frozenset(
    {"node_modules", "__pycache__", "venv", "env", "build", "dist", "site-packages", "htmlcov", "checkpoints", "wandb"}
)
_ROOT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")


@dataclass(frozen=True)
class Passage:
    """A piece of a file: `name` is the definition or heading, `line` its first line counted from 1."""

    path: Path
    name: str
    line: int
    text: str


def project_root(folder: Path, levels: int = 3) -> Path:
    """The nearest folder at or above `folder` that looks like a project's root, at most `levels` up; else `folder`."""
    for parent in [folder, *folder.parents][: levels + 1]:
        if parent == places.home() or parent == parent.parent:
            break
        if any(is_ours(parent / mark) for mark in _ROOT_MARKS if os.path.lexists(parent / mark)):
            return parent
    return folder


def files(root: Path, deadline: float = float("inf")) -> Iterator[tuple[Path, os.stat_result]]:
    """The files worth reading below `root`, nearest first, at most MAX_FILES and until `deadline` (time.monotonic).

    A home folder or the root of the disk is not walked, only looked into.
    """
    shallow = root == places.home() or root == root.parent
    ignored = _Ignore(root)
    count = 0
    todo = [root]
    while todo:
        folder = todo.pop(0)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        if folder != root and any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            if count >= MAX_FILES or time.monotonic() > deadline:
                return
            relative = os.path.relpath(entry.path, root).replace(os.sep, "/")
            if entry.name.startswith(".") or ignored(relative):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    if not shallow and entry.name not in _SKIPPED and not entry.name.endswith(".egg-info"):
                        todo.append(Path(entry.path))
                elif entry.name.endswith(SUFFIXES) and entry.is_file() and _stays(root, entry):
                    found = entry.stat()
                    if 0 < found.st_size <= MAX_FILE_BYTES:
                        count += 1
                        yield Path(entry.path), found
            except OSError:
                continue


def _stays(root: Path, entry: os.DirEntry[str]) -> bool:
    """Whether the entry lies below `root`, also when it is a link."""
    return not entry.is_symlink() or paths.is_inside(root, entry.path)


class _Ignore:
    """The plain patterns of `.gitignore` at the root: names, folders, globs, paths from the root; no negation."""

    def __init__(self, root: Path) -> None:
        try:
            content, _ = paths.read(root, root / ".gitignore", limit=MAX_FILE_BYTES)
            lines = content.decode("utf-8", "replace").splitlines()
        except (OSError, UnsafePathError):
            lines = []
        patterns = [line.strip().rstrip("/") for line in lines if line.strip() and not line.startswith(("#", "!"))]
        self.names = [pattern for pattern in patterns if "/" not in pattern]
        self.paths = [pattern.lstrip("/") for pattern in patterns if "/" in pattern]

    def __call__(self, relative: str) -> bool:
        name = relative.rpartition("/")[2]
        return any(fnmatch.fnmatchcase(name, one) for one in self.names) or any(
            fnmatch.fnmatchcase(relative, one) for one in self.paths
        )


def split(path: Path, root: Path) -> tuple[Passage, ...]:
    """The passages of a file below `root`; () when it lies elsewhere, or cannot be read as UTF-8 or parsed."""
    try:
        content, _ = paths.read(root, path, limit=MAX_FILE_BYTES)
        text = content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, UnicodeDecodeError, UnsafePathError):
        return ()
    return _python(path, text) if path.suffix == ".py" else _markdown(path, text)


def _python(path: Path, text: str) -> tuple[Passage, ...]:
    module = syntax.plain_tree(text)
    if module is None:
        return ()
    lines = text.split("\n")
    found: list[Passage] = []
    for node in module.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.append(_piece(path, node.name, node, lines))
        elif isinstance(node, ast.ClassDef):
            found += _class(path, node, lines)
        elif isinstance(node, ast.Assign) and (node.end_lineno or node.lineno) - node.lineno < MAX_LINES:
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if names:
                found.append(_piece(path, names[0], node, lines))
    return tuple(found)


def _class(path: Path, node: ast.ClassDef, lines: list[str]) -> list[Passage]:
    whole = _piece(path, node.name, node, lines)
    if (node.end_lineno or node.lineno) - node.lineno < MAX_LINES:
        return [whole]
    methods = [one for one in node.body if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))]
    first = _first_line(node)
    head = lines[first - 1 : (methods[0].lineno - 1 if methods else first + MAX_LINES)][:MAX_LINES]
    found = [Passage(path, node.name, first, "\n".join(head).rstrip())]
    return found + [_piece(path, f"{node.name}.{one.name}", one, lines) for one in methods]


def _piece(path: Path, name: str, node: ast.stmt, lines: list[str]) -> Passage:
    first = _first_line(node)
    body = lines[first - 1 : node.end_lineno]
    if len(body) > MAX_LINES:
        body = [*body[:MAX_LINES], f"# … {len(body) - MAX_LINES} more lines"]
    return Passage(path, name, first, "\n".join(body))


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) else []
    return min([node.lineno, *(one.lineno for one in decorators)])


def _markdown(path: Path, text: str) -> tuple[Passage, ...]:
    found: list[Passage] = []
    name, first, body, fenced = path.stem, 1, [], False
    for number, line in enumerate([*text.split("\n"), "# "], 1):
        fenced = fenced != line.lstrip().startswith("```")
        heading = re.match(r"#{1,4}\s+(.*)|# $", line) if not fenced else None
        if heading is None:
            body.append(line)
            continue
        content = "\n".join(body[:MAX_LINES]).strip()
        if content:
            found.append(Passage(path, name, first, content))
        name, first, body = (heading[1] or path.stem).strip(), number, [line]
    return tuple(passage for passage in found if "\n" in passage.text.strip() or not passage.text.startswith("#"))
