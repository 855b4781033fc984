"""The tiny model of tests/carriers.py: known to the catalog, carried by an index and a hub, pulled into an empty store."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from carriers import DATA, FIELDS, Handler, Hub, Index

from nbcopilot.models import catalog
from nbcopilot.models.store import Store


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> catalog.ModelRef:
    """The tiny model, known to the catalog as `tiny`; the hub cannot be reached."""
    ref = catalog.entry("tiny", FIELDS)
    monkeypatch.setitem(catalog.entries(), "tiny", ref)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "2")
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
