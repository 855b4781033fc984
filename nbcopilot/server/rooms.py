"""Notebooks that several people edit at once (jupyter-collaboration): whether one is open, and changes into it.

Such a document lives in the server, in a room; the file is written from it. Whoever writes the file beside the room has
the room loaded anew, which loses what people type at that moment. Runs on the event loop, which owns the documents.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import to_os_path

from nbcopilot.errors import EditConflictError, NotebookNotFoundError
from nbcopilot.notebook.document import source_text
from nbcopilot.write.changes import Changes, Step, fitted

EXTENSION = "jupyter_server_ydoc"
# What is no plain value in the shared document.
_NESTED = ("source", "metadata", "outputs")


class Rooms:
    """The rooms of one Jupyter server."""

    def __init__(self, server_app: ServerApp) -> None:
        self._server_app = server_app

    def kinds(self, file: str) -> list[str]:
        """The kinds of the rooms that hold this file: "notebook", "file" or others; [] when nobody has it open."""
        return sorted(kind for kind, _ in self._holding(file))

    def write(self, file: str, changes: Changes) -> int:
        """Make the changes in the room of a notebook, at once; how many cells. It is saved as every change there.

        Raises NotebookNotFoundError when it is not open, EditConflictError when others have changed what would be.
        """
        room = next((room for kind, room in self._holding(file) if kind == "notebook"), None)
        if room is None:
            raise NotebookNotFoundError(f"{file} is not open in a shared session", hint="run it again")
        if not room.ready:
            raise EditConflictError(f"{file} is being opened; nothing was written", hint="run it again")
        from jupyter_ydoc import YNotebook  # is there, or there would be no room

        document = YNotebook(room.ydoc)
        steps = fitted(changes, [ycell.to_py() for ycell in document.ycells])
        with room.ydoc.transaction():
            for step in steps:
                _do(document, step)
            _set_metadata(room.ydoc, changes.metadata)
        return len(steps)

    def _holding(self, file: str) -> Iterator[tuple[str, Any]]:
        """(kind, room) of every room whose file this is, whatever links lead to it."""
        real = os.path.realpath(file) if file else ""
        names = self._server_app.web_app.settings.get("file_id_manager")
        for app in self._server_app.extension_manager.extension_apps.get(EXTENSION, ()):
            for name, room in app.ywebsocket_server.rooms.items():
                _, kind, file_id = f"{name}::".split(":")[:3]
                path = names.get_path(file_id) if file_id and names is not None else None
                if path and os.path.realpath(to_os_path(path, self._server_app.root_dir)) == real:
                    yield kind, room


def _do(document: Any, step: Step) -> None:
    order = [ycell["id"] for ycell in document.ycells]
    if step.before is None:
        at = 0 if step.after is None else order.index(step.after) + 1
        document.ycells.insert(at, document.create_ycell({**(step.cell or {}), "id": step.id}))
        return
    at = order.index(step.id)
    if step.cell is None:
        del document.ycells[at]
        return
    ycell = document.ycells[at]
    if step.before.get("cell_type") != step.cell.get("cell_type"):
        del document.ycells[at]
        document.ycells.insert(at, document.create_ycell({**step.cell, "id": step.id}))
        return
    _set_text(ycell["source"], source_text(step.cell))
    if step.before.get("metadata") != step.cell.get("metadata"):
        _set_keys(ycell["metadata"], step.before.get("metadata") or {}, step.cell.get("metadata") or {})
    if step.before.get("outputs") != step.cell.get("outputs") and "outputs" in ycell:
        ycell["outputs"].clear()
        ycell["outputs"].extend([_output(one) for one in step.cell.get("outputs") or ()])
    plain = {key: value for key, value in step.cell.items() if key not in _NESTED}
    _set_keys(ycell, {key: value for key, value in step.before.items() if key not in _NESTED}, plain)


def _output(output: Mapping[str, Any]) -> Any:
    """An output as the shared document holds it: the text of a stream is shared text."""
    from pycrdt import Map, Text

    text = output.get("text", "")
    whole = "".join(text) if isinstance(text, list) else str(text)
    return Map({**output, "text": Text(whole)} if output.get("output_type") == "stream" else dict(output))


def _set_text(text: Any, new: str) -> None:
    """Change what differs and leave the rest, so that what others type in it stays. Positions are in bytes of UTF-8."""
    old = str(text)
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    start, end = len(old[:head].encode()), len(old[: len(old) - tail].encode())
    if end > start:
        del text[start:end]
    if put := new[head : len(new) - tail]:
        text.insert(start, put)


def _alike(one: str, other: str) -> int:
    """How many characters at the start are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _set_keys(target: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Make in a shared map what makes `old` into `new`; keys that are the same in both stay as they are."""
    for key in {**old, **new}:
        if key not in new:
            if key in target:
                del target[key]
        elif old.get(key) != new[key]:
            target[key] = new[key]


def _set_metadata(ydoc: Any, metadata: Mapping[str, Any]) -> None:
    from pycrdt import Map

    shared = ydoc.get("meta", type=Map)["metadata"]
    for key, value in metadata.items():
        if value is not None:
            shared[key] = value
        elif key in shared:
            del shared[key]
