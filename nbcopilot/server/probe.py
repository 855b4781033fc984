"""What the sidebar sees of the live namespace: evaluated in the kernel, beside an empty silent execution.

The only part of the server folder that runs in a kernel. Leaves nothing behind and never raises through.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

# More than a prompt ever holds; a notebook with 1,700 names must not make a message of megabytes.
MAX_VARIABLES = 200
# Processor time for measuring tables; the page waits for two seconds at most.
SECONDS = 0.7


class Probe:
    """Displays as JSON: `names` that are defined, and bounded `variables` summaries."""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        from IPython.core.getipython import get_ipython

        from nbcopilot.notebook.namespace import summarize
        from nbcopilot.notebook.profile.measure import measure
        from nbcopilot.notebook.profile.transfer import as_json

        shell = get_ipython()
        user = dict(shell.user_ns) if shell is not None else {}
        hidden = set(shell.user_ns_hidden) if shell is not None else set()
        names = [name for name in user if name not in hidden and not name.startswith("_")]
        variables = summarize({name: user[name] for name in names[-MAX_VARIABLES:]})
        state = as_json(measure(user, names[: -MAX_VARIABLES - 1 : -1], Path.cwd(), SECONDS))
        found = {"names": sorted(names), "variables": [asdict(v) for v in variables], "state": state}
        return {"application/json": found}
