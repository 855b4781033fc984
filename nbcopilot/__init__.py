"""nbcopilot: a notebook-native copilot whose model runs locally.

`%load_ext nbcopilot` gives the magics; `nbcopilot document FOLDER` documents notebooks. All names here are
loaded on first use: importing nbcopilot takes milliseconds and loads neither torch nor the network.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nbcopilot._version import __version__

_LAZY = {
    "Config": "nbcopilot.config",
    "Copilot": "nbcopilot.pipeline",
    "Engine": "nbcopilot.engine.protocol",
    "FakeEngine": "nbcopilot.engine.fake",
    "NbcopilotError": "nbcopilot.errors",
    "Notebook": "nbcopilot.types",
    "Sampling": "nbcopilot.inference",
    "Session": "nbcopilot.session",
    "Target": "nbcopilot.types",
    "Task": "nbcopilot.types",
    "panel": "nbcopilot.panel",
}

__all__ = [*sorted(_LAZY), "__version__"]

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'nbcopilot' has no attribute {name!r}")


def load_ipython_extension(shell: InteractiveShell) -> None:
    """`%load_ext nbcopilot`: register the magics."""
    from nbcopilot.magics import register

    register(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """`%unload_ext nbcopilot`: take the magics away again."""
    from nbcopilot.magics import unregister

    unregister(shell)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "nbcopilot"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "nbcopilot.server"}]
