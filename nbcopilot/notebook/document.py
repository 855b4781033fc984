"""A notebook file as it is: its bytes, its JSON with key order kept, and the style to write it back in.

Step 1 for files: path -> NotebookFile -> Notebook (`snapshot`). nbformat does not touch a v4 file, because it would
normalise it; older formats (v1, v2, v3 worksheets) are converted by nbformat and only written to a new file.
Does not write files (write/files.py does) and does not look into outputs (outputs.py does).
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from nbcopilot.errors import NotebookInvalidError, NotebookNotFoundError
from nbcopilot.notebook import conventions, splice
from nbcopilot.notebook import language as languages
from nbcopilot.notebook.jsontext import Span, parse, same
from nbcopilot.notebook.older import upgraded
from nbcopilot.notebook.outputs import short, strip_ansi
from nbcopilot.notebook.splice import Style
from nbcopilot.notebook.textual import Textual, is_textual, loaded
from nbcopilot.types import Cell, CellKind, ErrorInfo, Notebook

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16: its mark starts with the other's
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_NEWEST = 4
_ID = re.compile(r"[a-zA-Z0-9-_]{1,64}\Z")


@dataclass(frozen=True)
class NotebookFile:
    """A notebook file that was read.

    `node` is the JSON of the file; treat it as read-only and never deep-copy it (it may be nested deeper than the
    stack): build `{**file.node, "cells": [...]}` and hand it to `dumps`. `content` is the same for a v4 file and the
    converted v4 form of an older one. `problems` says what is odd but was read all the same.
    """

    path: Path | None
    raw: bytes
    node: Mapping[str, Any]
    content: Mapping[str, Any]
    version: tuple[int, int]
    style: Style
    language: str
    encoding: str = "utf-8"
    mark: bytes = b""
    problems: tuple[str, ...] = ()
    textual: Textual | None = None
    _text: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """The path for messages."""
        return str(self.path) if self.path else "the notebook"

    @property
    def convertible_only(self) -> bool:
        """True for nbformat 3 and older: `content` is a conversion, so it is written only to a new file."""
        return self.version[0] < _NEWEST

    @cached_property
    def sha256(self) -> str:
        """Hex digest of the bytes."""
        return hashlib.sha256(self.raw).hexdigest()

    @cached_property
    def cells(self) -> list[dict[str, Any]]:
        """The cells of `content` as they are in the JSON; items that are no objects are left out."""
        cells = self.content.get("cells")
        return [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else []

    @cached_property
    def cell_ids(self) -> tuple[str, ...]:
        """One stable, unique id for each of `cells`: its own, or "#index" where it has none or repeats one."""
        ids: list[str] = []
        seen: set[str] = set()
        for i, cell in enumerate(self.cells):
            own = cell.get("id")
            ids.append(own if isinstance(own, str) and own and own not in seen else f"#{i}")
            seen.add(ids[-1])
        return tuple(ids)

    @property
    def has_ids(self) -> bool:
        """Whether cells of this format carry ids (nbformat 4.5 and newer)."""
        minor = self.content.get("nbformat_minor")
        return isinstance(minor, int) and minor >= 5

    def new_cell(
        self, kind: CellKind, source: str, metadata: Mapping[str, Any] | None = None, *, cell_id: str
    ) -> dict[str, Any]:
        """A cell object that fits this file: an id only where the format has them, source as the other cells have it."""
        cell: dict[str, Any] = {"cell_type": kind}
        if kind == "code":
            cell["execution_count"] = None
        if self.has_ids:
            cell["id"] = cell_id
        cell["metadata"] = dict(metadata or {})
        if kind == "code":
            cell["outputs"] = []
        cell["source"] = self.source_value(source)
        return cell

    def source_value(self, source: str) -> list[str] | str:
        """`source` as this file writes sources: a list of lines (as nbformat does) or one string."""
        texts = sum(isinstance(cell.get("source"), str) for cell in self.cells)
        if texts and texts >= len(self.cells) - texts:
            return source
        # Not str.splitlines: it also splits at form feeds and the like, where nbformat's own join would still agree
        # but JupyterLab's would not.
        return re.findall(r"[^\n]*\n|[^\n]+", source)

    def dumps(self, node: Mapping[str, Any]) -> bytes:
        """The bytes of the file with `node` in it: what is unchanged keeps its bytes, the rest is in the file's style.

        For `convertible_only` files a changed node is written as nbformat writes v4. Raises TypeError for values
        that JSON cannot hold.
        """
        if same(self.node, node):
            return self.raw
        if self.textual is not None:
            return self.textual.dumps(node)
        if self.convertible_only:
            return (splice.dumps(dict(node), Style(sort_keys=True)) + "\n").encode("utf-8", "surrogatepass")
        text = self._text
        old, span = parse(text)
        body = text[: span.start] + splice.splice(text, old, span, dict(node), self.style) + self.style.final
        return self.mark + body.encode(self.encoding)

    def snapshot(self, cursor: int | None = None) -> Notebook:
        """The frozen Notebook: sources, short outputs, order of execution; no live namespace."""
        cells = tuple(_cell(cell, cell_id) for cell, cell_id in zip(self.cells, self.cell_ids, strict=True))
        return Notebook(
            cells=cells, cursor=cursor, language=self.language, path=self.path, error=_last_error(self.cells, cells)
        )


def read(path: str | Path) -> NotebookFile:
    """The notebook at `path`. Raises NotebookNotFoundError or NotebookInvalidError, each one sentence and a hint."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except IsADirectoryError as exc:
        raise NotebookNotFoundError(f"{path} is a folder", hint=f"name a notebook in it: {path}/NAME.ipynb") from exc
    except FileNotFoundError as exc:
        raise NotebookNotFoundError(f"no notebook at {path}", hint=_near(path)) from exc
    except (OSError, ValueError) as exc:
        # On Windows opening a folder is a permission error.
        reason = "is a folder" if path.is_dir() else f"cannot be read: {getattr(exc, 'strerror', None) or exc}"
        raise NotebookNotFoundError(f"{path} {reason}", hint="check the path and its permissions") from exc
    return loads(data, path)


