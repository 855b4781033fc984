"""Who is answered over the network: callers with a key, or programs of this machine; no web page unless it is allowed.

Over the private socket, which only its owner can open, everybody is. Header checks follow RFC 9110 (Host, Origin) and
Fetch Metadata (Sec-Fetch-Site).
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import OrderedDict
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from nbcopilot.errors import ConfigError, QuotaError
from nbcopilot.serve import entry as entries
from nbcopilot.serve.callers import OWNER, RefusedError
from nbcopilot.serve.entry import Entry
from nbcopilot.serve.keys import METRICS, PATTERN
from nbcopilot.serve.pages import page_of
from nbcopilot.serve.responses import is_private, problem, refusal
from nbcopilot.serve.state import State
from nbcopilot.urls import is_loopback

log = logging.getLogger("nbcopilot.serve")
# RFC 9110, section 7.2: a name or an address, and a port; nothing else.
_HOST = re.compile(r"(?P<name>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# The wait after wrong keys of one address doubles with each, up to a limit; what was long ago is forgotten.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, FORGIVEN_SECONDS = 0.1, 5.0, 600.0
ADDRESSES = 10_000


class Guard:
    """Lets a request through to `app`, or refuses it."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app, self._state, self._slow = app, state, SlowDown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refused = await self._refused(Request(scope), entries.of(scope))
            if refused is not None:
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _refused(self, request: Request, entry: Entry) -> Response | None:
        """The refusal; None when the request may go on, with the caller and a seat noted in `entry`."""
        path = str(request.scope["path"])
        if is_private(request.scope) or path == "/health":
            entry.caller = OWNER
            return None
        try:
            early = self._page(request) or self._address(request) or await self._key(request, entry)
            late = early or self._host(request, entry) or self._type(request) or self._may(request, entry)
            if late is None and page_of(path).generates:
                await self._state.accounts.enter(entry)
            return late
        except RefusedError as exc:
            return refusal(exc.status, exc.code, str(exc))
        except QuotaError as exc:
            return problem(exc)
        except ConfigError as exc:
            log.error("nobody is let in: %s", exc)
            return refusal(503, "keys_unavailable", "the keys of this server cannot be read; its log says why")

    def _page(self, request: Request) -> Response | None:
        """A page in a browser says where it comes from; programs send no Origin."""
        origins = request.headers.getlist("origin")
        foreign = request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if all(origin in self._state.origins for origin in origins) and (origins or not foreign):
            return None
        return refusal(
            403, "forbidden", "requests of web pages are refused; `nbcopilot serve --allow-origin` allows one"
        )

    def _address(self, request: Request) -> Response | None:
        """A key in an address stands in logs and histories, so it is no secret any more."""
        query = request.scope["query_string"].decode("latin-1")
        if PATTERN.search(unquote(f"{request.scope['path']}?{query}")) is None:
            return None
        return refusal(
            400,
            "key_in_url",
            "there is a key in the address, where others can read it: revoke it, and send the next one as `Authorization: Bearer KEY`",
        )

    async def _key(self, request: Request, entry: Entry) -> Response | None:
        """Whose key it is; without any key of this server everybody who can come in is its owner."""
        known = [one for one in self._state.authenticators if await one.is_required()]
        if not known:
            entry.caller = OWNER
            return None
        address = request.client.host if request.client else ""
        given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        for one in known if given else ():
            caller = await one.caller(given)
            if caller is not None:
                self._slow.forget(address)
                entry.caller = caller
                return None
        await asyncio.sleep(self._slow.wait(address))
        return refusal(401, "invalid_api_key", "the bearer key is missing or wrong")

    def _may(self, request: Request, entry: Entry) -> Response | None:
        path = request.scope["path"]
        page = page_of(path)
        if page.needs in entry.caller.may:
            return None
        if page.needs == METRICS:
            return refusal(403, "forbidden", "/metrics needs a key of its own: nbcopilot keys add NAME --metrics")
        kinds = " and ".join(sorted(entry.caller.may)) or "nothing"
        return refusal(403, "forbidden", f"this key is for {kinds}; it does not open {path}")

    def _host(self, request: Request, entry: Entry) -> Response | None:
        """Without a key a page must not reach us by a name of its own that it points here (DNS rebinding)."""
        if entry.caller is not OWNER:
            return None
        hosts = request.headers.getlist("host")
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if match is not None and is_loopback(match["name"].strip("[]")):
            return None
        return refusal(403, "forbidden", "without a key only programs on this machine are answered")

    def _type(self, request: Request) -> Response | None:
        """A form or an image cannot send JSON, so that a page cannot ask without a preflight."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method != "POST" or kind == "application/json":
            return None
        return refusal(415, "unsupported_media_type", "the body must be application/json")


class SlowDown:
    """How long an address waits after a wrong key: 0.1 s, then twice as long each time, at most 5 s."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Note one more failure; the seconds to wait before the refusal is sent."""
        count, last = self._failures.pop(address, (0, 0.0))
        count = 1 if time.monotonic() - last > FORGIVEN_SECONDS else count + 1
        self._failures[address] = (count, time.monotonic())
        while len(self._failures) > ADDRESSES:
            self._failures.popitem(last=False)
        return float(min(FIRST_WAIT_SECONDS * 2 ** min(count - 1, 20), LONGEST_WAIT_SECONDS))

    def forget(self, address: str) -> None:
        """The right key was given."""
        self._failures.pop(address, None)
