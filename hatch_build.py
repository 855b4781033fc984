"""Build hook: labextension/ (TypeScript) -> nbcopilot/labextension, which the wheel installs into share/jupyter.

Runs npm only in a checkout and only when the output is missing or older than its sources: an sdist carries the
output, a wheel is the output. An editable install goes on without npm, and says so; a wheel or an sdist that
would silently lack the extension is refused. NBCOPILOT_SKIP_LABEXTENSION=1 leaves it out on purpose.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "nbcopilot"
SOURCES = ("src", "style", "schema", "package.json", "package-lock.json", "tsconfig.json")


class LabExtensionHook(BuildHookInterface):  # type: ignore[type-arg]
    """Makes the output, and adds it to the wheel as shared data."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        output = root / NAME / "labextension"
        if not (output / "package.json").is_file() or self._is_stale(root, output):
            self._build(root, editable=version == "editable")
        if self.target_name == "wheel" and (output / "package.json").is_file():
            share = f"share/jupyter/labextensions/{NAME}"
            build_data["shared_data"][str(output)] = share
            build_data["shared_data"][str(root / "install.json")] = f"{share}/install.json"

    def _is_stale(self, root: Path, output: Path) -> bool:
        if (root / "PKG-INFO").is_file():  # an sdist: what it carries is what was released
            return False
        files = [root / "labextension" / name for name in SOURCES]
        files += [path for folder in files if folder.is_dir() for path in folder.rglob("*")]
        return max(path.stat().st_mtime for path in files) > (output / "package.json").stat().st_mtime

    def _build(self, root: Path, *, editable: bool) -> None:
        if os.environ.get("NBCOPILOT_SKIP_LABEXTENSION") == "1":
            return
        npm = shutil.which("npm")
        if npm is None:
            message = "npm is not on PATH: the JupyterLab extension is not built"
            if editable:
                self.app.display_warning(f"{message}; magics, panel and command line work without it")
                return
            raise RuntimeError(
                f"{message}. Install Node.js 20 or newer, or set NBCOPILOT_SKIP_LABEXTENSION=1 to do without it"
            )
        folder = root / "labextension"
        lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
        if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
            subprocess.run([npm, "ci"], cwd=folder, check=True)
        subprocess.run([npm, "run", "build"], cwd=folder, check=True)
