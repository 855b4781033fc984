"""The page for inline completion: the newest request of an editor wins, what was said before is not asked again.

Ahead of everything else in the queue. A warm-up lets the engine read the notebook and gives nothing back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from nbcopilot.serve import entry as entries
from nbcopilot.serve import shapes
from nbcopilot.serve.complete import Gap, Suggestion, warm
from nbcopilot.serve.entry import Entry
from nbcopilot.serve.job import Job
from nbcopilot.serve.responses import (
    EventStream,
    body_of,
    check_model,
    known,
    nothing,
    peer,
    problem,
    state_of,
    stopping,
)
from nbcopilot.serve.schema import read_gap
from nbcopilot.serve.state import State

# JupyterLab drops what comes later than five seconds (jupyterlab.md).
BUDGET_SECONDS = 4.5
# How long past its budget a request is waited for: one token of a busy machine.
GRACE_SECONDS = 0.5


async def complete(request: Request) -> Response:
    """A suggestion, streamed or whole; `{"warm": true}` only warms up."""
    state, body = state_of(request), await body_of(request)
    gap = read_gap(body)
    model = str(body.get("model") or "")
    check_model(request.scope, state, model)
    if body.get("warm"):
        return Warmed(state, gap, model)
    state.counts["inline"] += 1
    loaded = state.pool.find(model)
    completer = state.completer(entries.of(request.scope))
    remembered = completer.known(gap, loaded.info.id) if loaded else None
    if remembered is not None:
        whole = asdict(remembered)
        return Response(shapes.event(whole) + shapes.DONE) if body.get("stream") else JSONResponse(whole)
    return Suggested(state, gap, model, stream=bool(body.get("stream")))


class Suggested(Response):
    """A suggestion on its way. A newer request of the same editor makes it end as "superseded"."""

    def __init__(self, state: State, gap: Gap, model: str, *, stream: bool) -> None:
        super().__init__()
        self._state, self._model, self._stream = state, model, stream
        self._budget = BUDGET_SECONDS if gap.budget_seconds is None else gap.budget_seconds
        self._gap = replace(gap, budget_seconds=self._budget)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry = entries.of(scope)
        client = entry.name(self._gap.client or peer(scope))
        job = self._state.job(lambda: self._suggestions(entry), entry, priority="inline", client=client)
        self._supersede(client, job)
        timer = asyncio.get_running_loop().call_later(self._budget + GRACE_SECONDS, job.stop, "budget")
        try:
            async with stopping(job, receive):
                await self._send(job, send)
        finally:
            timer.cancel()
            if self._state.typing.get(client) is job:
                del self._state.typing[client]

    def _supersede(self, client: str, job: Job[Any]) -> None:
        older = self._state.typing.get(client)
        if older is not None:
            older.stop("superseded")
        self._state.typing[client] = job

    def _suggestions(self, entry: Entry) -> Iterator[Suggestion]:
        with self._state.pool.use(self._model) as loaded:
            engine = entry.engine(loaded.engine, loaded.info)
            yield from self._state.completer(entry).suggest(engine, self._gap, loaded.info.id)

    async def _send(self, job: Job[Suggestion], send: Send) -> None:
        out, last = EventStream(send), Suggestion("")
        try:
            async for suggestion in job:
                last = suggestion
                if self._stream and last.finish is None:
                    await out.send(asdict(last))
        except Exception as exc:
            await out.fail(known(exc))
            return
        if last.finish is None:
            last = replace(last, finish=job.reason or "stop")
        if not self._stream:
            await JSONResponse(asdict(last))({"type": "http"}, nothing, send)
            return
        await out.send(asdict(last))
        await out.end()


class Warmed(Response):
    """The answer to a warm-up, once the engine has read the text."""

    def __init__(self, state: State, gap: Gap, model: str) -> None:
        super().__init__()
        self._state, self._gap, self._model = state, gap, model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry = entries.of(scope)
        job = self._state.job(lambda: self._read(entry), entry, priority="batch", client=peer(scope))
        response: Response = JSONResponse({"warmed": True})
        async with stopping(job, receive):
            try:
                async for _ in job:
                    pass
            except Exception as exc:
                response = problem(known(exc))
            await response({"type": "http"}, nothing, send)

    def _read(self, entry: Entry) -> Iterator[None]:
        with self._state.pool.use(self._model) as loaded:
            warm(entry.engine(loaded.engine, loaded.info), self._gap)
        yield None
