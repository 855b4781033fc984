"""What of this machine a sandbox must see: the interpreter, its packages, the notebook's folder. And what it must not.

Pure bookkeeping of paths; the levels turn it into mounts (bubblewrap) or rules (Landlock).
"""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from nbcopilot import _version
from nbcopilot.sandbox.worker.visible import Tree, tree


@dataclass(frozen=True)
class Surroundings:
    """Folders of the interpreter (`python`), of the user's own modules (`local`), and the notebook's (`data`)."""

    python: tuple[str, ...]
    local: tuple[str, ...]
    data: str | None
    package: str
    search: tuple[str, ...]

    @property
    def folders(self) -> tuple[str, ...]:
        """The notebook's folder and those of the user's modules, each after those that it lies in."""
        return tuple(sorted({*self.local, *([self.data] if self.data else [])}))

    @property
    def installed(self) -> tuple[str, ...]:
        """What may be read whole: the interpreter, its packages and ours."""
        return (*self.python, os.path.join(self.package, "nbcopilot"))

    def trees(self) -> list[Tree]:
        """What may be seen of each of the `folders`, as it is now."""
        return [tree(folder) for folder in self.folders]

    def shown(self) -> dict[str, list[str]]:
        """{"files": what may be read in the `folders`, "list": the folders whose names may be listed}."""
        trees = self.trees()
        return {"files": [path for found in trees for path in found.files], "list": [found.top for found in trees]}


def look(data_dir: Path | None) -> Surroundings:
    """The surroundings of this process and of a notebook in `data_dir`.

    A data folder that holds the home folder (`/`, `/home`) is not shown: too much would be readable.
    """
    roots = {sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.path.realpath(sys.executable))}
    roots |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths = [os.path.abspath(path) for path in sys.path if path and os.path.exists(path)]
    python = sorted({os.path.realpath(r) for r in roots if os.path.isdir(r)} | {r for r in roots if os.path.isdir(r)})
    installed = [p for p in paths if "site-packages" in p or "dist-packages" in p or _below(p, python)]
    package = os.path.dirname(os.path.dirname(os.path.abspath(_version.__file__)))
    local = [p for p in paths if p not in installed and p != package and not _holds_home(p)]
    data = os.path.realpath(data_dir) if data_dir and os.path.isdir(data_dir) else None
    if data and (_holds_home(data) or data == os.sep):
        data = None
    shown = sorted({os.path.abspath(p) for p in [*python, *installed] if not _holds_home(p)})
    return Surroundings(
        python=tuple(p for i, p in enumerate(shown) if not _below(p, shown[:i])),
        local=tuple(dict.fromkeys(p for p in local if p != data)),
        data=data,
        package=package,
        search=tuple(p for p in paths if not _holds_home(p)),
    )


def home() -> str:
    """The user's home folder, resolved."""
    return os.path.realpath(os.path.expanduser("~"))


def _holds_home(path: str) -> bool:
    """Whether the home folder lies inside `path` (the home folder itself does not count)."""
    real = os.path.realpath(path)
    return real != home() and _below(home(), [real])


def _below(path: str, roots: list[str]) -> bool:
    return any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in roots)
