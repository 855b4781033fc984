"""A notebook that runs where nbcopilot is not installed: NotebookFile -> bytes. What `nbcopilot finish` does.

Our magics become comments that keep the request, labels go, and the metadata of our cells stays unless asked. Code
that a magic ran (`%%testgen`) stays code; code that it only read (`%%explain`) becomes a comment. Touches no file.
"""

from __future__ import annotations

import ast
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbcopilot.hashing import text_hash
from nbcopilot.notebook.document import NotebookFile, loads, source_text
from nbcopilot.notebook.labels import unlabelled
from nbcopilot.notebook.syntax import PYTHON_CELL_MAGICS, cell_magic, tree
from nbcopilot.types import CellEdit, CellKind, NewCell
from nbcopilot.write.cells import with_cells
from nbcopilot.write.provenance import KEY, identity, is_edited, ours

MAGICS = ("generate", "explain", "testgen", "fix", "document", "chat", "nbcopilot")
_LINE = re.compile(rf"\s*%(?:{'|'.join(MAGICS)})\b|\s*%(?:re|un)?load_ext\s+nbcopilot\b")
_ASSIGNED = re.compile(rf"(?P<to>\s*[\w.\[\]'\"]+\s*=\s*)%(?:{'|'.join(MAGICS)})\b")


@dataclass(frozen=True)
class Finished:
    """The bytes, how many requests became comments, and how many labels went."""

    data: bytes
    requests: int = 0
    labels: int = 0


def finish(file: NotebookFile, *, metadata: bool = False) -> Finished:
    """`file` without what needs nbcopilot to run. metadata: our metadata goes too."""
    items: list[Any] = []
    requests = labels = 0
    for cell in file.content["cells"]:
        done = _cell(file, cell, metadata) if isinstance(cell, dict) else cell
        if done is not cell and source_text(done) != source_text(cell):
            is_ours = ours(cell.get("metadata") or {}) is not None
            labels += is_ours
            requests += not is_ours
        items.append(done)
    if all(new is old for new, old in zip(items, file.content["cells"], strict=True)):
        return Finished(file.raw)
    pairs = zip(file.content["cells"], items, strict=True)
    moved = {text_hash(source_text(old)): text_hash(source_text(new)) for old, new in pairs if new is not old}
    items = [_in_step(cell, moved) if isinstance(cell, dict) else cell for cell in items]
    return Finished(with_cells(file, items), requests, labels)


def edit_of(file: NotebookFile, *, metadata: bool = False) -> CellEdit | None:
    """The same as an edit of the open notebook, in which every cell must be as it was saved; None without any change."""
    after = loads(finish(file, metadata=metadata).data).cells
    changed = [
        (cell_id, old, new) for cell_id, old, new in zip(file.cell_ids, file.cells, after, strict=True) if old != new
    ]
    if not changed:
        return None
    cells = tuple(NewCell(new["cell_type"], source_text(new), new.get("metadata") or {}) for _, _, new in changed)
    expected = {cell_id: text_hash(source_text(old)) for cell_id, old, _ in changed}
    return CellEdit(str(uuid.uuid4()), cells, None, tuple(expected), expected, keeps=True)


def finished_source(source: str) -> str:
    """A code cell's text without our magics: each is a comment that keeps what was asked."""
    magic = cell_magic(source)
    if magic is not None and magic.name in MAGICS:
        head, _, body = source.lstrip().partition("\n")
        ran = magic.name == "testgen" and "--no-run" not in head
        if ran:
            return f"{_comment(head)}\n{finished_source(body)}"
        return _comment(source.strip("\n"))
    if magic is not None:
        head = source[: len(source) - len(magic.body)]
        return head + finished_source(magic.body) if magic.name in PYTHON_CELL_MAGICS else source
    return _without_lines(source)


def _cell(file: NotebookFile, cell: Mapping[str, Any], metadata: bool) -> Mapping[str, Any]:
    kind: CellKind = "markdown" if cell.get("cell_type") == "markdown" else "code"
    if cell.get("cell_type") not in ("code", "markdown"):
        return cell
    source = source_text(cell)
    notes = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
    record = ours(notes or {})
    text = unlabelled(kind, source) if record is not None else source
    text = finished_source(text) if kind == "code" and file.language == "python" else text
    if text == source and (record is None or not metadata):
        return cell
    changed = {**cell}
    if text != source:
        changed["source"] = text if isinstance(cell.get("source"), str) else file.source_value(text)
        if record is None and not _has_code(text) and "outputs" in cell:
            changed |= {"outputs": [], "execution_count": None}  # what we displayed there
    if record is not None:
        kept = {key: value for key, value in (notes or {}).items() if key != KEY}
        known = {**record, **identity(kind, text)} if not is_edited(notes or {}, source) else record
        changed["metadata"] = kept if metadata else {**(notes or {}), KEY: known}
    return changed


def _in_step(cell: Mapping[str, Any], moved: Mapping[str, str]) -> Mapping[str, Any]:
    """The cell with the hash of its source as it is now: we changed that one, not the user."""
    notes = cell.get("metadata") or {}
    record = ours(notes) if isinstance(notes, dict) else None
    before = record.get("source_hash") if record is not None else None
    if not isinstance(before, str) or before not in moved:
        return cell
    return {**cell, "metadata": {**notes, KEY: {**(record or {}), "source_hash": moved[before]}}}


def _without_lines(source: str) -> str:
    """The source with each of our line magics, and each use of the package itself, as a comment."""
    if "nbcopilot" not in source and not any(f"%{name}" in source for name in MAGICS):
        return source
    module = tree(source)
    lines = source.split("\n")
    # Where the cell cannot be read, its lines are: a magic inside of a string is then taken for one.
    ours_at = range(1, len(lines) + 1) if module is None else sorted(_places(module))
    for number in ours_at:
        line = lines[number - 1]
        if match := _ASSIGNED.match(line):
            lines[number - 1] = f"{match['to']}None  # {line[match.end('to') :].strip()}"
        elif _LINE.match(line) or (module is not None and "nbcopilot" in line):
            indent = line[: len(line) - len(line.lstrip())]
            # An indented line may be all that its block holds.
            lines[number - 1] = f"{indent}{'pass  ' if indent else ''}# {line.strip()}"
            while line.endswith("\\") and number < len(lines):
                line = lines[number]
                lines[number] = f"# {line}"
                number += 1
    return "\n".join(lines)


def _places(module: ast.Module) -> set[int]:
    """The lines of statements that call our magics or the package."""
    found: set[int] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if any(name.split(".")[0] == "nbcopilot" for name in names) and len(names) == 1:
                found.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.Expr | ast.Assign):
            value = node.value
            while isinstance(value, ast.Call | ast.Attribute):
                if isinstance(value, ast.Call) and _is_our_magic(value):
                    found.add(node.lineno)
                value = value.func if isinstance(value, ast.Call) else value.value
            if isinstance(node, ast.Expr) and isinstance(value, ast.Name) and value.id == "nbcopilot":
                found.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return found


def _is_our_magic(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in ("run_line_magic", "run_cell_magic"):
        return False
    words = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return bool(words) and (words[0] in MAGICS or (words[0].endswith("load_ext") and words[1:2] == ["nbcopilot"]))


def _has_code(source: str) -> bool:
    module = tree(source)
    return module is None or bool(module.body)


def _comment(text: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in text.split("\n"))
