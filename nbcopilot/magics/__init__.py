"""The magics: `%%generate`, `%%explain`, `%%testgen`, `%%fix`, `%%document` and `%nbcopilot`.

A surface: parses what was typed into a Task, consumes the pipeline's events, applies the edit.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def register(shell: InteractiveShell) -> None:
    """Add the magics to `shell`. Loads neither the model nor torch."""
    from nbcopilot.magics.magics import CopilotMagics
    from nbcopilot.notebook.tracking import watch
    from nbcopilot.write.comm import connect

    shell.register_magics(CopilotMagics)
    watch(shell)
    # The front end answers after this cell: by the first magic it is known which way cells can take.
    connect(shell)


def unregister(shell: InteractiveShell) -> None:
    """Take the magics away, stop what is under way and let the engine go."""
    from nbcopilot.magics.background import under_way
    from nbcopilot.magics.magics import CELL_MAGICS, LINE_MAGICS
    from nbcopilot.notebook.tracking import unwatch

    requests = under_way(shell)
    if requests is not None:
        requests.stop()
    unwatch(shell)
    for name in CELL_MAGICS:
        shell.magics_manager.magics["cell"].pop(name, None)
    for name in LINE_MAGICS:
        shell.magics_manager.magics["line"].pop(name, None)
    session = sys.modules.get("nbcopilot.session")
    if session is not None:
        session.reset()
