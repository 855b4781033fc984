"""A real JupyterHub: the extension on in every server, one engine as a service, users who do not get in each other's way."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx
import pytest
from conftest import need

from nbcopilot.models.store import Store
from nbcopilot.serve.ledger import Ledger

MODEL = "smollm2-135m"
pytestmark = [pytest.mark.server, pytest.mark.model]


@dataclass
class Hub:
    """A running Hub: where it is, the right to do everything in it, and its folder."""

    url: str
    token: str
    folder: Path
    tokens: dict[str, str] = field(default_factory=dict)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=120, verify=False))

    def api(self, method: str, path: str) -> httpx.Response:
        headers = {"Authorization": f"token {self.token}"}
        return self.client.request(method, f"{self.url}/hub/api/{path}", headers=headers).raise_for_status()

    def login(self, user: str) -> None:
        self.tokens[user] = self.api("POST", f"users/{user}/tokens").json()["token"]

    def start(self, user: str, server: str = "") -> None:
        self.api("POST", f"users/{user}/servers/{server}")

    def is_up(self, user: str, server: str = "") -> bool:
        found = self.api("GET", f"users/{user}").json()["servers"].get(server)
        return bool(found and found["ready"])

    def ask(self, user: str, path: str, body: object = None) -> httpx.Response:
        """What `user` gets at `path`: GET, or POST of `body`."""
        headers = {"Authorization": f"Bearer {self.tokens[user]}"}
        method = "GET" if body is None else "POST"
        return self.client.request(method, f"{self.url}/{path}", headers=headers, json=body)

    def log(self) -> str:
        return (self.folder / "hub.log").read_text("utf-8", "replace")


def ports(count: int) -> list[int]:
    """Ports that are free now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return found


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    need(importlib.util.find_spec("jupyterhub") is not None, "JupyterHub is not installed (the extra `hub`)")
    Store().pull(MODEL)
    folder = tmp_path_factory.mktemp("hub")
    public, own, proxy, service = ports(4)
    token = secrets.token_hex(16)
    (folder / "service-run").mkdir(mode=0o700)
    told = {
        "folder": str(folder),
        "model": MODEL,
        "token": token,
        "public": public,
        "hub": own,
        "proxy": proxy,
        "service": service,
        "environment": {
            "NBCOPILOT_CONFIG_DIR": str(folder / "service"),
            "NBCOPILOT_RUNTIME_DIR": str(folder / "service-run"),
            **{name: os.environ[name] for name in ("NBCOPILOT_CACHE_DIR", "HOME") if name in os.environ},
        },
    }
    config = Path(__file__).with_name("hub_config.py")
    environ = {**os.environ, "HUB_TEST": json.dumps(told), "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(16)}
    command = [str(Path(sys.executable).with_name("configurable-http-proxy"))]
    command += ["--ip", "127.0.0.1", "--port", str(public), "--api-ip", "127.0.0.1", "--api-port", str(proxy)]
    command += [
        "--default-target",
        f"http://127.0.0.1:{own}",
        "--error-target",
        f"http://127.0.0.1:{own}/hubs/hub/error",
    ]
    with (
        (folder / "hub.log").open("wb") as out,
        running(command, folder, environ, out) as in_front,
    ):
        until_open(public, in_front)
        hub_command = [sys.executable, "-m", "jupyterhub", "-f", str(config)]
        process = subprocess.Popen(
            hub_command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, env=environ
        )
        made = Hub(f"http://127.0.0.1:{public}/hubs", token, folder)
        try:
            until(made, process, lambda: made.api("GET", "").json()["version"])
            for user in ("ada", "bob", "rita", "eve"):
                made.login(user)
            for user, name in (("ada", ""), ("ada", "second"), ("bob", "")):
                made.start(user, name)
            until(made, process, lambda: all(made.is_up(user) for user in ("ada", "bob")))
            until(made, process, lambda: made.is_up("ada", "second"))
            until(made, process, lambda: made.ask("ada", "services/nbcopilot/health").status_code == 200)
            yield made
        finally:
            process.send_signal(signal.SIGTERM)  # ends the servers and the service as well
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            made.client.close()


@contextlib.contextmanager
def running(
    command: list[str], folder: Path, environ: dict[str, str], out: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """The proxy in front of the Hub, ended with the block."""
    process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, env=environ)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until something listens on `port`."""
    while process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        threading.Event().wait(0.2)
    raise AssertionError("the proxy did not start")


def until(hub: Hub, process: subprocess.Popen[bytes], holds: object) -> None:
    """Wait for what the Hub is about to have."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        assert process.poll() is None, hub.log()[-3000:]
        try:
            if holds():  # type: ignore[operator]
                return
        except httpx.HTTPError:
            pass
        threading.Event().wait(0.2)
    raise AssertionError(hub.log()[-3000:])


GAP = {
    **json.loads((Path(__file__).parents[1] / "data" / "wire" / "complete_request.json").read_text("utf-8")),
    "prefix": "import numpy as ",
    "suffix": "\n",
    "before": [],
    "max_tokens": 4,
    "budget_seconds": 120,
}


@pytest.mark.timeout(900)
def test_users_of_a_hub_share_one_engine_and_nothing_else(hub: Hub) -> None:
    """One test: the Hub takes most of the time."""
    # The extension is on below every prefix, in named servers too, and asks the shared engine with the server's own token.
    for user, server in (("ada", "user/ada"), ("ada", "user/ada/second"), ("bob", "user/bob")):
        status = hub.ask(user, f"{server}/nbcopilot/status")
        assert status.status_code == 200, status.text
        said = [json.loads(line) for line in hub.ask(user, f"{server}/nbcopilot/complete", GAP).text.splitlines()]
        assert said[-1]["type"] == "done", said
    asked = {"prompt": "import numpy as", "max_tokens": 2, "temperature": 0}
    answer = hub.ask("bob", "services/nbcopilot/v1/completions", asked)
    assert answer.status_code == 200 and answer.json()["model"] == MODEL, answer.text
    book = Ledger(hub.folder / "service" / "keys.sqlite")
    assert book.used("hub:ada") > 0 < book.used("hub:bob") and book.used("hub:eve") == 0
    assert not list(hub.folder.glob("*/run/engine.json")), "a server has started an engine of its own"

    # Who has no right to the service is told so.
    refused = hub.ask("eve", "services/nbcopilot/v1/completions", asked)
    assert refused.status_code == 403 and "`eve` may not use this model server" in refused.json()["error"]["message"]
    assert hub.client.get(f"{hub.url}/services/nbcopilot/v1/models").status_code == 401
    assert hub.ask("ada", "services/nbcopilot/metrics").status_code == 403

    # One user's token opens nothing of another.
    for path in ("user/bob/nbcopilot/status", "user/bob/api/contents", "user/bob/api/kernels"):
        assert hub.ask("ada", path).status_code == 403
    assert hub.ask("ada", "user/bob/nbcopilot/complete", GAP).status_code == 403

    # Who may only read a shared server looks, and cannot generate.
    assert hub.ask("rita", "user/ada/nbcopilot/status").status_code == 200
    for path, body in (("complete", GAP), ("stream", {}), ("pull", {"model": MODEL})):
        refused = hub.ask("rita", f"user/ada/nbcopilot/{path}", body)
        assert refused.status_code == 403 and "not ask its model" in refused.json()["message"], refused.text
    assert hub.ask("rita", "user/ada/api/kernels", {}).status_code == 403
