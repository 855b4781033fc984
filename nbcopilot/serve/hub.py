"""The users of a JupyterHub, whose service this server is: known by the Hub's own tokens, through its own library.

The Hub starts the service and tells it in the environment (JUPYTERHUB_…) where it is, and where to listen.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from nbcopilot.errors import UsageError
from nbcopilot.serve.callers import Caller, RefusedError
from nbcopilot.serve.keys import ASK, Limits

# What the Hub said of a token is believed for so long: after that, a right that was taken away is gone here too.
BELIEVED_SECONDS = 30


class HubUsers:
    """Users by the tokens of the Hub. Who may reach the service by the Hub's roles may ask it, each within `limits`."""

    def __init__(self, limits: Limits) -> None:
        try:
            from jupyterhub.services.auth import HubAuth
        except ImportError as exc:
            raise UsageError("JupyterHub is not installed here", hint='pip install "nbcopilot[hub]"') from exc
        if not os.environ.get("JUPYTERHUB_API_TOKEN"):
            raise UsageError(
                "no JupyterHub has started this server",
                hint="name it under c.JupyterHub.services; see docs/jupyterhub.md",
            )
        self._hub: Any = HubAuth(cache_max_age=BELIEVED_SECONDS)
        self._limits = limits

    async def is_required(self) -> bool:
        """Always."""
        return True

    async def caller(self, token: str) -> Caller | None:
        """The user with this token. Raises RefusedError for one who may not use the service, or when the Hub is away."""
        from tornado.web import HTTPError

        try:
            found = await self._hub.user_for_token(token, sync=False)
        except HTTPError as exc:
            raise RefusedError(503, "hub_unavailable", "the Hub does not answer who this is; ask again soon") from exc
        if found is None:
            return None
        name = str(found.get("name") or "")
        if not self._hub.check_scopes(self._hub.access_scopes, found):
            needed = " or ".join(sorted(self._hub.access_scopes))
            message = f"the user `{name}` may not use this model server; the administrator of the Hub grants {needed}"
            raise RefusedError(403, "forbidden", message)
        kind = "" if found.get("kind") == "user" else f"{found.get('kind')}:"
        return Caller(f"hub:{kind}{name}", self._limits, frozenset({ASK}), is_counted=True)


def address() -> tuple[str, int, str]:
    """(host, port, path) where the Hub expects its service. Raises UsageError."""
    parts = urlsplit(os.environ.get("JUPYTERHUB_SERVICE_URL", ""))
    if not parts.hostname or not parts.port:
        raise UsageError(
            "the Hub does not say where its service listens",
            hint="give the service a url, such as http://127.0.0.1:8321",
        )
    return parts.hostname, parts.port, os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
