"""What the pages share: reading a body, sending events, refusing, and noticing that the client has gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from nbcopilot.errors import InternalError, NbcopilotError, QuotaError, UnknownModelError, UsageError, sentence
from nbcopilot.serve import shapes
from nbcopilot.serve.job import Job
from nbcopilot.serve.pool import ANY
from nbcopilot.serve.state import State

log = logging.getLogger("nbcopilot.serve")
# Largest request body: a context of 32k tokens is some 150 kB.
LIMIT_BYTES = 32 * 2**20
BODY_SECONDS = 30.0


class EventStream:
    """Server-sent events; the header goes out with the first one, so that an early error still has its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def send(self, value: object) -> None:
        """One event."""
        await self._begin()
        await self._send({"type": "http.response.body", "body": shapes.event(value), "more_body": True})

    async def end(self) -> None:
        """The end mark."""
        await self._begin()
        await self._send({"type": "http.response.body", "body": shapes.DONE, "more_body": False})

    async def fail(self, exc: NbcopilotError) -> None:
        """An error: as a status when nothing was sent yet, else as the last event."""
        if not self._begun:
            await problem(exc)({"type": "http"}, nothing, self._send)
            return
        await self.send(shapes.error(exc)[1])
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
            headers.append((b"x-accel-buffering", b"no"))  # nginx passes each event on when it comes
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})


@contextlib.asynccontextmanager
async def stopping(job: Job[Any], receive: Receive) -> AsyncIterator[None]:
    """Stop `job` when the client goes, and at the end of the block whatever happens."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        job.stop()

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()
        job.stop()


def state_of(request: Request) -> State:
    """The server's State."""
    return cast("State", request.app.state.nbcopilot)


def is_private(scope: Scope) -> bool:
    """Whether the request came over our Unix-domain socket, which only its owner can open."""
    server = scope.get("server")
    return server is not None and server[1] is None


def check_model(scope: Scope, state: State, name: str) -> None:
    """Raises UnknownModelError for a model that this client cannot have loaded."""
    if is_private(scope) or state.open_to_all or name in (*ANY, state.pool.default) or state.pool.find(name):
        return
    names = ", ".join(one.info.id for one in state.pool.loaded()) or state.pool.default
    raise UnknownModelError(f"no model `{name}` is served here", hint=f"there is {names}")


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object in the body. Raises UsageError."""
    state_of(request).touched = time.monotonic()
    try:
        data = await asyncio.wait_for(_whole(request), BODY_SECONDS)
    except asyncio.TimeoutError:
        raise UsageError(f"the body did not come within {BODY_SECONDS:g} s") from None
    try:
        value = json.loads(data or b"{}")
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"the body is not JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise UsageError("the body is not a JSON object")
    return value


async def _whole(request: Request) -> bytes:
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > LIMIT_BYTES:
            raise UsageError(f"the body is larger than {LIMIT_BYTES >> 20} MB")
    return data


async def nothing() -> Any:
    return {"type": "http.disconnect"}


def peer(scope: Scope) -> str:
    """Who asks, for fairness: the client's own name, else its address."""
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else uuid.uuid4().hex


def known(exc: BaseException) -> NbcopilotError:
    """`exc` as one of ours; what is not expected goes to the log with its traceback."""
    if isinstance(exc, NbcopilotError):
        return exc
    log.error("an answer failed", exc_info=exc)
    return InternalError(
        f"the engine failed: {type(exc).__name__}", hint="the log of `nbcopilot serve` has the details"
    )


def problem(exc: NbcopilotError) -> Response:
    status_code, body = shapes.error(exc)
    headers = {"Retry-After": str(exc.retry_seconds)} if isinstance(exc, QuotaError) else None
    return JSONResponse(body, status_code=status_code, headers=headers)


def refusal(status_code: int, code: str, message: str) -> Response:
    kind = "invalid_request_error" if status_code != 401 else "authentication_error"
    return JSONResponse(
        {"error": {"message": sentence(message), "type": kind, "param": None, "code": code}}, status_code=status_code
    )
