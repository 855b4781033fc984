"""What a cell is beyond its source: tags, permissions, slides, front matter, directives, marks of courses, visibility.

Other programs say in a cell's metadata, or in comments of its source, what it is for and who may read or change it.
Every stage asks here (docs/conventions.md has the table): context and document (what is told), fix and write (what may
be changed), testgen and the sandbox (what runs), strip, and the sidebar through the same metadata. Reads only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nbcopilot.notebook.marks import SECRET, directives, without_secrets
from nbcopilot.notebook.patterns import word_set
from nbcopilot.types import Cell

__all__ = ["KEYS", "SECRET", "directives"]

# The keys of a cell's metadata that are read here: what a front end passes on with a cell.
KEYS = (
    "tags", "editable", "deletable", "jupyter", "nbgrader", "nbsphinx", "slideshow", "kernel", "vscode",
    "dotnet_interactive", "polyglot_notebook", "cellView", "_kg_hide-input", "hide_input", "init_cell",
    "colab_type", "id", "raw_mimetype", "otter",
)  # fmt: skip
_LEFT_OUT_TAGS = word_set("remove-cell remove_cell hide-cell hide_cell hide-cells remove exclude no-show")
_HIDDEN_CODE_TAGS = word_set("remove-input remove_input hide-input hide_input hide-code hide_code no-input")
_FAILS_TAGS = word_set("raises-exception raises_exception allow-errors expect-error nbval-raises-exception")
_SKIPPED_TAGS = word_set("skip-execution skip_execution nbval-skip no-execute")
_INJECTED_TAGS = word_set("injected-parameters papermill-error-cell-tag")
_LEFT_OUT_LINES = re.compile(
    r"(?im)^\s*#\s*(?:hide|default_exp\b.*|hide_cell)\s*$|^\s*#\s*\|\s*(?:hide|default_exp\b.*|include\s*:\s*false)\s*$"
)
_HIDDEN_CODE_LINES = re.compile(
    r"(?im)^\s*#\s*\|\s*(?:echo\s*:\s*false|code-fold\s*:\s*true|hide_input|hide_code|code-fold)\s*$|^\s*#\s*hide_input\s*$"
)
_FAILS_LINES = re.compile(r"(?im)^\s*#\s*\|\s*(?:error\s*:\s*true|raises-exception)\s*$")
_SKIPPED_LINES = re.compile(r"(?im)^\s*#\s*\|\s*eval\s*:\s*false\s*$|\A\s*%%script\s+(?:false|echo)\b|\A\s*%%skip\b")
_FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\n(?P<body>.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_YAML_KEY = re.compile(r"^[\w-]+[ \t]*:", re.M)
_TITLE = re.compile(r"^title[ \t]*:[ \t]*(?P<title>\S.*)$", re.M)
_SHORTCODES = re.compile(r"(?:\s*\{\{[<%].*?[%>]\}\}\s*)+")
_BADGE = re.compile(r"\s*(?:<a\b[^>]*>\s*<img\b[^>]*>\s*</a>|\[!\[[^\]]*\]\([^)]*\)\]\([^)]*\)|\s)+\s*")
_LICENCE = re.compile(r"(?i)\bcopyright\b|\bSPDX-License-Identifier\b|\blicensed under\b|\(c\) ?\d{4}")


def tags(metadata: Mapping[str, Any]) -> frozenset[str]:
    """The tags of a cell, in lower case; the other spellings that tools take for a tag are among them."""
    found = metadata.get("tags")
    words = {tag.strip().lower() for tag in found if isinstance(tag, str)} if isinstance(found, list) else set()
    return frozenset(words)


# --------------------------------------------------------------------------- what runs


def expects_error(source: str, metadata: Mapping[str, Any]) -> bool:
    """Whether an error of this cell belongs to the notebook: it is shown on purpose, there is nothing to mend."""
    return bool(tags(metadata) & _FAILS_TAGS) or _FAILS_LINES.search(_head(source)) is not None


def is_skipped(source: str, metadata: Mapping[str, Any]) -> bool:
    """Whether programs that run the notebook pass this cell over."""
    return bool(tags(metadata) & _SKIPPED_TAGS) or _SKIPPED_LINES.search(_head(source)) is not None


def is_injected(metadata: Mapping[str, Any]) -> bool:
    """Whether a program puts this cell there anew with every run (papermill's parameters)."""
    return bool(tags(metadata) & _INJECTED_TAGS)


# --------------------------------------------------------------------------- who reads it


def is_left_out(source: str, metadata: Mapping[str, Any]) -> bool:
    """Whether the published page shows nothing of this cell."""
    nbgrader = _part(metadata, "nbgrader")
    return (
        bool(tags(metadata) & _LEFT_OUT_TAGS)
        or metadata.get("nbsphinx") == "hidden"
        or (nbgrader.get("task") is True and nbgrader.get("locked") is True)
        or _LEFT_OUT_LINES.search(_head(source)) is not None
    )


def hides_code(source: str, metadata: Mapping[str, Any]) -> bool:
    """Whether a reader sees the output of this cell and not its code."""
    return (
        bool(tags(metadata) & _HIDDEN_CODE_TAGS)
        or _part(metadata, "jupyter").get("source_hidden") is True
        or metadata.get("cellView") == "form"
        or metadata.get("_kg_hide-input") is True
        or metadata.get("hide_input") is True
        or _HIDDEN_CODE_LINES.search(_head(source)) is not None
    )


def told(source: str, metadata: Mapping[str, Any]) -> str:
    """The part of a code cell that a text for readers may tell: without solutions and hidden tests.

    "" for a cell that is a solution as a whole (nbgrader clears such a cell when it has no marks). What is taken out
    of a block leaves `...`, so that the rest can still be read.
    """
    bare = without_secrets(source)
    if bare == source and _part(metadata, "nbgrader").get("solution") is True:
        return ""
    return bare


def has_secrets(source: str, metadata: Mapping[str, Any]) -> bool:
    """Whether a part of this cell is not for readers."""
    return told(source, metadata) != source


# --------------------------------------------------------------------------- who may change it


def locked(metadata: Mapping[str, Any]) -> str:
    """Why the text of this cell may not be changed, as its metadata says it; "" when it may."""
    nbgrader = _part(metadata, "nbgrader")
    if metadata.get("editable") is False:
        return "editable: false"
    if nbgrader.get("solution") is True:
        return ""  # what students are to write
    if nbgrader.get("locked") is True:
        return "nbgrader: locked"
    return "nbgrader: a graded test" if nbgrader.get("grade") is True else ""


def undeletable(metadata: Mapping[str, Any]) -> str:
    """Why this cell may not be taken out; "" when it may."""
    return "deletable: false" if metadata.get("deletable") is False else locked(metadata)


def is_graded_test(metadata: Mapping[str, Any]) -> bool:
    """Whether the cell tests what others write: it is taken to be right."""
    nbgrader = _part(metadata, "nbgrader")
    return nbgrader.get("grade") is True and nbgrader.get("solution") is not True


# --------------------------------------------------------------------------- where it stands


def front_matter(kind: str, source: str, metadata: Mapping[str, Any]) -> str | None:
    """The YAML of a first cell that is a document's front matter; None when the cell is none."""
    match = _FRONT_MATTER.match(source) if kind in ("raw", "markdown") else None
    if match is None or source[match.end() :].strip() or not _YAML_KEY.search(match["body"]):
        return None
    return match["body"]


def title_of(matter: str) -> str:
    """The title in front matter; "" when it has none."""
    match = _TITLE.search(matter)
    return match["title"].strip().strip("\"'").strip() if match else ""


def is_pinned(kind: str, source: str, metadata: Mapping[str, Any], at: int) -> bool:
    """Whether a cell at the top must stay above anything new: front matter, a badge, a licence, an include."""
    if at == 0 and front_matter(kind, source, metadata) is not None:
        return True
    text = source.strip()
    if kind == "markdown" and text and (_SHORTCODES.fullmatch(text) or _BADGE.fullmatch(text)):
        return True
    has_heading = re.search(r"^#{1,2}\s+\S", source, re.M) is not None
    is_remark = kind != "code" or all(not line.strip() or line.lstrip().startswith("#") for line in text.split("\n"))
    return bool(text) and is_remark and (kind == "code" or not has_heading) and _LICENCE.search(text) is not None


def pinned_top(cells: Sequence[tuple[str, str, Mapping[str, Any]]]) -> int:
    """How many of the first cells, each (kind, source, metadata), must stay the first."""
    for at, (kind, source, metadata) in enumerate(cells):
        if not is_pinned(kind, source, metadata, at):
            return at
    return len(cells)


def slide_of(neighbour: Mapping[str, Any], *, below: bool) -> dict[str, Any]:
    """The metadata of a new cell beside `neighbour` in a deck: it belongs to the same slide, or is left out with it.

    A text above a cell that starts a slide starts it in its place: on the slide before, nobody would look for it.
    """
    kind = _part(neighbour, "slideshow").get("slide_type")
    if not isinstance(kind, str) or kind in ("", "-"):
        return {}
    if below and kind in ("slide", "subslide", "fragment"):
        return {}  # goes on where the neighbour began
    return {"slideshow": {"slide_type": kind}}


def of(cell: Cell) -> tuple[str, Mapping[str, Any]]:
    """(source, metadata) of a cell, as the questions here take them."""
    return cell.source, cell.metadata


def _part(metadata: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = metadata.get(key)
    return found if isinstance(found, Mapping) else {}


def _head(source: str) -> str:
    """The comments at the top of a cell: where directives stand."""
    lines = source.split("\n")
    end = next((i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith(("#", "%%"))), None)
    return "\n".join(lines[:end])
