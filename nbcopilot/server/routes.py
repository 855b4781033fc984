"""Where the server extension's handlers are hung up, all below `<base_url>/nbcopilot/`."""

from __future__ import annotations

from jupyter_server.serverapp import ServerApp


def register(server_app: ServerApp) -> None:
    """Add the handlers to the running server."""
