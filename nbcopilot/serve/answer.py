"""The response to a request for completions: a Job's chunks as one JSON object or as server-sent events."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any, cast

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from nbcopilot.errors import EngineUnavailableError
from nbcopilot.inference import Chunk, Usage
from nbcopilot.serve import entry as entries
from nbcopilot.serve import schema, shapes
from nbcopilot.serve.entry import Entry
from nbcopilot.serve.job import Job
from nbcopilot.serve.responses import EventStream, known, nothing, peer, problem, stopping
from nbcopilot.serve.state import State


class Answer(Response):
    """A response that is made while it is sent; the client's going ends the engine's work."""

    def __init__(self, state: State, asked: schema.Asked) -> None:
        super().__init__()
        self._state, self._asked = state, asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state, entry = self._state, entries.of(scope)
        asked = self._asked.within(entry.left)
        state.counts["requests"] += 1
        client = asked.client or peer(scope)
        job = state.job(lambda: _chunks(state, asked, entry), entry, priority=asked.priority, client=client)
        shape = shapes.Shape(asked, uuid.uuid4().hex, int(time.time()))
        async with stopping(job, receive):
            await (self._stream if asked.stream else self._whole)(job, shape, send)

    async def _stream(self, job: Job[Chunk], shape: shapes.Shape, send: Send) -> None:
        usages: dict[int, Usage] = {}
        seen: set[int] = set()
        out = EventStream(send)
        try:
            async for chunk in self._named(job, shape):
                if chunk.usage is not None:
                    usages[chunk.index] = chunk.usage
                await out.send(shape.part(chunk, first=chunk.index not in seen))
                seen.add(chunk.index)
            if self._asked.include_usage:
                await out.send(shape.usage([usage for _, usage in sorted(usages.items())]))
            await out.end()
        except Exception as exc:
            await out.fail(known(exc))

    async def _whole(self, job: Job[Chunk], shape: shapes.Shape, send: Send) -> None:
        chunks: dict[int, list[Chunk]] = {}
        try:
            async for chunk in self._named(job, shape):
                chunks.setdefault(chunk.index, []).append(chunk)
            response: Response = JSONResponse(shape.whole(chunks))
        except Exception as exc:
            response = problem(known(exc))
        await response({"type": "http"}, nothing, send)

    async def _named(self, job: Job[Chunk], shape: shapes.Shape) -> AsyncIterator[Chunk]:
        """The chunks; by the first one the model is known. An answer that was broken off ends in an error."""
        finished = 0
        async for chunk in job:
            if chunk.finish is not None:
                finished += 1
            loaded = self._state.pool.find(self._asked.model)
            if loaded is not None:
                shape.named(loaded.info.id)
            yield chunk
        if finished < len(self._asked.prompts) * self._asked.candidates:
            raise EngineUnavailableError("the engine stopped in the middle of the answer", hint="run it again")


def _chunks(state: State, asked: schema.Asked, entry: Entry) -> Iterator[Chunk]:
    """The answer of the engine, in a worker thread: choices are numbered over prompts and candidates."""
    with state.pool.use(asked.model) as loaded:
        for name in ("logprobs", "echo"):
            wanted = getattr(asked.sampling, name)
            if wanted is not None and wanted is not False and not loaded.info.detail.get(name):
                raise schema.FieldError(name, f"{loaded.info.id} gives no {name} here", hint=f"omit `{name}`")
        engine = entry.engine(loaded.engine, loaded.info)
        if len(asked.prompts) > 1 and asked.candidates == 1:
            stream = engine.generate_batch(asked.prompts, asked.sampling)
            with contextlib.closing(cast("Any", stream)):
                for at, chunk in stream:
                    yield _numbered(chunk, at)
            return
        for at, prompt in enumerate(asked.prompts):
            chunks = engine.generate(prompt, asked.sampling, candidates=asked.candidates)
            with contextlib.closing(cast("Any", chunks)):
                for chunk in chunks:
                    yield _numbered(chunk, at * asked.candidates + chunk.index)


def _numbered(chunk: Chunk, index: int) -> Chunk:
    return replace(chunk, index=index)
