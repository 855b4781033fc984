"""The HTTP side: authenticated, XSRF-checked, one line of JSON per event, nothing that blocks the loop."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, TypeVar, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.iostream import StreamClosedError

from nbcopilot import features
from nbcopilot.errors import EngineUnavailableError, InternalError, NbcopilotError, UsageError
from nbcopilot.inference import Usage
from nbcopilot.server.answers import answer
from nbcopilot.server.completion import complete
from nbcopilot.server.rooms import Rooms
from nbcopilot.server.state import State
from nbcopilot.server.wire import Json, read_completion, read_conversation, read_request, write_error
from nbcopilot.server.worker import Feed
from nbcopilot.write.changes import read as read_changes

log = logging.getLogger("nbcopilot.server")
# More than this many requests at once is a page gone wild, not a user.
MAX_RUNNING = 32
HTTP_STATUS = {"usage": 400, "config": 400, "empty-prompt": 400, "prompt-too-large": 413, "unknown-model": 404,
               "model-missing": 409, "edit-conflict": 409, "engine-unavailable": 503, "out-of-memory": 507, "disk-full": 507,
               "quota": 429}  # fmt: skip


_REFUSALS = {
    "write": "You may look at nbcopilot on this server, but not write with it. Ask its owner or administrator",
    "read": "You may not look at nbcopilot on this server. Ask its owner or administrator",
    "execute": "You may look at nbcopilot on this server, but not ask its model. Ask its owner or administrator",
}
Method = TypeVar("Method", bound=Callable[..., Any])


def may(action: str) -> Callable[[Method], Method]:
    """Ask the server's Authorizer whether the user may do `action` with "nbcopilot"."""
    return cast("Callable[[Method], Method]", authorized(action, message=_REFUSALS[action]))


class Handler(APIHandler):
    """What all handlers share: JSON in, errors as {code, message, hint}.

    The server's Authorizer is asked about the resource "nbcopilot": reading looks, executing runs code and asks models.
    """

    auth_resource = "nbcopilot"

    @property
    def state(self) -> State:
        return cast("State", self.settings["nbcopilot"])

    def body(self) -> Any:
        """The request as JSON; half of a surrogate pair, which no encoder takes, is a question mark."""
        try:
            value = json.loads(self.request.body or b"{}")
            return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        except (ValueError, RecursionError) as exc:
            raise UsageError(f"the body is not JSON: {exc}") from exc

    def fail(self, error: NbcopilotError) -> None:
        self.set_status(HTTP_STATUS.get(error.code, 500 if error.exit_code == 1 else 422))
        self.finish(json.dumps(write_error(error)))


class StatusHandler(Handler):
    """GET: state of model and engine."""

    @web.authenticated
    @may("read")
    async def get(self) -> None:
        loop = asyncio.get_running_loop()
        await self.finish(json.dumps(await loop.run_in_executor(None, self.state.status)))


