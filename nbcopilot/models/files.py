"""Small file work that the models layer shares: hashes, manifests, JSON written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

BLOCK = 1 << 20
MANIFEST = "manifest.json"
# What is hashed whenever it is used: 10 ms for the tokenizer of 150,000 tokens.
SMALL_BYTES = 16 << 20


def file_sha256(path: Path, moved: Callable[[int], None] | None = None) -> str:
    """Hex SHA-256 of a file; `moved` gets the bytes read so far."""
    digest, done = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            done += len(block)
            if moved:
                moved(done)
    return digest.hexdigest()


def git_blob_sha1(path: Path) -> str:
    """The id that git (and the hub, for files outside LFS) gives the bytes of a small file."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def tree_bytes(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; files that come and go meanwhile do not matter."""
    if path.is_file():
        return path.stat().st_size
    total = 0
    for parent, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def write_json(path: Path, value: object) -> None:
    """`value` as JSON in `path`, whole or not at all, on the disk when this returns."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; empty when there is none or it cannot be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_manifest(folder: Path) -> None:
    """Record size and SHA-256 of every file of `folder` in its manifest, and bring them all to the disk."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        found[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    write_json(folder / MANIFEST, {"schema": 1, "files": found})


def manifest_problems(folder: Path, *, hashes: bool) -> list[str]:
    """What of `folder` is not as its manifest says, as short sentences.

    Files up to SMALL_BYTES are hashed each time: indexes and tokenizers, which steer what is read. Larger ones only
    with `hashes`, for that takes a second a gigabyte.
    """
    recorded = read_json(folder / MANIFEST).get("files")
    if not isinstance(recorded, dict):
        return [f"{folder.name} has no manifest"]
    problems = []
    for name, entry in recorded.items():
        path, entry = folder / name, entry if isinstance(entry, dict) else {}
        if not path.is_file():
            problems.append(f"{folder.name}/{name} is missing")
        elif (size := path.stat().st_size) != entry.get("bytes"):
            problems.append(f"{folder.name}/{name} has {size} bytes, not {entry.get('bytes')}")
        elif (hashes or size <= SMALL_BYTES) and file_sha256(path) != entry.get("sha256"):
            problems.append(f"{folder.name}/{name} has changed")
    return problems


def manifest_sha256(folder: Path) -> str:
    """One hash for all files of a folder, from its manifest."""
    files = read_json(folder / MANIFEST).get("files", {})
    return combined_sha256({name: entry["sha256"] for name, entry in files.items()})


def combined_sha256(hashes: Mapping[str, str]) -> str:
    """One hash for several files, by name and hash."""
    lines = "".join(f"{name}\0{digest}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
