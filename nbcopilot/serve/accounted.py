"""The outermost layer of the application: every request has an Entry, which is noted when the request has ended."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nbcopilot.serve import entry as entries
from nbcopilot.serve.entry import Entry
from nbcopilot.serve.pages import page_of
from nbcopilot.serve.state import State


class Accounted:
    """`app`, whose requests are entered and noted. `prefix`: what stands before our own paths behind a proxy."""

    def __init__(self, app: ASGIApp, state: State, prefix: str = "") -> None:
        self._app, self._state, self._prefix = app, state, prefix.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"])
        if self._prefix and path.startswith(f"{self._prefix}/"):
            path = path.removeprefix(self._prefix)
            scope = {**scope, "path": path, "raw_path": path.encode()}
        entry = Entry(page_of(path).name)
        entries.put(scope, entry)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            self._state.accounts.leave(entry, then=lambda: self._state.note(entry.usages))
