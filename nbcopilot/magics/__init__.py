"""The magics: `%%generate`, `%%explain`, `%%testgen`, `%%fix`, `%%document` and `%nbcopilot`.

A surface: parses what was typed into a Task, consumes the pipeline's events, applies the edit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def register(shell: InteractiveShell) -> None:
    """Add the magics to `shell`. Loads neither the model nor torch."""
    from nbcopilot.magics.magics import CopilotMagics

    shell.register_magics(CopilotMagics)


def unregister(shell: InteractiveShell) -> None:
    """Take the magics away and let the engine go."""
    from nbcopilot import session
    from nbcopilot.magics.magics import CELL_MAGICS, LINE_MAGICS

    for name in CELL_MAGICS:
        shell.magics_manager.magics["cell"].pop(name, None)
    for name in LINE_MAGICS:
        shell.magics_manager.magics["line"].pop(name, None)
    session.reset()
