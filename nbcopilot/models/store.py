"""The store: models on this machine, in a cache folder outside any checkout. Names in, files out.

    models/<id>/source.gguf                                    the publisher's file, checked before it got this name
    models/<id>/snapshot/                                      or: a transformers repository of the hub
    models/<id>/source.json                                    hash, size, carrier, revision, licence, date
    models/<id>/converted-<format>-<sha12>-<precision>/        what the engine loads; filled through `convert`
    models/<id>/.pull/                                         an unfinished pull, taken up by the next one

A file that has its final name is complete. One lock a model: a second process waits and then finds it done.
Local files and folders are used where they are; only what is converted from them is kept here.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout

from nbcopilot import places
from nbcopilot.errors import DiskFullError, DownloadError, EngineError, ModelCorruptError, ModelNotFoundError
from nbcopilot.models import machine
from nbcopilot.models.catalog import AUTO, ModelRef, default_model, entries, resolve
from nbcopilot.models.fetch import Fetched, Progress, fetch
from nbcopilot.models.files import (
    MANIFEST,
    manifest_problems,
    manifest_sha256,
    read_json,
    tree_bytes,
    write_json,
    write_manifest,
)
from nbcopilot.models.inventory import StoredModel, Verification, local_sha256, source_problems, stored, table


@dataclass(frozen=True)
class LocalModel:
    """A model on this machine: a .gguf file or a transformers folder, and the hash that names its conversions."""

    path: Path
    ref: ModelRef
    sha256: str


def cache_folder() -> Path:
    """Where models are kept: NBCOPILOT_CACHE_DIR, or the platform's cache folder. Raises ConfigError."""
    return places.cache_folder()


