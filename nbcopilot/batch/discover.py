"""Which notebooks a command line means, and where their outputs go: paths, folders, globs and URLs -> Units.

Reads no notebook.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from nbcopilot import paths
from nbcopilot.batch import stores
from nbcopilot.batch.job import Unit
from nbcopilot.errors import NotebookNotFoundError, UsageError

_SKIPPED = {"__pycache__", "node_modules"}


def discover(
    names: Sequence[str], *, exclude: str | Path | None = None, foreign: list[str] | None = None
) -> tuple[list[Unit], str]:
    """(the notebooks in order, each once; their common folder, a path or a URL).

    Folders are searched for *.ipynb; hidden files and folders, checkpoints and cycles of links are passed over, and so
    are links that lead out of a folder, which `foreign` gets. A link that is named itself is followed. A .zip is
    searched like a folder. exclude: a folder not to look into (the output of the same command).
    Raises NotebookNotFoundError when a path or pattern matches nothing.
    """
    urls = [_url(text) for text in names]
    if all(urls):
        return _in_stores([url for url in urls if url])
    if any(urls):
        raise UsageError("local paths and URLs cannot be mixed", hint="run the command once for each")
    skip = _identity(Path(exclude)) if exclude is not None else None
    search = _Search(skip, [] if foreign is None else foreign)
    found: dict[str, tuple[Path, str]] = {}
    roots: list[Path] = []
    for text in map(stores.local, names):
        matches, root, within = search.matches(text)
        roots.append(root)
        for match in matches:
            found.setdefault(os.path.realpath(match), (match, within))
    base = Path(os.path.commonpath([root.absolute() for root in roots])) if roots else Path()
    units = [Unit(str(path), _name(path, base), within) for path, within in found.values()]
    return sorted(units, key=lambda unit: unit.name), str(base)


def targets(units: Sequence[Unit], folder: str | Path) -> dict[Unit, str]:
    """Where -o FOLDER puts each notebook. Raises UsageError when that is a notebook that is read."""
    placed = {unit: stores.join(str(folder), unit.name) for unit in units}
    read = {stores.identity(unit.path) for unit in units}
    for path in placed.values():
        if stores.identity(path) in read:
            raise UsageError(f"-o {folder} would overwrite {path}", hint="choose another folder, or say --in-place")
    return placed


def _url(text: str) -> str:
    """`text` as a URL of a store; "" for a local path."""
    if stores.is_url(text):
        return text
    is_archive = text.lower().endswith(".zip") and os.path.isfile(text)
    return f"zip://::{Path(text).absolute()}" if is_archive else ""


def _in_stores(urls: Sequence[str]) -> tuple[list[Unit], str]:
    found: dict[str, None] = {}
    for url in urls:
        matches = [one for one in stores.find(url) if _is_notebook(stores.inner(one)) and not _is_hidden_url(one)]
        if not matches:
            raise NotebookNotFoundError(f"no notebook at {url}", hint="notebooks are files named *.ipynb")
        found.update(dict.fromkeys(matches))
    start = os.path.commonpath([_fixed_part(f"/{stores.inner(url)}").as_posix() for url in urls])
    if len(urls) == 1 and list(found) == list(urls):  # a notebook, not a folder
        start = os.path.dirname(start)
    units = [Unit(url, os.path.relpath(f"/{stores.inner(url)}", start)) for url in found]
    rest = urls[0].partition("::")
    return sorted(units, key=lambda unit: unit.name), f"{stores.protocol(urls[0])}:/{start}{rest[1]}{rest[2]}"


def _is_hidden_url(url: str) -> bool:
    return any(part.startswith(".") for part in stores.inner(url).split("/"))


class _Search:
    """Looks for notebooks below folders and patterns; notes the links that lead out of them."""

    def __init__(self, skip: tuple[int, int] | None, foreign: list[str]) -> None:
        self._skip, self._foreign = skip, foreign

    def matches(self, text: str) -> tuple[list[Path], Path, str]:
        """(what one word of the command line means, the folder to name it from, the folder not to leave or "")."""
        path = Path(text)
        if path.is_dir():
            found = sorted(self._walk(path, path))
            if not found:
                hint = "notebooks are files named *.ipynb"
                raise NotebookNotFoundError(f"no notebook in the folder {text}", hint=hint)
            return found, path, str(path.absolute())
        if os.path.lexists(path):
            return [path], path.parent, ""
        if not glob.has_magic(text):
            raise NotebookNotFoundError(f"{text} is not there", hint=_near(path))
        root = _fixed_part(text)
        found = [one for match in sorted(glob.glob(text, recursive=True)) for one in self._of_pattern(match, root)]
        if not found:
            raise NotebookNotFoundError(
                f"nothing matches {text}", hint="notebooks are files named *.ipynb; ** searches folders"
            )
        return found, root, str(root.absolute())

    def _of_pattern(self, match: str, root: Path) -> list[Path]:
        if _is_hidden(match) or self._leads_out(Path(match), root):
            return []
        if os.path.isdir(match):
            return sorted(self._walk(Path(match), root))
        return [Path(match)] if _is_notebook(match) else []

    def _walk(self, folder: Path, root: Path) -> Iterator[Path]:
        """Notebooks below `folder`; each real folder is entered once, so that links cannot lead in circles."""
        seen: set[tuple[int, int]] = set()
        for at, folders, names in os.walk(folder, followlinks=True):
            here = _identity(Path(at))
            if here is None or here in seen or here == self._skip:
                folders.clear()
                continue
            seen.add(here)
            visible = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED)
            folders[:] = [name for name in visible if not self._leads_out(Path(at, name), root)]
            for name in names:
                if _is_notebook(name) and not name.startswith(".") and not self._leads_out(Path(at, name), root):
                    yield Path(at, name)

    def _leads_out(self, path: Path, root: Path) -> bool:
        leads_out = not paths.is_inside(root, path) if path.is_symlink() else False
        if leads_out:
            self._foreign.append(str(path))
        return leads_out


def _is_notebook(name: str) -> bool:
    return name.lower().endswith(".ipynb")


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in Path(path).parts)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _fixed_part(pattern: str) -> Path:
    """The folders of a pattern before its first wildcard."""
    parts = Path(pattern).parts
    first = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return Path(*parts[:first]) if first else Path()


def _name(path: Path, base: Path) -> str:
    try:
        return path.absolute().relative_to(base).as_posix()
    except ValueError:
        return path.name


def _near(path: Path) -> str:
    import difflib

    try:
        names = sorted(p.name for p in path.parent.iterdir() if _is_notebook(p.name) or p.is_dir())
    except OSError:
        return f"the folder {path.parent} is not there either"
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {path.parent / close[0]}?" if close else "check the spelling"
