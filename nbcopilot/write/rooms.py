"""Whether a file is open where several people edit it at once, and changes through that session in place of the file.

Asks the running Jupyter servers of this user, by the address and token that each leaves in Jupyter's runtime folder.
The other side is nbcopilot/server/rooms.py. A server that shares documents and cannot be asked is named in a refusal.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbcopilot import urls
from nbcopilot.errors import EditConflictError, NbcopilotError
from nbcopilot.notebook import document
from nbcopilot.write import changes

# A server that runs its handlers one by one may be busy; one that does not answer at all may hold the file.
ASK_SECONDS = 20.0
# Rooms save a second after the last change.
SAVE_SECONDS = 5.0
_OTHERWISE = "close it there, or write a copy with -o FOLDER"


@dataclass(frozen=True)
class Server:
    """A running Jupyter server: the URL of its base, its token, and the folder that it serves."""

    url: str
    token: str
    root: str

    def ask(self, method: str, path: str, **query: Any) -> tuple[int, Any]:
        """(status, JSON or None) of a request to the server itself, without proxies. Raises OSError."""
        import httpx

        # Of a server on this machine, whose certificate is as a rule its own.
        with httpx.Client(timeout=ASK_SECONDS, verify=False, trust_env=False) as client:
            headers = {"Authorization": f"token {self.token}"} if self.token else {}
            try:
                reply = client.request(method, f"{self.url}{path}", headers=headers, **query)
                return reply.status_code, reply.json()
            except ValueError:
                return reply.status_code, None
            except httpx.HTTPError as exc:
                raise OSError(str(exc) or type(exc).__name__) from exc


@dataclass(frozen=True)
class Room:
    """A shared session that holds a file. kind: of the document in it; "notebook" can be written to."""

    server: Server
    file: str
    kind: str

    def write(self, before: bytes, data: bytes) -> None:
        """Make in the session what makes `before` into `data`, and wait a moment until the server has saved it.

        Raises EditConflictError when others have changed what would be, or cells cannot be told apart.
        """
        old, new = document.loads(before, self.file), document.loads(data, self.file)
        made = changes.between(old, new)
        on_disk = Path(self.file).read_bytes()
        try:
            status, said = self.server.ask("POST", "nbcopilot/room", json={"file": self.file, **made.as_json()})
        except OSError as exc:
            raise EditConflictError(
                f"whether {self.file} was written is not known: {self.server.url} has not answered ({exc})",
                hint="look at it there before you run it again; cells are never written twice",
            ) from exc
        if status != 200:
            raise _said(said) or _unasked(self.file, self.server, f"it says {status}")
        deadline = time.monotonic() + SAVE_SECONDS
        while said["cells"] and not _is_saved(self.file, on_disk) and time.monotonic() < deadline:
            time.sleep(0.05)


def holding(path: str | Path) -> Room | None:
    """The shared session that has the file at `path` open, None when there is none.

    Raises EditConflictError where a server that shares documents serves its folder and cannot be asked.
    """
    file = os.path.realpath(path)
    for server in servers():
        try:
            status, said = server.ask("GET", "nbcopilot/room", params={"file": file})
        except OSError as exc:
            if "refused" in str(exc).lower() or not _serves(server, file):
                continue  # nothing listens there any more
            raise _unasked(file, server, f"it does not answer ({exc})") from exc
        if status == 200:
            if kinds := said["kinds"]:
                return Room(server, file, "notebook" if "notebook" in kinds else kinds[0])
        elif _serves(server, file) and _shares(server):
            why = "it needs a password" if status in (401, 403) else "nbcopilot is not installed there"
            raise _unasked(file, server, why)
    return None


def servers() -> Iterator[Server]:
    """The Jupyter servers of this user that run, as far as Jupyter's runtime folder names them."""
    from jupyter_core.paths import jupyter_runtime_dir
    from psutil import pid_exists

    for path in sorted(Path(jupyter_runtime_dir()).glob("jpserver-*.json")):
        try:
            told = json.loads(path.read_bytes())
            if pid_exists(int(told["pid"])) and urls.is_url(told["url"]):
                yield Server(told["url"], str(told.get("token") or ""), told["root_dir"])
        except (OSError, ValueError, TypeError, KeyError):
            continue  # half-written, or of something else


def _is_saved(file: str, before: bytes) -> bool:
    """Whether the file is another than `before`, and whole: Jupyter writes it in place."""
    now = Path(file).read_bytes()
    try:
        return now != before and bool(json.loads(now))
    except ValueError:
        return False


def _serves(server: Server, file: str) -> bool:
    """Whether the file lies below the folder of the server."""
    root = os.path.realpath(server.root)
    return (
        os.path.commonpath([root, file]) == root
        if os.path.splitdrive(root)[0] == os.path.splitdrive(file)[0]
        else False
    )


def _shares(server: Server) -> bool:
    """Whether the server has an interface for shared documents; a path that it does not know gives 404."""
    try:
        return server.ask("GET", "api/collaboration/session/x")[0] != 404
    except OSError:
        return True


def _said(reply: Any) -> NbcopilotError | None:
    """The error that our own handler reports."""
    if not isinstance(reply, dict) or "code" not in reply or "message" not in reply:
        return None
    return EditConflictError(str(reply["message"]), hint=str(reply.get("hint") or ""))


def _unasked(file: str, server: Server, why: str) -> EditConflictError:
    return EditConflictError(
        f"{file} may be open in the shared session at {server.url}, which cannot be asked: {why}; nothing was written",
        hint=_OTHERWISE,
    )


def refuse(room: Room) -> EditConflictError:
    """Why a file of this session cannot be written."""
    return EditConflictError(
        f"{room.file} is open in the shared session at {room.server.url}; nothing was written", hint=_OTHERWISE
    )
