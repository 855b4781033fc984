"""An engine behind HTTP: any OpenAI-compatible server, over TCP or a Unix-domain socket.

The same law as every engine: streamed chunks, prefill and stop strings never in the text, closing the iterator
closes the connection, so that the server stops. What a server cannot do is done on this side where that is
possible (`wire.Family`), else it is one sentence. Starts nothing and finds nothing: `serve.client` does.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from nbcopilot import urls
from nbcopilot.engine import wire
from nbcopilot.engine.merging import merged
from nbcopilot.engine.remote_answer import Answer
from nbcopilot.errors import EngineError, EngineUnavailableError, NbcopilotError, UnknownModelError
from nbcopilot.inference import Chunk, ModelInfo, Prompt, Sampling

CONNECT_SECONDS = 5.0
# The prompt is read before the first token: minutes for a long one on a small machine.
READ_SECONDS = 600.0
RETRIES, RETRY_SECONDS = 2, 5.0
# What reading an answer raises when the other side has gone or says something else.
BROKEN = (httpx.HTTPError, httpx.StreamError, ValueError)


@dataclass(frozen=True)
class Server:
    """What a server said of itself: its kind, the model to ask for, all models it has."""

    family: wire.Family
    info: ModelInfo
    models: tuple[str, ...] = ()


class RemoteEngine:
    """The model behind `url` (with or without `/v1`). `model` "" or "auto" takes the one that the server has.

    socket: path of a Unix-domain socket to use in place of the host in `url`. The server is asked what it has on
    first use, not here. Thread-safe.
    """

    def __init__(self, url: str, *, model: str = "", api_key: str = "", socket: Path | None = None) -> None:
        self._model = "" if model == "auto" else model
        self._socket = socket
        self._client = f"{os.getpid()}-{id(self):x}"
        self._lock = threading.Lock()
        self._server_known: Server | None = None
        self._count = functools.lru_cache(maxsize=4096)(self._count_once)
        self._aim(url, api_key)

    def _aim(self, url: str, api_key: str) -> None:
        """Point at `url`; used again when a server of ours was started anew. Raises ConfigError for what is no URL."""
        parts = urls.split(url)
        base = url.rstrip("/") if parts.path.strip("/") else f"{url.rstrip('/')}/v1"
        self.where = "the resident engine" if self._socket else f"{parts.scheme}://{parts.netloc}"
        near = self._socket is not None or urls.is_local(url)
        verify = parts.scheme == "https"  # loading certificates takes 30 ms: only where they are used
        uds = str(self._socket) if self._socket else None
        # A proxy from the environment must never see what stays on this machine.
        transport = httpx.HTTPTransport(verify=verify, uds=uds, limits=_limits(near)) if near else None
        self._http = httpx.Client(
            base_url=base,
            transport=transport,
            trust_env=not near,
            limits=_limits(near),
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        )

    def reach(self, seconds: float) -> str:
        """Why the server does not answer within so long; "" when it does, whatever it says."""
        try:
            self._http.get("models", timeout=seconds)
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            return str(exc)
        return ""

    # ------------------------------------------------------------------ the law of Engine

    def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Iterator[Chunk]:
        """Stream the answer. See `Engine.generate`; several candidates of a server without `n` are several requests."""
        server = self._server()
        if candidates == 1 or server.family.many:
            yield from self._stream(server, prompt, sampling, candidates, {})
            return
        seeds = [None if sampling.seed is None else sampling.seed + at for at in range(candidates)]
        with contextlib.closing(merged([
            functools.partial(self._stream, server, prompt, replace(sampling, seed=seed), 1, {}) for seed in seeds
        ])) as chunks:  # fmt: skip
            for index, chunk in chunks:
                yield replace(chunk, index=index)

    def generate_batch(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Chunk]]:
        """Answer several prompts side by side, a request each; the server batches them. See `Engine.generate_batch`."""
        server = self._server()
        return merged(
            [functools.partial(self._stream, server, prompt, sampling, 1, {"priority": "batch"}) for prompt in prompts]
        )

    def count(self, text: str) -> int:
        """Tokens of `text`: exact with a server of ours, else an estimate (`describe().detail["count"]` says which)."""
        return self._count(text)

    def describe(self) -> ModelInfo:
        """The model as the server names it. Raises EngineUnavailableError, UnknownModelError."""
        return self._server().info

    def close(self) -> None:
        """Close the connections; the server stays."""
        self._http.close()

    # ------------------------------------------------------------------ asking

    def _stream(
        self, server: Server, prompt: Prompt, sampling: Sampling, candidates: int, extra: Mapping[str, Any]
    ) -> Iterator[Chunk]:
        own = {"client": self._client, **extra}
        path, body = wire.request(
            prompt, sampling, server.family, model=self._name(server), candidates=candidates, extra=own
        )
        if not server.family.suffix:
            body = wire.without_suffix(body, server.info.id) or body
        answer = Answer(prompt, server.family, candidates)
        broken: Exception | None = None
        try:
            with contextlib.closing(self._open(path, body)) as response:
                for event in _events(response):
                    if "error" in event:
                        yield from answer.rest()
                        raise wire.error(0, json.dumps(event), where=self.where, model=server.info.id)
                    yield from answer.take(event)
                    if answer.stopped or "done" in event:
                        break
        except BROKEN as exc:
            broken = exc
        if not answer.pieces and not answer.finished and broken is None:
            # Some servers give the reason only to who does not stream.
            with contextlib.closing(self._open(path, {**body, "stream": False})) as response:
                for event in _events(response):
                    yield from answer.take(event)
        if not answer.finished:
            yield from answer.rest()
            why = f" ({type(broken).__name__})" if broken else ""
            raise EngineUnavailableError(
                f"{self.where} went away in the middle of the answer{why}, after {answer.pieces} pieces",
                hint="the text so far is kept; run it again",
            ) from broken
        yield from answer.end()

    def _open(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """The started response. Raises the error that a refusal stands for; tries again where the server is busy."""
        for attempt in range(RETRIES + 1):
            response = self._send("POST", path, body)
            if response.status_code == 200:
                return response
            with contextlib.closing(response):
                text = response.read().decode("utf-8", "replace")
            if response.status_code in (400, 422, 500, 501) and "suffix" in text:
                plain = wire.without_suffix(body, str(body["model"]))
                if plain is not None:
                    body = plain
                    continue
            wait = _seconds(response.headers.get("retry-after"), default=2.0**attempt / 4)
            if response.status_code not in (429, 503) or attempt == RETRIES or wait > RETRY_SECONDS:
                break
            time.sleep(wait)
        models = self._server_known.models if self._server_known else ()
        raise wire.error(response.status_code, text, where=self.where, model=str(body["model"]), models=models)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """The response with its body still to come. Raises EngineUnavailableError when there is nobody."""
        try:
            return self._try(method, path, body)
        except httpx.TransportError as exc:
            # A process that is being killed still takes connections for a moment, and then resets them.
            if not isinstance(exc, httpx.TimeoutException) and self._renew():
                with _mapped(self.where):
                    return self._try(method, path, body)
            raise _unavailable(self.where, exc) from exc

    def _try(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        content = None if body is None else wire.encode(body)
        headers = {} if content is None else {"Content-Type": "application/json"}
        return self._http.send(self._http.build_request(method, path, content=content, headers=headers), stream=True)

    def _renew(self) -> bool:
        """Whether a server that is gone was started again. Not by this class."""
        return False

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer of a short request as an object. Raises the error that it stands for."""
        with contextlib.closing(self._send(method, path, body)) as response, _mapped(self.where):
            text = response.read().decode("utf-8", "replace")
            if response.status_code != 200:
                raise wire.error(response.status_code, text, where=self.where, model=self._model)
            value = json.loads(text)
            return value if isinstance(value, dict) else {}

    # ------------------------------------------------------------------ who is there

    def _server(self) -> Server:
        with self._lock:
            if self._server_known is None:
                self._server_known = self._ask_server()
            return self._server_known

    def _ask_server(self) -> Server:
        try:
            listed = self._json("GET", "/models").get("data") or []
        except UnknownModelError:
            listed = []  # no such page: a server that only answers
        models = tuple(str(item.get("id")) for item in listed if isinstance(item, dict))
        found = next((item for item in listed if item.get("id") == self._model), None)
        if found is None and not self._model and listed:
            found = listed[0]
        if found is None and not self._model:
            raise UnknownModelError(
                f"{self.where} does not say which models it has", hint="set model to one of its names"
            )
        owner = str((found or (listed[0] if listed else {})).get("owned_by") or "")
        family = wire.FAMILIES.get(owner, wire.UNKNOWN)
        if len(models) > 1 and not self._model and family is not wire.OURS:
            raise UnknownModelError(
                f"{self.where} has {len(models)} models", hint=f"set model to one of {', '.join(models[:8])}"
            )
        return Server(family, _info(found or {}, family, self._model, self.where), models)

    def _name(self, server: Server) -> str:
        """The model to ask for."""
        return server.info.id

    def _count_once(self, text: str) -> int:
        server = self._server()
        if server.family is wire.OURS:
            body = {"model": self._name(server), "text": text}
            return int(self._json("POST", "/nbcopilot/tokenize", body)["count"])
        return estimate(text)


