"""Notebooks that are text: .py with cells, .md, .qmd and .Rmd, read and written through jupytext (the extra `text`).

The text is turned into the JSON of a notebook and back. What jupytext would not give back as it was is refused: a file
is changed only where cells of ours come or go.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbcopilot.errors import NotebookInvalidError, NotebookWriteError

SUFFIXES = (".py", ".md", ".markdown", ".qmd", ".rmd")
# A script counts as a notebook when it says where its cells are, or that jupytext wrote it.
_CELLS = re.compile(r"^#\s*(?:%%|\+)|^#\s+(?:jupyter|jupytext):|^# Databricks notebook source", re.M)
# Quarto's chunks are R Markdown's; jupytext's own way for .qmd needs the quarto program.
_FORMATS = {".qmd": "Rmd", ".rmd": "Rmd"}
_FILTER = "nbcopilot,-all"


@dataclass(frozen=True)
class Textual:
    """How a text notebook is written back: the format's name, and the text as it was."""

    name: str
    format: str
    text: str

    def dumps(self, node: Mapping[str, Any]) -> bytes:
        """The text with the cells of `node`. Raises NotebookWriteError where more than they would change."""
        after = _back(_with_filter(json.loads(json.dumps(node))), self.format)
        before, wanted = _back(_read(self.text, self.format), self.format), _said(_read(after, self.format))
        for below in (False, True):
            made = _patched(self.text, before, after, below=below)
            if made is not None and _said(_read(made, self.format)) == wanted:
                return made.encode("utf-8")
        raise NotebookWriteError(
            f"{self.name} could not be written: jupytext would change other parts of it, too",
            hint=f"let jupytext write it once: jupytext --to {self.format} {self.name}, or work on an .ipynb",
        )


def is_textual(path: Path | None) -> bool:
    """Whether the name is that of a text notebook."""
    return path is not None and path.suffix.lower() in SUFFIXES


def loaded(data: bytes, path: Path) -> tuple[bytes, Textual]:
    """The JSON of the notebook in the text, and the way back. Raises NotebookInvalidError."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise NotebookInvalidError(f"{path} is not UTF-8 text: {exc.reason}", hint="save it as UTF-8") from exc
    suffix = path.suffix.lower()
    if suffix == ".py" and not _CELLS.search(text):
        raise NotebookInvalidError(
            f"{path} is a script without cells", hint="mark cells with `# %%`, or name a function: PATH::NAME"
        )
    try:
        from jupytext.formats import guess_format
    except ImportError as exc:
        raise NotebookInvalidError(
            f"{path} is a text notebook, which is read through jupytext", hint="pip install 'nbcopilot[text]'"
        ) from exc
    format = _FORMATS.get(suffix) or f"{suffix[1:]}:{guess_format(text, suffix)[0]}"
    try:
        node = _read(text, format)
    except Exception as exc:  # jupytext raises errors of many libraries
        raise NotebookInvalidError(f"{path} cannot be read by jupytext: {exc}", hint="is it a notebook?") from exc
    # Ids that depend on the place alone: the same text gives the same notebook.
    for number, cell in enumerate(node["cells"]):
        cell["id"] = f"text-{number}"
    return json.dumps(node).encode("utf-8"), Textual(str(path), format, text)


def _patched(text: str, before: str, after: str, *, below: bool) -> str | None:
    """`text` with what changes from `before` to `after`; None where that touches what `text` has in another way.

    below: new lines go right below the line above them, else right above the line below.
    """
    if text == before:
        return after
    own, old, new = (part.split("\n") for part in (text, before, after))
    place: dict[int, int] = {}
    for block in difflib.SequenceMatcher(None, old, own, autojunk=False).get_matching_blocks():
        place |= {block.a + i: block.b + i for i in range(block.size)}
    changes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for kind, start, end, first, last in reversed(changes):
        if kind == "equal":
            continue
        anchors = [place.get(start), place[start - 1] + 1 if start - 1 in place else None]
        at = next((one for one in (reversed(anchors) if below else anchors) if one is not None), None)
        if at is None or any(place.get(start + i) != at + i for i in range(end - start)):
            return None
        own[at : at + end - start] = new[first:last]
    return "\n".join(own)


def _said(node: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    return [(cell["cell_type"], cell["source"], cell["metadata"].get("nbcopilot")) for cell in node["cells"]]


def _read(text: str, format: str) -> dict[str, Any]:
    import jupytext

    return dict(json.loads(json.dumps(jupytext.reads(text, fmt=format))))


def _back(node: Mapping[str, Any], format: str) -> str:
    import jupytext
    import nbformat

    return str(jupytext.writes(nbformat.reads(json.dumps(node), as_version=4), fmt=format))  # type: ignore[no-untyped-call]


def _with_filter(node: dict[str, Any]) -> dict[str, Any]:
    """The notebook with our records let through, where the file has no filter of its own."""
    settings = node.get("metadata", {}).get("jupytext", {})
    ours = any("nbcopilot" in cell.get("metadata", {}) for cell in node["cells"])
    if ours and settings.get("cell_metadata_filter") == "-all":
        settings["cell_metadata_filter"] = _FILTER
    return node
