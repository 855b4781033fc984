"""Many small edits of one cell, each run in a fork of the notebook's state, and after it the code that must hold.

payload: setup, sources (the edited cells), after (code that fails with the cell as it is), seconds (for all of them)
answer:  passed (numbers of the sources after which `after` raises nothing), tried (how many there was time for)
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from nbcopilot.validate.inside import observe
from nbcopilot.validate.inside.audit import Watch
from nbcopilot.validate.inside.execute import Session
from nbcopilot.validate.inside.forks import ChildDied, in_child

# Wall time of one edit: many of them loop for ever, and what is tested here is done at once.
EACH = 0.25


def passing(payload: Mapping[str, Any], session: Session, watch: Watch) -> dict[str, Any]:
    """See the module's docstring."""
    for number, source in enumerate(payload.get("setup", ())):
        report, _ = session.run(source, f"setup {number}", 10.0)
        if not report["ok"]:
            return {"passed": [], "tried": 0}
    deadline = time.monotonic() + float(payload["seconds"])
    after = compile(str(payload["after"]), "after", "exec")
    passed: list[int] = []
    tried = 0
    for number, source in enumerate(payload["sources"]):
        if time.monotonic() > deadline:
            break
        tried += 1
        with contextlib.suppress(ChildDied):
            if in_child(lambda source=source: _holds(source, after, session), EACH + 1):  # type: ignore[misc]
                passed.append(number)
    return {"passed": passed, "tried": tried}


def _holds(source: str, after: Any, session: Session) -> bool:
    try:
        with observe.alarm(EACH), contextlib.redirect_stdout(session.tape):
            exec(compile(source, "cell", "exec"), session.namespace)
            exec(after, session.namespace)
    except BaseException:
        return False
    return True