def _near(path: Path) -> str:
    import difflib

    try:
        names = [p.name for p in path.parent.iterdir() if p.suffix == ".ipynb"]
    except OSError:
        return "the folder does not exist either"
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {path.parent / close[0]}?" if close else "check the spelling"


def loads(data: bytes, path: str | Path | None = None) -> NotebookFile:
    """The notebook in `data`; `path` is only for messages and the snapshot. Raises NotebookInvalidError."""
    where = Path(path) if path is not None else None
    if where is not None and is_textual(where) and data.strip()[:1] != b"{":
        made, textual = loaded(data, where)
        return replace(loads(made), path=where, raw=data, textual=textual)
    name = str(where) if where else "the notebook"
    text, encoding, mark = _decode(data, name)
    node, span = _parse(text, name)
    version, problems = _version(node, name)
    content = node if version[0] == _NEWEST else upgraded(node, text, name, version)
    problems += _problems(content, version)
    file = NotebookFile(
        path=where,
        raw=data,
        node=node,
        content=content,
        version=version,
        style=splice.style_of(text, node, span),
        language=languages.DEFAULT,
        encoding=encoding,
        mark=mark,
        problems=tuple(problems),
        _text=text,
    )
    sources = [source_text(cell) for cell in file.cells if cell.get("cell_type") == "code"]
    return replace(file, language=languages.notebook_language(content.get("metadata"), sources))


def source_text(cell: Mapping[str, Any]) -> str:
    """The source of a JSON cell, whether one string or a list of lines."""
    return multiline(cell.get("source"))


