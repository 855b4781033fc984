"""Who asks over the network, and how that is known: by the one shared key, a user's own key, or whatever else recognises one.

A caller without an id is the owner of the server.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from dataclasses import dataclass, field
from typing import Protocol

from nbcopilot.serve.keys import ASK, METRICS, KeyStore, Limits

# What only the owner of the server sees: what all others together do.
OWN = "own"


@dataclass(frozen=True)
class Caller:
    """Who asks. `id` stands in metrics, logs and usage, and keeps what is remembered of one apart from all others.

    `may`: the kinds of pages that are open to it, of "ask", "metrics" and "own". `is_counted`: its use is kept by day.
    """

    id: str = ""
    limits: Limits = field(default_factory=Limits)
    may: frozenset[str] = frozenset({ASK, METRICS, OWN})
    is_counted: bool = False


OWNER = Caller()
NOBODY = Caller("none", may=frozenset())


class RefusedError(Exception):
    """This caller is known and refused, or cannot be looked up now. `status` is HTTP's."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Authenticator(Protocol):
    """Knows callers by what stands behind `Authorization: Bearer`."""

    async def is_required(self) -> bool:
        """Whether requests without a known token are refused."""
        ...

    async def caller(self, token: str) -> Caller | None:
        """Whose token this is; None when it is not known here. Raises RefusedError, ConfigError."""
        ...


class SharedKey:
    """One key for everybody."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    async def is_required(self) -> bool:
        """Always."""
        return True

    async def caller(self, token: str) -> Caller | None:
        """The one caller, when the key is right."""
        return Caller("shared") if hmac.compare_digest(token.encode(), self._key) else None


class UserKeys:
    """The keys of `nbcopilot keys`, looked up for each request: a revoked one is refused from the next request on."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._required = False

    async def is_required(self) -> bool:
        """From the first key that was ever made, even if the file goes away meanwhile."""
        self._required = self._required or await asyncio.to_thread(self._store.any)
        return self._required

    async def caller(self, token: str) -> Caller | None:
        """The caller with this key. Raises RefusedError when it was revoked, ConfigError when the file cannot be read."""
        key = await asyncio.to_thread(self._store.find, token)
        if key is None:
            return None
        if key.revoked is not None:
            day = time.strftime("%Y-%m-%d", time.gmtime(key.revoked))
            message = f"the key {key.id} was revoked on {day}; ask the administrator of the server for another"
            raise RefusedError(401, "invalid_api_key", message)
        return Caller(key.id, key.limits, frozenset({key.purpose}), is_counted=True)