class Store:
    """The models below `root` (default: `cache_folder()`). Holds no state; several processes may use one folder."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or cache_folder()) / "models"

    # ---------------------------------------------------------------- names

    def ref(self, name: str = AUTO) -> ModelRef:
        """The model that `name` means on this machine; `auto` is chosen by free memory and by what is pulled."""
        if name.strip() in ("", AUTO):
            return entries()[default_model(machine.memory().free, self.pulled()).id]
        return resolve(name)

    def pulled(self) -> frozenset[str]:
        """Ids of the catalog models that are here."""
        return frozenset(ref.id for ref in entries().values() if self.source(ref) is not None)

    def folder(self, ref: ModelRef) -> Path:
        """The store's folder for a model, whether it exists or not."""
        return self.root / ref.slug

    def source(self, ref: ModelRef) -> Path | None:
        """The file or folder with the publisher's weights, or None when it is not on this machine."""
        if ref.path is not None:
            return ref.path
        file, snapshot = self.folder(ref) / "source.gguf", self.folder(ref) / "snapshot"
        if file.is_file():
            return file
        return snapshot if (snapshot / MANIFEST).is_file() else None

    # ---------------------------------------------------------------- pull

    def ensure(
        self,
        name: str = AUTO,
        *,
        ask: Callable[[str], bool] | None = None,
        progress: Progress | None = None,
        carrier: str = "auto",
    ) -> LocalModel:
        """The model's files. When it is not here, `ask` (a yes/no question to the user) decides about pulling it.

        Raises UnknownModelError, ModelNotFoundError with the line that pulls it, ModelCorruptError when the
        stored file has another size than it was pulled with, and whatever a pull raises.
        """
        ref = self.ref(name)
        if ref.kind == "fake":
            return LocalModel(Path(), ref, "")
        source = self.source(ref)
        if source is not None:
            return self._local(ref, source)
        if ask is not None and ask(f"{ref.id} ({ref.size}) is not on this machine yet. Pull it now?"):
            return self.pull(ref.id, progress=progress, carrier=carrier)
        raise ModelNotFoundError(
            f"{ref.id} is not on this machine yet", hint=f"`nbcopilot models pull {ref.id}` ({ref.size})"
        )

    def pull(self, name: str = AUTO, *, progress: Progress | None = None, carrier: str = "auto") -> LocalModel:
        """Bring a model here, or check the hash of the one that is; a damaged one is replaced.

        Raises DownloadError, DiskFullError, ModelCorruptError; the store is then as it was, and what was
        downloaded so far is kept for the next pull (not after a wrong hash or on a full disk).
        """
        ref = self.ref(name)
        if ref.path is not None or ref.kind == "fake":
            return self.ensure(ref.id)
        with self._writing(), self.lock(ref, progress):
            source = self.source(ref)
            if source is None and carrier == "none":
                raise DownloadError(
                    f"{ref.id} is not here, and downloads are switched off (download_from)",
                    hint="copy its folder or .gguf file to this machine and name that: --model PATH",
                )
            if source is None or self._problems(ref, source, progress):
                staging = self.folder(ref) / ".pull"
                try:
                    self._take_over(ref, fetch(ref, staging, carrier=carrier, progress=progress))
                    shutil.rmtree(staging, ignore_errors=True)
                finally:
                    with suppress(OSError):
                        staging.rmdir()  # only when nothing is kept for the next pull
            return self.ensure(ref.id)

    def _take_over(self, ref: ModelRef, fetched: Fetched) -> None:
        folder = self.folder(ref)
        record = {
            "schema": 1,
            "id": ref.id,
            "sha256": fetched.sha256,
            "bytes": fetched.bytes,
            "carrier": fetched.carrier,
            "repo": ref.hub.repo if ref.hub else "",
            "revision": fetched.revision or (ref.hub.revision if ref.hub else ""),
            "license": ref.license,
            "pulled": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        write_json(folder / "source.json", record)
        final = folder / ("source.gguf" if fetched.sha256 else "snapshot")
        if final.is_dir():
            shutil.rmtree(final)
        os.replace(fetched.path, final)

    def _local(self, ref: ModelRef, source: Path) -> LocalModel:
        if source.is_dir():
            return LocalModel(source, ref, self._local_sha256(source))
        recorded = read_json(self.folder(ref) / "source.json") if ref.path is None else {}
        expected, size = recorded.get("bytes", ref.bytes), source.stat().st_size
        if expected is not None and size != expected:
            raise ModelCorruptError(
                f"{ref.id} has {size} bytes in the store, not {expected}", hint=f"`nbcopilot models pull {ref.id}`"
            )
        return LocalModel(source, ref, ref.sha256 or recorded.get("sha256") or self._local_sha256(source))

    def _local_sha256(self, source: Path) -> str:
        """The hash of a user's own file or folder, remembered beside the models."""
        return (
            manifest_sha256(source)
            if (source / MANIFEST).is_file()
            else local_sha256(source, self.root / "hashes.json")
        )

    # ---------------------------------------------------------------- what the engine made of it

    def converted_dir(self, model: LocalModel, precision: str, format_version: int) -> Path:
        """The folder for one conversion of this very source; it exists only when it is complete."""
        return self.folder(model.ref) / f"converted-{format_version}-{model.sha256[:12]}-{precision}"

    def convert(
        self,
        model: LocalModel,
        precision: str,
        format_version: int,
        build: Callable[[Path], None],
        progress: Progress | None = None,
    ) -> Path:
        """The conversion's folder; when it is missing or damaged, `build(empty_folder)` fills it, once for all processes.

        Conversions of older formats at the same precision are removed afterwards. Raises DiskFullError (then
        nothing is left behind), and whatever `build` raises.
        """
        final = self.converted_dir(model, precision, format_version)
        if final.is_dir() and not manifest_problems(final, hashes=False):
            return final
        with self._writing(), self.lock(model.ref, progress):
            if final.is_dir() and not manifest_problems(final, hashes=False):
                return final
            with tempfile.TemporaryDirectory(prefix=".convert-", dir=final.parent, ignore_cleanup_errors=True) as work:
                place = Path(work) / "new"
                place.mkdir()
                build(place)
                if model.ref.path is not None:  # so that the list can say whose conversion this is
                    write_json(final.parent / "source.json", {"schema": 1, "id": model.ref.id, "sha256": model.sha256})
                self.publish(place, final)
        return final

    def publish(self, built: Path, final: Path) -> Path:
        """Give a filled folder its final name, with a manifest, whole or not at all. Both must be in one model's folder."""
        write_manifest(built)
        if final.exists():
            shutil.rmtree(final)
        os.replace(built, final)
        _, version, _, precision = final.name.split("-", 3)
        for other in final.parent.glob(f"converted-*-*-{precision}"):
            number = other.name.split("-", 2)[1]
            if number.isdigit() and int(number) < int(version):
                shutil.rmtree(other, ignore_errors=True)
        return final

    @contextmanager
    def lock(self, ref: ModelRef, progress: Progress | None = None) -> Iterator[None]:
        """Alone with the model's folder, among all processes; `progress` hears once a second that we wait."""
        folder = self.folder(ref)
        self.root.mkdir(parents=True, exist_ok=True)
        guard = FileLock(str(self.root / f".{ref.slug}.lock"))
        while True:
            try:
                guard.acquire(timeout=1.0, poll_interval=0.1)
                break
            except Timeout:
                if progress:
                    done = tree_bytes(folder / ".pull")
                    progress(
                        min(done, ref.bytes or done), ref.bytes or 0, f"{ref.id}: another process is at it, waiting"
                    )
        try:
            folder.mkdir(exist_ok=True)
            yield
        finally:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
            guard.release()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The store's own place where errors of the operating system become ours."""
        try:
            yield
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                hint = "free some space, or let NBCOPILOT_CACHE_DIR name a folder on a larger disk"
                raise DiskFullError(f"the disk of {self.root} is full", hint=hint) from exc
            if isinstance(exc, ConnectionError):  # whoever listens to the progress went away
                raise
            hint = "let NBCOPILOT_CACHE_DIR name a folder that you may write"
            fact = f"{exc.strerror or exc}: {exc.filename}" if exc.filename else str(exc)
            raise DownloadError(f"the model store {self.root} cannot be used ({fact})", hint=hint) from exc

    # ---------------------------------------------------------------- look, check, remove

    def models(self) -> tuple[StoredModel, ...]:
        """All models that have a folder in the store, by id."""
        folders = [path for path in self.root.iterdir() if path.is_dir()] if self.root.is_dir() else []
        return tuple(sorted(map(stored, folders), key=lambda model: model.id))

    def verify(self, name: str, *, progress: Progress | None = None) -> Verification:
        """Hash a model and its conversions again. Raises ModelNotFoundError when it is not here."""
        ref = self.ref(name)
        source = self.source(ref)
        if source is None or ref.kind == "fake":
            raise ModelNotFoundError(
                f"{ref.id} is not on this machine", hint=f"`nbcopilot models pull {ref.id}` ({ref.size})"
            )
        folders = sorted(self.folder(ref).glob("converted-*"))
        problems = self._problems(ref, source, progress)
        problems += [problem for folder in folders for problem in manifest_problems(folder, hashes=True)]
        return Verification(ref.id, tree_bytes(source) + sum(map(tree_bytes, folders)), tuple(problems))

    def _problems(self, ref: ModelRef, source: Path, progress: Progress | None) -> list[str]:
        record = read_json(self.folder(ref) / "source.json") if ref.path is None else {}
        return source_problems(ref, source, record, progress)

    def remove(self, name: str) -> int:
        """Delete a model and its conversions (a local file itself is never touched); gives back the bytes freed.

        Raises ModelNotFoundError when the store holds nothing of it, EngineError when a file is in use.
        """
        kept = {model.id: model.folder for model in self.models()}
        folder = kept.get(name) or self.folder(self.ref(name))
        if not folder.is_dir():
            raise ModelNotFoundError(
                f"the store holds nothing of {name}", hint="`nbcopilot models list` shows what is there"
            )
        with FileLock(str(self.root / f".{folder.name}.lock")):
            freed = tree_bytes(folder)
            try:
                shutil.rmtree(folder)
            except OSError as exc:
                fact = f"{exc.filename or folder} cannot be removed: {exc.strerror}"
                raise EngineError(fact, hint="`nbcopilot stop` ends the engine that may use it") from exc
        return freed


def ensure(
    name: str = AUTO,
    *,
    ask: Callable[[str], bool] | None = None,
    progress: Progress | None = None,
    carrier: str = "auto",
) -> LocalModel:
    """`Store.ensure` on the user's own store."""
    return Store().ensure(name, ask=ask, progress=progress, carrier=carrier)


def listing(store: Store | None = None) -> list[str]:
    """The catalog and everything else in the store, as aligned lines with a header: what is here, what could be."""
    return table(entries().values(), (store or Store()).models())