def multiline(value: Any) -> str:
    """A JSON multi-line text: a string, or a list of strings joined; "" for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return ""


# --------------------------------------------------------------------------- reading, step by step


def _decode(data: bytes, name: str) -> tuple[str, str, bytes]:
    if not data.strip():
        raise NotebookInvalidError(
            f"{name} is empty (0 bytes)" if not data else f"{name} holds only white space",
            hint="create it in JupyterLab, or delete it",
        )
    mark = next((m for m in _MARKS if data.startswith(m)), b"")
    encoding = _MARKS.get(mark, "utf-8")
    try:
        return data[len(mark) :].decode(encoding), encoding, mark
    except UnicodeDecodeError as exc:
        raise NotebookInvalidError(
            f"{name} is not {encoding.upper()}: byte 0x{data[len(mark) + exc.start]:02x} at position {exc.start}",
            hint="a notebook is JSON in UTF-8; convert it first, for example with `iconv -t utf-8`",
        ) from exc


def _parse(text: str, name: str) -> tuple[dict[str, Any], Span]:
    try:
        value, span = parse(text)
    except ValueError as exc:
        place = f" (line {exc.lineno}, column {exc.colno})" if isinstance(exc, json.JSONDecodeError) else ""
        reason = exc.msg if isinstance(exc, json.JSONDecodeError) else str(exc)
        hint = (
            "a merge conflict is in it: resolve it first" if re.search(r"^<{7} ", text, re.M) else "is it a notebook?"
        )
        raise NotebookInvalidError(f"{name} is not JSON: {reason[:1].lower()}{reason[1:]}{place}", hint=hint) from exc
    if not isinstance(value, dict):
        kind = "list" if isinstance(value, list) else type(value).__name__
        raise NotebookInvalidError(
            f"{name} is JSON but not a notebook: it holds a {kind}", hint='a notebook is an object with "cells"'
        )
    return value, span


def _version(node: Mapping[str, Any], name: str) -> tuple[tuple[int, int], list[str]]:
    problems: list[str] = []
    major, minor = node.get("nbformat"), node.get("nbformat_minor", 0)
    has_cells = isinstance(node.get("cells"), list)
    if not isinstance(major, int) or isinstance(major, bool):
        cells = node.get("cells") if has_cells else []
        if not has_cells and not isinstance(node.get("worksheets"), list):
            raise NotebookInvalidError(
                f'{name} is JSON but not a notebook: it has neither "nbformat" nor "cells"',
                hint='a notebook is an object with "cells"',
            )
        old = isinstance(cells, list) and any(isinstance(c, dict) and "source" not in c for c in cells)
        major = (1 if old else _NEWEST) if has_cells else 3
        problems.append('"nbformat" is missing')
    if major > _NEWEST:
        raise NotebookInvalidError(
            f"{name} is nbformat {major}.{minor}, newer than nbformat 4, the newest that nbcopilot reads",
            hint="save it as nbformat 4 with the program that wrote it, or upgrade nbcopilot",
        )
    if major < 1:
        raise NotebookInvalidError(f"{name} says nbformat {major}, which does not exist", hint="is it a notebook?")
    if major == _NEWEST and not has_cells:
        raise NotebookInvalidError(
            f'{name} is nbformat {major} but has no list of "cells"', hint="restore it from a checkpoint or a backup"
        )
    return (major, minor if isinstance(minor, int) else 0), problems


def _problems(content: Mapping[str, Any], version: tuple[int, int]) -> list[str]:
    """What nbformat's schema would refuse, in words; the notebook is usable all the same."""
    found: list[str] = []
    if not isinstance(content.get("metadata"), dict):
        found.append('"metadata" is missing')
    cells = content["cells"]
    if any(not isinstance(cell, dict) for cell in cells):
        found.append("some cells are not objects and were passed over")
    objects = [cell for cell in cells if isinstance(cell, dict)]
    unknown = sorted({str(cell.get("cell_type")) for cell in objects} - {"code", "markdown", "raw"})
    if unknown:
        found.append(f"unknown cell types: {', '.join(unknown)}")
    if version >= (4, 5):
        ids = [cell.get("id") for cell in objects]
        texts = [one for one in ids if isinstance(one, str)]
        if len(texts) < len(ids):
            found.append(f"{len(ids) - len(texts)} of {len(ids)} cells have no id")
        if len(set(texts)) < len(texts):
            repeated = sorted({one for one in texts if texts.count(one) > 1}) if len(texts) < 5000 else []
            found.append(f"repeated cell ids: {', '.join(repeated[:3]) or 'several'}")
        if any(not _ID.match(one) for one in texts):
            found.append("some cell ids are not valid")
    return found


# --------------------------------------------------------------------------- the snapshot


def _cell(node: Mapping[str, Any], cell_id: str) -> Cell:
    kind = node.get("cell_type")
    metadata = node.get("metadata")
    count = node.get("execution_count")
    outputs = node.get("outputs") if kind == "code" else None
    return Cell(
        id=cell_id,
        kind=cast(CellKind, kind) if kind in ("code", "markdown", "raw") else "raw",
        source=source_text(node),
        outputs=tuple(short(one) for one in outputs if isinstance(one, dict)) if isinstance(outputs, list) else (),
        executed=count if isinstance(count, int) and not isinstance(count, bool) else None,
        metadata=metadata if isinstance(metadata, dict) else {},
    )


def _last_error(nodes: Sequence[Mapping[str, Any]], cells: Sequence[Cell]) -> ErrorInfo | None:
    """The error stored in the cell that ran last among those that failed; one that is meant to fail has not."""
    failed = [
        (cell.executed or 0, i)
        for i, cell in enumerate(cells)
        if any(o.kind == "error" for o in cell.outputs) and not conventions.expects_error(cell.source, cell.metadata)
    ]
    if not failed:
        return None
    _, i = max(failed)
    node = next(o for o in nodes[i]["outputs"] if isinstance(o, dict) and o.get("output_type") == "error")
    return ErrorInfo(
        name=strip_ansi(str(node.get("ename") or "Error")),
        message=strip_ansi(str(node.get("evalue", "")))[:500],
        traceback=next(o.text for o in cells[i].outputs if o.kind == "error"),
        cell_id=cells[i].id,
        source=cells[i].source,
    )
