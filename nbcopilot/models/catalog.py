"""Which model a name means, and which one is chosen when none is named. Reads `catalog.toml`; touches no network.

`resolve` turns what a user typed into a `ModelRef`; the store turns a `ModelRef` into files on this machine.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple

from nbcopilot.errors import UnknownModelError
from nbcopilot.urls import is_url

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

Kind = Literal["catalog", "hub", "gguf", "folder", "fake"]
FAKE = "fake"
AUTO = "auto"
_HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?(:(?P<file>[\w./-]+\.gguf))?", re.ASCII)


@dataclass(frozen=True)
class WheelParts:
    """A file carried in parts by published wheels. `package` and `member` are formats of the part's number {n}.

    All parts but the last hold `part_bytes` bytes.
    """

    package: str
    version: str
    count: int
    part_bytes: int
    member: str

    def requirement(self, number: int) -> str:
        """`name==version` of part `number` (1 .. count)."""
        return f"{self.package.format(n=number)}=={self.version}"

    def path(self, number: int) -> str:
        """The name of the member inside the wheel of part `number`."""
        return self.member.format(n=number)

    def size(self, number: int, total_bytes: int) -> int:
        """Bytes of part `number` of a file of `total_bytes`."""
        return self.part_bytes if number < self.count else total_bytes - self.part_bytes * (self.count - 1)


@dataclass(frozen=True)
class HubFile:
    """Where the hub keeps it. `file` "" means: the repository's own transformers files, or its one .gguf."""

    repo: str
    revision: str = "main"
    file: str = ""


