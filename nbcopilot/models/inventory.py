"""What is on this machine, looked at: stored models, their state, and whether their bytes are still the ones pulled."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nbcopilot.models.catalog import ModelRef, entries, human_bytes
from nbcopilot.models.fetch import Progress
from nbcopilot.models.files import (
    MANIFEST,
    combined_sha256,
    file_sha256,
    manifest_problems,
    read_json,
    tree_bytes,
    write_json,
)

# What transformers reads of a local folder; anything else there does not change the model.
_MODEL_FILES = (".json", ".safetensors", ".bin", ".model", ".txt", ".jinja")


@dataclass(frozen=True)
class StoredModel:
    """What the store holds of one model, in bytes. `converted` maps the engine's folders; `pulling` is an unfinished pull.

    `orphan`: the local file or folder that it was converted from is gone.
    """

    id: str
    folder: Path
    bytes: int
    sha256: str
    license: str
    converted: dict[str, int]
    pulling: int = 0
    orphan: bool = False

    def describe(self) -> str:
        """What is here, in a few words: "pulled 491 MB, int8 600 MB"."""
        words = [f"pulled {human_bytes(self.bytes)}"] if self.bytes else []
        words += [f"{name.rsplit('-', 1)[-1]} {human_bytes(size)}" for name, size in self.converted.items()]
        words += [f"unfinished pull {human_bytes(self.pulling)}"] if self.pulling else []
        words += ["its source is gone"] if self.orphan else []
        return ", ".join(words) or "empty"


@dataclass(frozen=True)
class Verification:
    """The result of hashing a model again; `problems` is empty when all is as it was pulled."""

    id: str
    bytes: int
    problems: tuple[str, ...]


def stored(folder: Path) -> StoredModel:
    """What one folder of the store holds."""
    record, known = read_json(folder / "source.json"), entries().get(folder.name)
    file = folder / "source.gguf"
    return StoredModel(
        id=record.get("id") or folder.name,
        folder=folder,
        bytes=tree_bytes(file if file.is_file() else folder / "snapshot"),
        sha256=record.get("sha256") or (known.sha256 if known else None) or "",
        license=record.get("license") or (known.license if known else ""),
        converted={path.name: tree_bytes(path) for path in sorted(folder.glob("converted-*"))},
        pulling=tree_bytes(folder / ".pull"),
        orphan=folder.name.startswith("local--") and not Path(record.get("id") or folder).exists(),
    )


def source_problems(
    ref: ModelRef, source: Path, record: dict[str, object], progress: Progress | None = None
) -> list[str]:
    """How the source differs from what was pulled (`record`, else the catalog), as short sentences; hashes all of it."""
    if source.is_dir():
        return manifest_problems(source, hashes=True) if (source / MANIFEST).is_file() else []
    size, expected_bytes = source.stat().st_size, ref.bytes or record.get("bytes")
    if expected_bytes is not None and size != expected_bytes:
        return [f"{source.name} has {size} bytes, not {expected_bytes}"]
    report = (lambda done: progress(done, size, f"{ref.id}: checking")) if progress else None
    digest, expected = file_sha256(source, report), ref.sha256 or record.get("sha256") or ""
    if expected and digest != expected:
        return [f"{source.name} has SHA-256 {digest[:12]}…, not {str(expected)[:12]}…"]
    return []


def local_sha256(source: Path, memory: Path) -> str:
    """The hash of a user's own .gguf file or transformers folder, which may be large.

    `memory` remembers hashes of large files by path, size and time of change, where it can be written.
    """
    if source.is_dir():
        names = sorted(path.name for path in source.iterdir() if path.is_file() and path.suffix in _MODEL_FILES)
        return combined_sha256({name: local_sha256(source / name, memory) for name in names})
    status = source.stat()
    key, stamp = str(source), [status.st_size, status.st_mtime_ns]
    known = read_json(memory)
    if known.get(key, [None])[:-1] == stamp:
        return str(known[key][-1])
    digest = file_sha256(source)
    if status.st_size > 1_000_000:
        with contextlib.suppress(OSError):
            memory.parent.mkdir(parents=True, exist_ok=True)
            write_json(memory, {**read_json(memory), key: [*stamp, digest]})
    return digest


def table(known: Iterable[ModelRef], here: Iterable[StoredModel]) -> list[str]:
    """Aligned lines with a header: every known model and everything else that is here."""
    found = {model.id: model for model in here}
    rows = [("MODEL", "SIZE", "LICENCE", "ON THIS MACHINE", "FOR")]
    for ref in known:
        model = found.pop(ref.id, None)
        rows.append((ref.id, ref.size, ref.license, model.describe() if model else "-", ref.purpose))
    rows += [
        (m.id, human_bytes(m.bytes) if m.bytes else "-", m.license or "-", m.describe(), "") for m in found.values()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
