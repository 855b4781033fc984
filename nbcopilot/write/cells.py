"""Cells put into, replaced in and taken out of the JSON of a notebook: CellEdit + NotebookFile -> bytes. Touches no file.

`remove_ours` is what `nbcopilot strip` does.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from nbcopilot.errors import CellNotFoundError, EditConflictError
from nbcopilot.hashing import text_hash
from nbcopilot.notebook import conventions
from nbcopilot.notebook.document import NotebookFile, source_text
from nbcopilot.notebook.jsontext import parse
from nbcopilot.notebook.labels import unlabelled
from nbcopilot.notebook.splice import splice
from nbcopilot.types import CellEdit, CellKind, Role
from nbcopilot.write.provenance import KEY, is_edited, ours


@dataclass(frozen=True)
class Stripped:
    """What `strip` leaves: the bytes, how many cells of each role it removed, how many the user had edited, and locked."""

    data: bytes
    removed: Mapping[str, int]
    kept: int = 0
    locked: int = 0


def edited(file: NotebookFile, edits: Iterable[CellEdit]) -> bytes:
    """The bytes of `file` after `edits`, applied in order to the cells as they were read.

    Raises EditConflictError when a cell is not what the edit expects, CellNotFoundError when its place is gone.
    """
    items = list(file.content["cells"])
    ids = _ids_by_position(file, items)
    taken = {cell_id for cell_id in ids if cell_id}
    numbers = {cell_id: number for number, cell_id in enumerate(ids, 1)}
    for edit in edits:
        _check(edit, items, ids, file.name)
        for cell_id in edit.replaces:
            require_unlocked(items[ids.index(cell_id)], f"cell #{numbers[cell_id]} of {file.name}")
        new_ids = [fresh_id(f"{edit.group}\0{i}", taken) for i in range(len(edit.cells))]
        new = [
            file.new_cell(cell.kind, cell.source, cell.metadata, cell_id=cell_id)
            for cell, cell_id in zip(edit.cells, new_ids, strict=True)
        ]
        gone = [ids.index(cell_id) for cell_id in edit.replaces]
        at = gone[0] if gone else _place(edit, ids, file.name)
        for place in sorted(gone, reverse=True):
            del items[place], ids[place]
            at -= place < at
        items[at:at] = new
        ids[at:at] = cast("list[str | None]", new_ids)
    return with_cells(file, items)


def require_unlocked(cell: Mapping[str, Any], place: str) -> None:
    """Refuse to change a cell whose metadata forbids it. Raises EditConflictError."""
    metadata = cell.get("metadata")
    reason = conventions.locked(metadata) if isinstance(metadata, dict) else ""
    if reason:
        raise EditConflictError(
            f"{place} is locked ({reason}); nothing was written", hint="unlock it, or mend what it calls"
        )


def strip(file: NotebookFile, roles: Collection[Role] = ()) -> Stripped:
    """`file` without what we wrote: our cells go, cells of ours that the user edited lose metadata and label only.

    roles: only cells of these roles (default: all).
    """
    items: list[Any] = []
    removed: Counter[str] = Counter()
    kept = locked = 0
    for cell in file.content["cells"]:
        record = ours(cell["metadata"]) if isinstance(cell, dict) and isinstance(cell.get("metadata"), dict) else None
        if record is None or (roles and record["role"] not in roles):
            items.append(cell)
        elif conventions.undeletable(cell["metadata"]):
            items.append(cell)  # its user has said that it stays as it is
            locked += 1
        elif is_edited(cell["metadata"], source_text(cell)):
            items.append(_disowned(file, cell))
            kept += 1
        else:
            removed[str(record["role"])] += 1
    if len(items) == len(file.content["cells"]) and not kept:
        return Stripped(file.raw, {}, locked=locked)
    return Stripped(with_cells(file, items), dict(removed), kept, locked)


def with_cells(file: NotebookFile, items: Sequence[Any]) -> bytes:
    """The bytes of `file` with `items` as its cells; those that are its own keep their bytes.

    A file of nbformat 3 stays one (new cells go into its worksheets), so that they can be taken out again without
    a trace; older ones become nbformat 4.
    """
    if file.version[0] == 3:
        return _with_cells_v3(file, items)
    return file.dumps({**file.content, "cells": list(items)})


def fresh_id(seed: str, taken: set[str]) -> str:
    """A cell id that depends only on `seed` and the ids in `taken`, and is added to those."""
    for attempt in range(len(taken) + 1):
        digest = hashlib.sha256(f"{seed}\0{attempt}".encode("utf-8", "surrogatepass")).hexdigest()
        if (cell_id := f"nbc-{digest[:12]}") not in taken:
            break
    taken.add(cell_id)
    return cell_id


def _with_cells_v3(file: NotebookFile, items: Sequence[Any]) -> bytes:
    text = file.raw[len(file.mark) :].decode(file.encoding)
    node, span = parse(text)
    sheets = [sheet["cells"] for sheet in node.get("worksheets", [])]
    # nbformat's conversion gives one cell for each old one, worksheet by worksheet.
    old = [(number, cell) for number, cells in enumerate(sheets) for cell in cells]
    positions = {id(cell): at for at, cell in enumerate(file.content["cells"])}
    filled: list[list[Any]] = [[] for _ in sheets]
    current = len(sheets) - 1
    for item in reversed(items):  # a new cell goes into the worksheet of the cell below it
        at = positions.get(id(item))
        if at is not None:
            current = old[at][0]
        filled[current].insert(0, _cell_v3(item) if at is None else old[at][1])
    worksheets = [{**sheet, "cells": cells} for sheet, cells in zip(node["worksheets"], filled, strict=True)]
    body = splice(text, node, span, {**node, "worksheets": worksheets}, file.style)
    return file.mark + (text[: span.start] + body + file.style.final).encode(file.encoding)


def _cell_v3(item: Mapping[str, Any]) -> dict[str, Any]:
    """A cell of ours in the form of nbformat 3."""
    shared = {"cell_type": item["cell_type"], "metadata": item["metadata"]}
    if item["cell_type"] != "code":
        return {**shared, "source": item["source"]}
    return {**shared, "collapsed": False, "input": item["source"], "language": "python", "outputs": []}


def _ids_by_position(file: NotebookFile, items: Sequence[Any]) -> list[str | None]:
    """The id of each item of the list of cells; None for items that are no objects."""
    ids = iter(file.cell_ids)
    return [next(ids) if isinstance(item, dict) else None for item in items]


def _check(edit: CellEdit, items: Sequence[Any], ids: Sequence[str | None], name: str) -> None:
    for cell_id in edit.replaces:
        if cell_id not in ids:
            raise EditConflictError(f"cell {cell_id} of {name} is gone; nothing was written", hint="run it again")
    for cell_id, expected in edit.expected.items():
        if cell_id not in ids or text_hash(source_text(items[ids.index(cell_id)])) != expected:
            raise EditConflictError(
                f"cell {cell_id} of {name} changed since it was read; nothing was overwritten", hint="run it again"
            )


def _place(edit: CellEdit, ids: Sequence[str | None], name: str) -> int:
    if edit.after is None:
        return 0
    if edit.after not in ids:
        raise CellNotFoundError(f"no cell {edit.after} in {name}", hint="name a cell that is there: NOTEBOOK#CELL")
    return ids.index(edit.after) + 1


def _disowned(file: NotebookFile, cell: Mapping[str, Any]) -> dict[str, Any]:
    """The cell as the user's own: without our metadata and label."""
    kind = cast(CellKind, cell.get("cell_type"))
    source = source_text(cell)
    bare = unlabelled(kind, source)
    changed = {**cell, "metadata": {key: value for key, value in cell["metadata"].items() if key != KEY}}
    if bare != source:
        changed["source"] = bare if isinstance(cell.get("source"), str) else file.source_value(bare)
    return changed