@dataclass(frozen=True)
class ModelRef:
    """One model, named but perhaps not here yet.

    `bytes` and `sha256` are None where nothing is recorded (hub ids: taken from the hub when pulled, then
    kept in the store; local files: computed). `path` is set for local files and folders only.
    """

    id: str
    kind: Kind
    bytes: int | None = None
    sha256: str | None = None
    license: str = ""
    purpose: str = ""
    note: str = ""
    aliases: tuple[str, ...] = ()
    hub: HubFile | None = None
    wheels: WheelParts | None = None
    path: Path | None = None

    @property
    def slug(self) -> str:
        """The id as a folder name; local files are told apart by a hash of their path."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "--", self.path.stem if self.path else self.id).strip("-.") or "model"
        return f"local--{name}-{hashlib.sha256(self.id.encode()).hexdigest()[:8]}" if self.path else name

    @property
    def size(self) -> str:
        """The download as people say it ("491 MB"), or "size unknown"."""
        return human_bytes(self.bytes) if self.bytes else "size unknown"


class Choice(NamedTuple):
    """The model that `auto` means here, and the reason as a sentence without its full stop."""

    id: str
    reason: str


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "catalog.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def entries() -> dict[str, ModelRef]:
    """All models of the catalog by id, smallest first."""
    return {id: entry(id, fields) for id, fields in _document()["models"].items()}


def entry(id: str, fields: dict[str, Any]) -> ModelRef:
    """A ModelRef from one table of a catalog file."""
    wheels = fields.get("wheels")
    return ModelRef(
        id=id,
        kind="catalog",
        bytes=fields.get("bytes"),
        sha256=fields.get("sha256"),
        license=fields["license"],
        purpose=fields["purpose"],
        note=fields.get("note", ""),
        aliases=tuple(fields.get("aliases", ())),
        hub=HubFile(fields["repo"], fields["revision"], fields["file"]),
        wheels=WheelParts(**wheels) if wheels else None,
    )


def resolve(name: str) -> ModelRef:
    """The model that `name` means: a catalog id or alias, `fake` (or `fake:…`), a folder, a .gguf file, or a hub id.

    A hub id is `org/name`, with `@revision` and `:file.gguf` where wanted. Nothing is downloaded or opened.
    `auto` is not a name: `default_model` and `Store.ref` know what is on the machine.
    Raises UnknownModelError that names the nearest id.
    """
    name = name.strip()
    if name.partition(":")[0] == FAKE:
        return ModelRef(name, "fake", purpose="scripted answers for tests and docs")
    known = _named(name)
    if known is not None:
        return known
    if is_url(name):
        raise UnknownModelError(f"{name} is the address of a server, not a model", hint=f'set `engine = "{name}"`')
    path = Path(name).expanduser()
    if name and (path.is_file() or path.is_dir()):
        return _local(name, path.resolve())
    match = _HUB_ID.fullmatch(name)
    looks_like_path = name.startswith((".", "~", "/", "\\")) or (name.endswith(".gguf") and ":" not in name)
    if match and not looks_like_path:
        hub = HubFile(match["repo"], match["revision"] or "main", match["file"] or "")
        return ModelRef(name, "hub", hub=hub, note="no hash recorded: taken from the hub when pulled")
    if looks_like_path or Path(name).is_absolute():
        raise UnknownModelError(f"there is no model at {name}", hint="name a .gguf file or a transformers folder")
    raise UnknownModelError(f"unknown model `{name}`", hint=_nearest(name))


def _named(name: str) -> ModelRef | None:
    lowered = name.lower()
    for ref in entries().values():
        if lowered in (ref.id, *ref.aliases) or (ref.hub and lowered == ref.hub.repo.lower()):
            return ref
    return None


def _local(name: str, path: Path) -> ModelRef:
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise UnknownModelError(f"{name} is not a .gguf file", hint="name a .gguf file or a transformers folder")
        return ModelRef(str(path), "gguf", bytes=path.stat().st_size, path=path)
    if (path / "config.json").is_file():
        return ModelRef(str(path), "folder", path=path)
    found = sorted(path.glob("*.gguf"))
    if len(found) == 1:
        return _local(name, found[0])
    if found:
        raise UnknownModelError(f"{name} holds {len(found)} .gguf files", hint=f"name one of them, as {found[0]}")
    raise UnknownModelError(f"{name} holds no model: no config.json, no .gguf", hint="name a transformers folder")


def _nearest(name: str) -> str:
    names = {alias: ref.id for ref in entries().values() for alias in (ref.id, *ref.aliases)}
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    listing = "`nbcopilot models list` shows all; a folder, a .gguf file or a hub id (org/name) works too"
    return f"did you mean `{names[near[0]]}`? {listing}" if near else listing


def default_model(free_bytes: int, pulled: Collection[str] = ()) -> Choice:
    """The model for a machine with `free_bytes` of free memory, and why.

    The large one from 6 GB free, else the small one. What is on the machine wins over a download: when the
    choice is not among `pulled` but the other one is and fits, the other one is used, and the reason says so.
    """
    rule = _document()["default"]
    large, small, limit = rule["large"], rule["small"], rule["large_from_free_bytes"]
    wanted, other = (large, small) if free_bytes >= limit else (small, large)
    compare = "at least" if wanted == large else "less than"
    reason = f"{human_bytes(free_bytes)} of memory free, {compare} {human_bytes(limit)}"
    if wanted not in pulled and other in pulled:
        ref = entries()[wanted]
        if other == small:
            more = f"the larger one would fit: `nbcopilot models pull {wanted}` ({ref.size})"
            return Choice(other, f"{reason}, but only {other} is on this machine; {more}")
        if free_bytes >= rule["large_at_least_free_bytes"]:
            less = f"the lighter one: `nbcopilot models pull {wanted}` ({ref.size})"
            return Choice(other, f"{reason}, but only {other} is on this machine and fits; {less}")
    return Choice(wanted, reason)


def human_bytes(count: int) -> str:
    """`count` in decimal units, as disks and download pages say it: "98 MB", "1.1 GB"."""
    if count >= 999_500_000:
        return f"{count / 1e9:.1f} GB"
    if count >= 999_500:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e3:.0f} kB" if count >= 1000 else f"{count} bytes"
