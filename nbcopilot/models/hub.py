"""Carrier 1: the model hub, through huggingface_hub at a pinned revision, in a child process that can be stopped.

Failing over must take seconds: when the hub has not said what the file is within `ANSWER_SECONDS`, it counts as
unreachable. What the hub says of a file is compared with the catalog before a byte of it is downloaded.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbcopilot.errors import DiskFullError, DownloadError, ModelCorruptError, NbcopilotError, UnknownModelError
from nbcopilot.models.catalog import ModelRef
from nbcopilot.models.child import Child
from nbcopilot.models.files import tree_bytes

Progress = Callable[[int, int, str], None]
# After the client is loaded. Its own time limit for one answer is 5 s; a redirect may take a second one.
ANSWER_SECONDS = 9.0
START_SECONDS = 60.0
# The client itself notices a dead line within 10 s and takes it up five times; this is for what it does not notice.
STALL_SECONDS = 300.0


@dataclass(frozen=True)
class HubItem:
    """A file as the hub describes it; `hash` is SHA-256 (64 digits), a git blob id (40 digits), or ""."""

    name: str
    bytes: int | None
    hash: str


@dataclass(frozen=True)
class HubDownload:
    """What came: the commit it is from, and the files, which lie in the folder under their own names."""

    revision: str
    items: tuple[HubItem, ...]


def download(ref: ModelRef, folder: Path, progress: Progress, room: Callable[[int], None]) -> HubDownload:
    """Fetch the file(s) of `ref` into `folder`; an interrupted one goes on where it stopped.

    `room` is told the missing bytes before the download starts, and raises when they do not fit.
    Raises DownloadError, DiskFullError, UnknownModelError, or ModelCorruptError when the hub has other bytes.
    """
    assert ref.hub is not None
    request = {"repo": ref.hub.repo, "revision": ref.hub.revision, "file": ref.hub.file, "folder": str(folder)}
    command = [sys.executable, "-m", "nbcopilot.models.hub_client", json.dumps(request)]
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_VERBOSITY": "error"}
    found: HubDownload | None = None
    deadline, waiting_for = time.monotonic() + START_SECONDS, "the hub's client did not start"
    with Child(command, folder, quiet) as client:
        for line in client.lines(STALL_SECONDS):
            if line is None:
                if found is None and time.monotonic() > deadline:
                    raise DownloadError(waiting_for)
                if found is not None:
                    _report(ref, found, folder, progress)
                continue
            message = _parse(line)
            if message.get("event") == "ready":
                deadline = time.monotonic() + ANSWER_SECONDS
                waiting_for = f"the hub did not answer within {ANSWER_SECONDS:.0f} seconds"
            elif message.get("event") == "found":
                found = _found(ref, message)
                room(max(0, sum(item.bytes or 0 for item in found.items) - tree_bytes(folder)))
            elif message.get("event") == "error":
                raise _error(ref, message)
            elif message.get("event") == "done" and found is not None:
                return found
        reason = (client.errors().strip().splitlines() or [f"code {client.code}"])[-1]
    raise DownloadError(f"the hub's client stopped: {reason}")


def _parse(line: str) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _found(ref: ModelRef, message: dict[str, Any]) -> HubDownload:
    items = tuple(HubItem(item["name"], item["bytes"], item["hash"] or "") for item in message["files"])
    for item in items:
        if ref.sha256 and len(item.hash) == 64 and item.hash != ref.sha256:
            raise ModelCorruptError(f"{item.name} has SHA-256 {item.hash[:12]}… there, not {ref.sha256[:12]}…")
    return HubDownload(message["revision"], items)


def _report(ref: ModelRef, found: HubDownload, folder: Path, progress: Progress) -> None:
    total = sum(item.bytes or 0 for item in found.items)
    progress(min(tree_bytes(folder), max(total - 1, 0)), total, ref.id)


def _error(ref: ModelRef, message: dict[str, Any]) -> NbcopilotError:
    assert ref.hub is not None
    kind, text, repo = message.get("kind"), str(message.get("message")), ref.hub.repo
    if kind == "disk":
        return DiskFullError(f"no room for {ref.id}")
    if kind == "gated":
        return DownloadError(
            f"{repo} asks for its licence to be accepted", hint="accept it on the hub, then `hf auth login`"
        )
    if kind == "missing" and ref.kind == "hub":
        where = f" at revision {ref.hub.revision}" if ref.hub.revision != "main" else ""
        name = f"no file {ref.hub.file} in {repo}" if ref.hub.file else f"no repository {repo}"
        return UnknownModelError(
            f"the hub shows us {name}{where}", hint="check the name; a private one needs `hf auth login`"
        )
    if kind == "choice":
        return UnknownModelError(f"which file of {repo}? It has: {text}", hint=f"name one, as {repo}:FILE.gguf")
    return DownloadError({"offline": text, "unreachable": f"the hub cannot be reached ({text})"}.get(str(kind), text))
