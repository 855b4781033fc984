"""Where the server extension's handlers are hung up, all below `<base_url>/nbcopilot/`."""

from __future__ import annotations

import os
from pathlib import Path

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join

from nbcopilot._version import __version__
from nbcopilot.server import handlers, settings
from nbcopilot.server.conversation import ConversationHandler
from nbcopilot.server.rooms import Rooms
from nbcopilot.server.state import State
from nbcopilot.write.comm import FRONTEND_VARIABLE

ROUTES = {
    "status": handlers.StatusHandler,
    "models": handlers.ModelsHandler,
    "stream": handlers.StreamHandler,
    "complete": handlers.CompleteHandler,
    "pull": handlers.PullHandler,
    "room": handlers.RoomHandler,
    "trust": handlers.TrustHandler,
    "conversation": ConversationHandler,
}


def register(server_app: ServerApp) -> None:
    """Add the handlers to the running server, and one State for all of them."""
    settings.lock(server_app.config)  # before anything is asked
    web_app = server_app.web_app
    folder = Path(server_app.root_dir)
    web_app.settings["nbcopilot"] = State(lambda: settings.effective(server_app.config, folder), folder)
    web_app.settings["nbcopilot_rooms"] = Rooms(server_app)
    base = web_app.settings["base_url"]
    web_app.add_handlers(  # type: ignore[no-untyped-call]
        ".*$", [(url_path_join(base, "nbcopilot", name), kind) for name, kind in ROUTES.items()]
    )
    # Kernels of this server inherit it: a front end with the extension is there before it could answer a comm.
    os.environ[FRONTEND_VARIABLE] = __version__
