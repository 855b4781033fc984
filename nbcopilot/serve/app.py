"""The resident engine's HTTP side: the OpenAI-compatible protocol and our own few pages, over any Engine.

JSON -> Asked (schema) -> Job (job: turn, thread) -> Chunks -> JSON (shapes). Sockets, processes and idle time are
the daemon's. Never logs what was asked or answered.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import psutil
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from nbcopilot._version import __version__
from nbcopilot.errors import NbcopilotError
from nbcopilot.inference import ModelInfo
from nbcopilot.serve import inline, schema, shapes
from nbcopilot.serve.accounted import Accounted
from nbcopilot.serve.answer import Answer
from nbcopilot.serve.guard import Guard
from nbcopilot.serve.responses import body_of, check_model, is_private, known, problem, refusal, state_of
from nbcopilot.serve.state import State


def build(state: State, *, prefix: str = "") -> ASGIApp:
    """The application around `state`; `prefix` is the path before its pages, where a proxy leaves it there."""
    routes = [
        Route("/health", _health),
        Route("/metrics", _metrics),
        Route("/v1/models", _models),
        Route("/v1/models/{name:path}", _model),
        Route("/v1/chat/completions", _chat, methods=["POST"]),
        Route("/v1/completions", _completion, methods=["POST"]),
        Route("/v1/nbcopilot/complete", inline.complete, methods=["POST"]),
        Route("/v1/nbcopilot/tokenize", _tokenize, methods=["POST"]),
        Route("/v1/nbcopilot/load", _load, methods=["POST"]),
        Route("/v1/nbcopilot/status", _status),
        Route("/v1/nbcopilot/shutdown", _shutdown, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers=dict.fromkeys((HTTPException, NbcopilotError, ClientDisconnect, Exception), _failed),
    )
    app.state.nbcopilot = state
    guarded: ASGIApp = Accounted(Guard(app, state), state, prefix)
    if not state.origins:
        return guarded
    headers = ["authorization", "content-type"]
    return CORSMiddleware(
        guarded, allow_origins=sorted(state.origins), allow_methods=["GET", "POST"], allow_headers=headers
    )


# --------------------------------------------------------------------------- the protocol


async def _chat(request: Request) -> Response:
    state = state_of(request)
    return _answer(request, schema.chat(await body_of(request), max_tokens=state.max_tokens))


async def _completion(request: Request) -> Response:
    return _answer(request, schema.completion(await body_of(request)))


def _answer(request: Request, asked: schema.Asked) -> Response:
    check_model(request.scope, state_of(request), asked.model)
    return Answer(state_of(request), asked)


async def _models(request: Request) -> Response:
    state = state_of(request)
    data = [shapes.model(one.info, int(state.started)) for one in state.pool.loaded()]
    return JSONResponse({"object": "list", "data": data})


async def _model(request: Request) -> Response:
    state, name = state_of(request), request.path_params["name"]
    found = next((one for one in state.pool.loaded() if name in (one.info.id, one.name)), None)
    if found is None:
        return refusal(404, "model_not_found", f"no model `{name}` is loaded here")
    return JSONResponse(shapes.model(found.info, int(state.started)))


# --------------------------------------------------------------------------- our own pages


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _metrics(request: Request) -> Response:
    metrics = state_of(request).metrics
    if metrics is None:
        return refusal(404, "not_found", "this engine gathers no metrics; `nbcopilot serve` does")
    from nbcopilot.serve.metrics import CONTENT_TYPE

    return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})


async def _load(request: Request) -> Response:
    """The model that answers to a name, loaded when it is not there; what an engine that connects asks first."""
    state, body = state_of(request), await body_of(request)
    name = str(body.get("model") or "")
    check_model(request.scope, state, name)
    info = await _in_thread(state, lambda: _info(state, name))
    return JSONResponse(shapes.model(info, int(state.started)))


def _info(state: State, name: str) -> ModelInfo:
    with state.pool.use(name) as loaded:
        return loaded.info


async def _tokenize(request: Request) -> Response:
    state, body = state_of(request), await body_of(request)
    text = body.get("text")
    if not isinstance(text, str):
        raise schema.FieldError("text", "`text` must be a text")
    name = str(body.get("model") or "")
    check_model(request.scope, state, name)

    def count() -> int:
        with state.pool.use(name) as loaded:
            return loaded.engine.count(text.encode("utf-8", "replace").decode())

    return JSONResponse({"count": await _in_thread(state, count)})


async def _status(request: Request) -> Response:
    # Not a use: looking at the engine must not keep it awake.
    return JSONResponse(status(state_of(request)))


def status(state: State) -> dict[str, Any]:
    """What `nbcopilot status` shows: models, memory, cache, queue, speed."""
    return {
        "version": __version__,
        "pid": os.getpid(),
        "uptime_seconds": round(time.time() - state.started, 1),
        "idle_seconds": 0.0 if state.jobs else round(time.monotonic() - state.touched, 1),
        "memory_bytes": psutil.Process().memory_info().rss,
        "models": [
            {"id": one.info.id, "asked_as": one.name, "running": one.running, "load_seconds": round(one.seconds, 2)}
            | {"device": one.info.device, "precision": one.info.precision, "context_tokens": one.info.context_tokens}
            | {"detail": dict(one.engine.describe().detail)}
            for one in state.pool.loaded()
        ],
        "loads": state.pool.loads,
        "queue": {"running": state.queue.running, "waiting": state.queue.waiting()},
        "requests": state.counts["requests"],
        "answers": state.counts["answers"],
        "tokens": state.counts["tokens"],
        "tokens_per_second": state.tokens_per_second(),
        "inline": {"requests": state.counts["inline"], "from_memory": sum(c.hits for c in state.completers.values())},
    }


async def _shutdown(request: Request) -> Response:
    """Stop after the running requests have ended, or at once ({"now": true}). Only for the owner, over the private socket."""
    state, body = state_of(request), await body_of(request)
    if not (is_private(request.scope) or state.open_to_all):
        return refusal(403, "forbidden", "the engine is stopped on its own machine: nbcopilot stop")
    now = bool(body.get("now"))
    running = len(state.jobs)
    if now:
        for job in list(state.jobs):
            job.stop()
    state.stop(now)
    return JSONResponse({"stopping": True, "running": running})


async def _in_thread(state: State, call: Callable[[], Any]) -> Any:
    """The result of `call` from a thread of the loop's own pool: loading must not take an answer's place."""
    state.counts["loading"] += 1
    try:
        return await asyncio.to_thread(call)
    finally:
        state.counts["loading"] -= 1
        state.touched = time.monotonic()


async def _failed(request: Request, exc: Exception) -> Response:
    """The one place where an error of a page becomes a response."""
    if isinstance(exc, HTTPException):
        code = "not_found" if exc.status_code == 404 else "http_error"
        return refusal(exc.status_code, code, f"{request.method} {request.url.path}: {exc.detail}")
    if isinstance(exc, ClientDisconnect):
        return Response(status_code=400)  # nobody reads it
    return problem(known(exc))
