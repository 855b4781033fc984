"""README.md of a folder of notebooks: titles, overviews and key findings, read off the notebooks. Needs no model.

Only the part between two marks is ours; what stands around it is its user's and stays.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from nbcopilot import paths
from nbcopilot.batch import discover, stores
from nbcopilot.batch.structure import title_from
from nbcopilot.batch.survey import metadata_of, survey
from nbcopilot.errors import NbcopilotError, UsageError
from nbcopilot.notebook.document import NotebookFile, loads, source_text
from nbcopilot.redaction import redact
from nbcopilot.write import files
from nbcopilot.write.harmless import harmless
from nbcopilot.write.markdown import blocks, headings, sentences

BEGIN, END = "<!-- nbcopilot: notebooks -->", "<!-- nbcopilot: end -->"
MAX_FINDINGS = 2
_LINK = re.compile(r"\s*\(\[[^\]]*\]\([^)]*\)\)")


def of(names: Sequence[str]) -> tuple[Path, str]:
    """(the folder, the list of its notebooks in Markdown). Raises UsageError when `names` is not one local folder."""
    if len(names) != 1 or stores.is_url(names[0]) or not os.path.isdir(names[0]):
        raise UsageError("--readme takes one folder of this machine", hint="nbcopilot document FOLDER --readme")
    units, base = discover.discover(names)
    entries = [entry for unit in units if (entry := _entry(unit.path, unit.within, unit.name))]
    return Path(base), "\n".join(entries)


def merged(folder: Path, text: str) -> tuple[str, str]:
    """(README.md as it is, as it will be): the part between our marks is replaced, or stands at the end.

    Raises UnsafePathError when it is a link that leads out of the folder.
    """
    path = folder / "README.md"
    before = paths.read(folder, path)[0].decode("utf-8").replace("\r\n", "\n") if path.is_file() else ""
    part = f"{BEGIN}\n{text}\n{END}"
    head, mark, rest = before.partition(BEGIN)
    if mark and END in rest:
        return before, head + part + rest.partition(END)[2]
    start = before.rstrip("\n") + "\n\n" if before.strip() else f"# {title_from(folder.resolve().name)}\n\n"
    return before, f"{start}{part}\n"


def write(folder: Path, text: str) -> None:
    """Make `text` the README.md of the folder, whole or not at all."""
    files.write(folder / "README.md", text.encode(), within=folder)


def diff(before: str, after: str, folder: Path) -> str:
    """What would change, as a unified diff."""
    name = str(folder / "README.md")
    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), name, name)
    return "".join(lines)


def _entry(path: str, within: str, name: str) -> str:
    """One notebook: its title with a link, what its overview says first, and what came out."""
    try:
        file = loads(stores.read(path, within), stores.title_path(path))
    except NbcopilotError as exc:
        return f"- [{name}]({quote(name)}): {exc}"
    title, overview, found = _top(file)
    said = f": {harmless(overview)}" if overview else ""
    lines = [f"- [{harmless(title)}]({quote(name)}){said}", *(f"  - {harmless(one)}" for one in found)]
    return redact("\n".join(lines))[0]


def _top(file: NotebookFile) -> tuple[str, str, list[str]]:
    """(title, the first sentence of the overview, its key findings)."""
    found = survey(file)
    items = file.content["cells"]
    title, text, listed = found.title, "", []
    for item in items[: found.overview_at + 2]:
        if not isinstance(item, dict) or item.get("cell_type") != "markdown":
            continue
        source = re.sub(r"<sub>.*?</sub>", "", source_text(item))
        title = title or next((heading for _, heading in headings(source)), "")
        for block in blocks(source):
            if block.kind == "paragraph" and not text and not block.text.startswith("**"):
                text = next(iter(sentences(" ".join(block.text.split()))), "")
            if block.kind == "item" and metadata_of(item).get("nbcopilot"):
                listed.append(_LINK.sub("", block.text).strip())
    name = file.path.stem if file.path else ""
    return title or title_from(name), text, listed[:MAX_FINDINGS]
