"""What the sidebar sees of the live namespace: evaluated in the kernel, beside an empty silent execution.

The only part of the server folder that runs in a kernel. Leaves nothing behind and never raises through.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

# More than a prompt ever holds; a notebook with 1,700 names must not make a message of megabytes.
MAX_VARIABLES = 200


class Probe:
    """Displays as JSON: `names` that are defined, and bounded `variables` summaries."""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        from IPython.core.getipython import get_ipython

        from nbcopilot.notebook.namespace import summarize

        shell = get_ipython()
        user = dict(shell.user_ns) if shell is not None else {}
        hidden = set(shell.user_ns_hidden) if shell is not None else set()
        names = [name for name in user if name not in hidden and not name.startswith("_")]
        variables = summarize({name: user[name] for name in names[-MAX_VARIABLES:]})
        return {"application/json": {"names": sorted(names), "variables": [asdict(v) for v in variables]}}
