"""Results in a .zip: collected in a folder beside it, packed when the run is complete, so that it is never half there."""

from __future__ import annotations

import os
import secrets
import shutil
import zipfile
from pathlib import Path

from nbcopilot.batch.journal import FOLDER
from nbcopilot.errors import NotebookWriteError


def staging(archive: str) -> str:
    """The folder in which the results for `archive` are collected."""
    return f"{archive}.parts"


def pack(folder: str, archive: str) -> None:
    """Make `archive` of what `folder` holds, at once, and delete the folder. Raises NotebookWriteError."""
    temporary = f"{archive}.{secrets.token_hex(8)}.tmp"
    try:
        with open(temporary, "xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
            for path in sorted(Path(folder).rglob("*")):
                name = path.relative_to(folder)
                if not path.is_symlink() and path.is_file() and FOLDER not in name.parts:
                    out.write(path, name.as_posix())
        os.replace(temporary, archive)
    except (OSError, ValueError) as exc:  # ValueError: a name that is no UTF-8
        Path(temporary).unlink(missing_ok=True)
        reason = (getattr(exc, "strerror", None) or str(exc)).lower()
        raise NotebookWriteError(
            f"{archive} could not be written: {reason}", hint=f"the results are in {folder}"
        ) from exc
    shutil.rmtree(folder, ignore_errors=True)
