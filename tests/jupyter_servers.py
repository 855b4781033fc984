"""A Jupyter server in a thread of the test's process, with the extensions that a test names and the fake engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from nbcopilot.server.state import State

TOKEN = "for-the-tests"


@dataclass
class Jupyter:
    """The running server: its address, a client that is logged in, and the extension's state."""

    url: str
    client: httpx.Client
    state: State
    folder: Path

    def post(self, name: str, body: Any) -> httpx.Response:
        return self.client.post(f"nbcopilot/{name}", content=json.dumps(body))

    def lines(self, name: str, body: Any) -> list[dict[str, Any]]:
        """The lines of a streamed answer."""
        return [json.loads(line) for line in self.post(name, body).raise_for_status().text.splitlines()]


def enabling(extensions: tuple[str, ...]) -> dict[str, bool]:
    """These extensions on, every other that the environment would enable off: they take seconds to load."""
    folder = Path(sys.prefix, "etc", "jupyter", "jupyter_server_config.d")
    told = (json.loads(path.read_bytes()) for path in folder.glob("*.json"))
    there = [name for one in told for name in one.get("ServerApp", {}).get("jpserver_extensions", {})]
    return dict.fromkeys(there, False) | dict.fromkeys(extensions, True)


@contextlib.contextmanager
def serving(folder: Path, *options: str, extensions: tuple[str, ...] = ("nbcopilot",)) -> Iterator[Jupyter]:
    """A server of `folder`, with settings of its own, as long as the block lasts."""
    from jupyter_server.serverapp import ServerApp

    environ = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    environ["NBCOPILOT_CONFIG_DIR"] = str(folder / "settings")
    for place in environ.values():
        os.makedirs(place, exist_ok=True)
    before = dict(os.environ)
    os.environ.update(environ)
    started, made = threading.Event(), []

    def run() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        app = ServerApp()
        app.init_signal = lambda: None  # signals belong to the main thread
        where = ("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--ServerApp.port_retries=0")
        enabled = (f"--ServerApp.jpserver_extensions={enabling(extensions)}", "--Nbcopilot.model=fake")
        places = (f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={TOKEN}")
        places += (f"--SQLiteYStore.db_path={folder / 'ystore.db'}",)  # else in the working folder
        app.initialize(argv=["--no-browser", "--allow-root", *where, *enabled, *places, *options])
        made.append(app)
        app.io_loop.call_later(0.05, started.set)
        app.start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(300), "the server did not start"
    app = made[0]
    url = app.local_url.partition("?")[0]
    client = httpx.Client(base_url=url, headers={"Authorization": f"token {TOKEN}"}, timeout=60)
    try:
        yield Jupyter(url, client, app.web_app.settings.get("nbcopilot"), folder)
    finally:
        client.close()
        app.io_loop.add_callback(app.io_loop.stop)
        thread.join(20)
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