class ModelsHandler(Handler):
    """GET: the models that the first-run guide offers."""

    @web.authenticated
    @may("read")
    async def get(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(None, self.state.models)
        except NbcopilotError as exc:
            return self.fail(exc)
        await self.finish(json.dumps(found))


class LinesHandler(Handler):
    """A stream of JSON lines made in a thread; a closed connection stops the thread at the next item."""

    feed: Feed[Json] | None = None

    async def run(self, make: Callable[[threading.Event], Iterator[Json]]) -> None:
        self.feed = Feed(make)
        self.set_header("Content-Type", "application/x-ndjson")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")  # nginx in front of a hub would hold the lines back
        try:
            async for line in self.feed:
                await self._send(line)
        except StreamClosedError:
            log.debug("the page closed the connection")
        except NbcopilotError as exc:
            await self._give_up(exc)
        except Exception as exc:
            log.exception("a request failed")
            await self._give_up(InternalError(f"{type(exc).__name__}: {exc}", hint="the server's log has more"))
        finally:
            self.feed.close()

    async def _send(self, line: Json) -> None:
        self.write(json.dumps(line, ensure_ascii=False) + "\n")
        await self.flush()

    async def _give_up(self, error: NbcopilotError) -> None:
        """Before the first line as an HTTP status, after it as a line: the header is gone by then."""
        if not self._headers_written:
            self.set_header("Content-Type", "application/json")
            return self.fail(error)
        try:
            await self._send(write_error(error))
        except StreamClosedError:
            log.debug("the page closed the connection")

    def on_connection_close(self) -> None:
        if self.feed is not None:
            self.feed.close()


class StreamHandler(LinesHandler):
    """POST: one request of the sidebar; the events of its answer."""

    @web.authenticated
    @may("execute")
    async def post(self) -> None:
        state = self.state
        try:
            if state.running >= MAX_RUNNING:
                raise EngineUnavailableError(f"{state.running} requests are running already", hint="stop some of them")
            body = self.body()
            task, notebook, config = read_request(body, state.load())
            conversation = read_conversation(body)
            features.require(config, "sidebar")
            notebook = state.below_root(notebook)
        except NbcopilotError as exc:
            return self.fail(exc)

        def make(stopped: threading.Event) -> Iterator[Json]:
            state.running += 1
            try:
                copilot = state.copilot(config)
                yield {"type": "started", "id": uuid.uuid4().hex}
                for text in state.notices():
                    yield {"type": "notice", "message": text, "hint": "", "severity": "info"}
                with closing(cast("Any", answer(copilot, task, notebook, stopped, conversation))) as lines:
                    for line in lines:
                        if line["type"] == "done":
                            state.measure(Usage(**line["usage"]))
                        yield line
            finally:
                state.running -= 1

        await self.run(make)


class CompleteHandler(LinesHandler):
    """POST: ghost text; each line holds the whole text so far."""

    @web.authenticated
    @may("execute")
    async def post(self) -> None:
        state = self.state
        try:
            gap, config = read_completion(self.body()), state.load()
            features.require(config, "ghost-text")
        except NbcopilotError as exc:
            return self.fail(exc)
        await self.run(lambda _: complete(state.completer, state.copilot(config).engine, gap))


class TrustHandler(Handler):
    """POST {folder}: the user trusts the project that `status` asked about; the answer is the status."""

    @web.authenticated
    @may("execute")
    async def post(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            folder = self.body()["folder"]
            if not isinstance(folder, str):
                raise TypeError
            await loop.run_in_executor(None, self.state.trust, folder)
        except (KeyError, TypeError):
            return self.fail(UsageError('the body must be {"folder": path}'))
        except NbcopilotError as exc:
            return self.fail(exc)
        await self.finish(json.dumps(await loop.run_in_executor(None, self.state.status)))


class RoomHandler(Handler):
    """GET ?file: the kinds of shared sessions that have a file open. POST {file, steps, metadata}: change it there.

    For programs of the user that would else write the file beside the session; on the event loop, which owns it.
    """

    @property
    def rooms(self) -> Rooms:
        return cast("Rooms", self.settings["nbcopilot_rooms"])

    @web.authenticated
    @may("read")
    async def get(self) -> None:
        await self.finish(json.dumps({"kinds": self.rooms.kinds(self.get_query_argument("file", ""))}))

    @web.authenticated
    @may("write")
    async def post(self) -> None:
        try:
            body = self.body()
            if not isinstance(body, dict) or not isinstance(body.get("file"), str):
                raise UsageError('the body must be {"file": path, "steps": …, "metadata": …}')
            cells = self.rooms.write(body["file"], read_changes(body))
        except NbcopilotError as exc:
            return self.fail(exc)
        await self.finish(json.dumps({"cells": cells}))


class PullHandler(LinesHandler):
    """POST {model}: bring a model to this machine, with progress."""

    @web.authenticated
    @may("execute")
    async def post(self) -> None:
        try:
            name = self.body()["model"]
            if not isinstance(name, str):
                raise TypeError
        except (NbcopilotError, KeyError, TypeError):
            return self.fail(UsageError('the body must be {"model": id}'))
        await self.run(lambda stopped: self.state.pull(name, stopped))
