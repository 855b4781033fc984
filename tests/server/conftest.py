"""A Jupyter server in a thread of the test's process, with the extension enabled and the fake engine."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from nbcopilot.server.state import State

WIRE = Path(__file__).parents[1] / "data" / "wire"
TOKEN = "for-the-tests"


@dataclass
class Jupyter:
    """The running server: its address, a client that is logged in, and the extension's state."""

    url: str
    client: httpx.Client
    state: State

    def post(self, name: str, body: Any) -> httpx.Response:
        return self.client.post(f"nbcopilot/{name}", content=json.dumps(body))

    def lines(self, name: str, body: Any) -> list[dict[str, Any]]:
        """The lines of a streamed answer."""
        return [json.loads(line) for line in self.post(name, body).raise_for_status().text.splitlines()]


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    from jupyter_server.serverapp import ServerApp

    folder = tmp_path_factory.mktemp("jupyter")
    environ = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    environ["NBCOPILOT_CONFIG_DIR"] = str(folder / "settings")
    before = dict(os.environ)
    os.environ.update(environ)
    started, made = threading.Event(), []

    def run() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        app = ServerApp()
        app.init_signal = lambda: None  # signals belong to the main thread
        options = ("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--ServerApp.port_retries=0")
        extension = ("--ServerApp.jpserver_extensions={'nbcopilot': True}", "--Nbcopilot.model=fake")
        places = (f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={TOKEN}")
        app.initialize(argv=["--no-browser", "--allow-root", *options, *extension, *places])
        made.append(app)
        app.io_loop.call_later(0.05, started.set)
        app.start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(60), "the server did not start"
    app = made[0]
    url = app.local_url.partition("?")[0]
    client = httpx.Client(base_url=url, headers={"Authorization": f"token {TOKEN}"}, timeout=60)
    yield Jupyter(url, client, app.web_app.settings["nbcopilot"])
    client.close()
    app.io_loop.add_callback(app.io_loop.stop)
    thread.join(20)
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def wire() -> Callable[[str], Any]:
    """A message of tests/data/wire by its name."""
    return lambda name: json.loads((WIRE / f"{name}.json").read_text(encoding="utf-8"))
