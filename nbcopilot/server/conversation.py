"""The conversation about a notebook over HTTP: found again after a reload, kept turn by turn, cleared at once.

Each answer is `{turns, notice}`. A notebook that is not a file of this server's folder has none, which is no error.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from tornado import web

from nbcopilot.conversation import store
from nbcopilot.conversation.reading import cleaned, read_turn, write_turns
from nbcopilot.conversation.store import Conversation
from nbcopilot.errors import NbcopilotError, UsageError
from nbcopilot.server.handlers import Handler, may
from nbcopilot.types import Notebook


class ConversationHandler(Handler):
    """GET ?path=: the turns. POST {path, turn}: keep one. DELETE ?path=[&turn=]: remove one, or all of them."""

    @web.authenticated
    @may("read")
    async def get(self) -> None:
        path = self.get_query_argument("path", "")
        await self._answer(lambda: store.read(file) if (file := self._file(path)) else Conversation())

    @web.authenticated
    @may("execute")
    async def post(self) -> None:
        def keep() -> Conversation:
            body = self.body()
            if not isinstance(body, dict):
                raise UsageError("the body is not a JSON object")
            turn, file = read_turn(body.get("turn")), self._file(str(body.get("path", "")))
            config = self.state.load()
            if config.redact or config.redact_personal:
                turn = cleaned(turn, personal=config.redact_personal)
            return store.put(file, turn) if file else Conversation()

        await self._answer(keep)

    @web.authenticated
    @may("execute")
    async def delete(self) -> None:
        path, turn = self.get_query_argument("path", ""), self.get_query_argument("turn", "")

        def remove() -> Conversation:
            file = self._file(path)
            if file is None:
                return Conversation()
            if turn:
                return store.remove(file, turn)
            store.clear(file)
            return Conversation()

        await self._answer(remove)

    def _file(self, path: str) -> Path | None:
        """The notebook's file; None where it is none. Raises UsageError for a place outside the server's folder."""
        found = self.state.below_root(Notebook(path=Path(path))).path if path else None
        return found if found is not None and found.is_file() else None

    async def _answer(self, work: Callable[[], Conversation]) -> None:
        try:
            found = await asyncio.get_running_loop().run_in_executor(None, work)
        except NbcopilotError as exc:
            return self.fail(exc)
        await self.finish(json.dumps({"turns": write_turns(found.turns), "notice": found.notice}))
