"""Somebody who has a notebook open with others: a client of jupyter-collaboration over its websocket, without a browser."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from jupyter_ydoc import YNotebook
from pycrdt import YMessageType, create_sync_message, create_update_message, handle_sync_message
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect


class Peer:
    """One open notebook, in a thread with a loop of its own. `do` runs there, as what a user does runs in a page."""

    def __init__(self, url: str, token: str, path: str) -> None:
        self.book = YNotebook()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._headers = {"Authorization": f"token {token}"}
        ask = urllib.request.Request(
            f"{url}api/collaboration/session/{quote(path)}",
            data=json.dumps({"format": "json", "type": "notebook"}).encode(),
            headers={**self._headers, "Content-Type": "application/json"},
            method="PUT",
        )
        with urllib.request.urlopen(ask, timeout=60) as reply:
            told = json.load(reply)
        room = f"json:notebook:{told['fileId']}"
        self._run(self._connect(f"ws{url[4:]}api/collaboration/room/{room}?sessionId={told['sessionId']}"))

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)

    def do(self, act: Callable[[YNotebook], Any]) -> Any:
        """What `act` gives for the open notebook; all that it changes is sent at once."""

        async def acting() -> Any:
            with self.book.ydoc.transaction():
                return act(self.book)

        return self._run(acting())

    def sources(self) -> list[str]:
        """The texts of the cells as this peer sees them."""
        return [str(text) for text in self.do(lambda book: [str(ycell["source"]) for ycell in book.ycells])]

    def type(self, at: int, text: str, where: int = 0) -> None:
        """Type into a cell."""
        self.do(lambda book: book.ycells[at]["source"].insert(where, text))

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _connect(self, url: str) -> None:
        self._socket = await websocket_connect(HTTPRequest(url, headers=self._headers), max_message_size=2**30)
        self._synced = asyncio.Event()
        self._reading = asyncio.ensure_future(self._read())
        await self._socket.write_message(create_sync_message(self.book.ydoc), binary=True)
        await asyncio.wait_for(self._synced.wait(), 60)
        self._watch = self.book.ydoc.observe(self._changed)

    async def _read(self) -> None:
        self._is_taking = False
        while (message := await self._socket.read_message()) is not None:
            if message[0] != YMessageType.SYNC:
                continue
            self._is_taking = True
            reply = handle_sync_message(message[1:], self.book.ydoc)
            self._is_taking = False
            if reply is not None:
                await self._socket.write_message(reply, binary=True)
            if message[1] == 1:  # all that the room has
                self._synced.set()

    def _changed(self, event: Any) -> None:
        if not self._is_taking:
            self._sent = self._socket.write_message(create_update_message(event.update), binary=True)

    async def _close(self) -> None:
        await asyncio.sleep(0.1)
        self._socket.close()
        self._reading.cancel()
