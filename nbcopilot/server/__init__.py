"""The server extension: what the sidebar, the ghost text and the first-run guide talk to.

Thin: a request becomes a Task and a Notebook, the same pipeline answers, events go back as lines of JSON.
It holds one Session for the whole server and never runs model or pipeline code on the event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbcopilot._version import __version__

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

__all__ = ["__version__"]


def _load_jupyter_server_extension(server_app: ServerApp) -> None:
    from nbcopilot.server.routes import register

    register(server_app)