def estimate(text: str) -> int:
    """Tokens of `text` as a byte-pair vocabulary of a code model would cut it, some ten per cent on the safe side."""
    pieces = re.findall(r" ?[^\W\d_]+|\d| ?[^\w\s]+|\s+|_", text)
    return sum(max(1, math.ceil(len(piece.encode("utf-8", "replace")) / 6)) for piece in pieces)


# --------------------------------------------------------------------------- small parts


def _info(found: Mapping[str, Any], family: wire.Family, model: str, where: str) -> ModelInfo:
    own = found.get("nbcopilot")
    if isinstance(own, dict):
        return ModelInfo(**own)
    meta = found.get("meta") or {}
    context = next(
        (int(value) for value in (found.get("max_model_len"), meta.get("n_ctx"), found.get("context_length"), meta.get("n_ctx_train")) if value),
        8192,
    )  # fmt: skip
    detail = {"url": where, "server": family.name, "count": "estimate"}
    return ModelInfo(
        str(found.get("id") or model),
        engine="remote",
        context_tokens=context,
        device="remote",
        precision="unknown",
        detail=detail,
    )


def _events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The events of a stream; a server that does not stream gives its whole answer as one event."""
    if "json" in response.headers.get("content-type", ""):
        value = json.loads(response.read())
        yield value if isinstance(value, dict) else {}
        return
    yield from wire.events(response.iter_lines())


def _limits(near: bool) -> httpx.Limits:
    # On this machine a new connection costs nothing, and a kept one may belong to an engine that is gone.
    return httpx.Limits(max_connections=None, max_keepalive_connections=0 if near else 20)


def _seconds(value: str | None, *, default: float) -> float:
    try:
        return max(0.0, float(value)) if value else default
    except ValueError:
        return default


def _unavailable(where: str, exc: Exception) -> EngineUnavailableError:
    if isinstance(exc, httpx.ConnectError):
        return EngineUnavailableError(f"no server answers at {where}", hint='start it, or set engine = "auto"')
    if isinstance(exc, httpx.TimeoutException):
        return EngineUnavailableError(f"{where} did not answer in time ({type(exc).__name__})", hint="try again")
    return EngineUnavailableError(f"{where} went away before it answered ({type(exc).__name__})", hint="run it again")


@contextlib.contextmanager
def _mapped(where: str) -> Iterator[None]:
    """Turn what httpx and json raise into one EngineUnavailableError."""
    try:
        yield
    except NbcopilotError:
        raise
    except httpx.HTTPError as exc:
        raise _unavailable(where, exc) from exc
    except ValueError as exc:
        raise EngineError(f"{where} does not speak the OpenAI protocol: {exc}", hint="check the URL") from exc
