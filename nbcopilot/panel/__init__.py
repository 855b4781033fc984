"""The widget panel: `%nbcopilot panel` or `nbcopilot.panel()`, for front ends without our extension.

ipywidgets only. A request runs in a thread: cells go on executing meanwhile. The module can be called, because
`nbcopilot.panel` names both it and the function.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbcopilot.panel.view import Panel

__all__ = ["panel"]


def panel(**settings: Any) -> Panel:
    """The panel, which Jupyter shows as the last value of a cell. `settings` are those of Config, for this panel.

    Raises ConfigError for a wrong setting, UsageError outside a notebook kernel.
    """
    from nbcopilot.panel.view import Panel

    return Panel(**settings)


class _Callable(ModuleType):
    def __call__(self, **settings: Any) -> Panel:
        return panel(**settings)


sys.modules[__name__].__class__ = _Callable
