"""Files that belong to a notebook: the text files that jupytext keeps beside it follow what is written, or are named.

Without jupytext the sentence says what to type. A text file that has changes of its own is never written over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbcopilot.errors import NotebookWriteError
from nbcopilot.notebook.document import NotebookFile, loads, source_text
from nbcopilot.project import read_toml
from nbcopilot.write import files


def follow(path: str | Path, before: bytes) -> str:
    """Bring the files that are paired with the notebook at `path` in step with it; a sentence on them, or "".

    before: the bytes of the notebook before it was written. Never raises: the notebook itself is written.
    """
    path = Path(path)
    try:
        file = loads(path.read_bytes(), path)
        formats = _formats(file)
        if not formats:
            return ""
        return _in_step(path, loads(before, path), file, formats)
    except Exception as exc:  # of jupytext, too, which raises errors of many libraries
        return f"its paired files were left as they are: {exc}"


def _formats(file: NotebookFile) -> str:
    """The formats that the notebook is paired with, as its metadata has them; "" for a notebook that stands alone."""
    settings = (file.content.get("metadata") or {}).get("jupytext")
    formats = settings.get("formats") if isinstance(settings, Mapping) else None
    if not isinstance(formats, str):
        formats = _of_the_folder(file.path)
    return formats if "," in formats else ""


def _of_the_folder(path: Path | None) -> str:
    """The formats that a jupytext.toml beside or above the notebook gives to all of its folder; "" without any."""
    for folder in path.resolve().parents if path is not None else ():
        settings = folder / "jupytext.toml"
        if settings.is_file():
            found = read_toml(settings.read_bytes(), settings).get("formats")
            return found if isinstance(found, str) else ""
    return ""


def _in_step(path: Path, before: NotebookFile, after: NotebookFile, formats: str) -> str:
    try:
        import jupytext
        from jupytext.paired_paths import paired_paths
    except ImportError:
        names = ", ".join(_names(path, formats)) or formats
        return f"paired with {names}: jupytext --sync {path.name} brings them in step"
    said: list[str] = []
    for name, form in paired_paths(str(path), {"extension": ".ipynb"}, formats):
        other = Path(name)
        if other == path or not other.is_file():
            continue
        text = other.read_text(encoding="utf-8")
        if _texts(jupytext.reads(text, fmt=form)) != _texts(before.content):
            said.append(f"{other.name} has changes that {path.name} lacks, and was left as it is")
            continue
        new = jupytext.writes(_plain(after), fmt=form)
        try:
            files.write(other, new.encode("utf-8"))
        except NotebookWriteError as exc:
            said.append(str(exc))
            continue
        said.append(f"{other.name}, which is paired with it, was brought in step")
    return "; ".join(said)


def _plain(file: NotebookFile) -> Any:
    import nbformat

    return nbformat.reads(json.dumps(file.content), as_version=4)  # type: ignore[no-untyped-call]  # joins sources


def _texts(content: Mapping[str, Any]) -> list[str]:
    """The sources of the cells, as far as a text file keeps them."""
    return [text for cell in content["cells"] if (text := source_text(cell).strip())]


def _names(path: Path, formats: str) -> list[str]:
    """The paired files that stand beside the notebook, by the extensions of the formats."""
    found: list[str] = []
    for one in formats.split(","):
        extension = one.strip().split(":")[0].rpartition("/")[2]
        folder = one.strip().split(":")[0].rpartition("//")[0]
        name = path.with_suffix(f".{extension}").name
        if extension != "ipynb":
            found.append(f"{folder}/{name}" if folder else name)
    return found
