"""Many small edits of one cell, each run in a fork of the notebook's state, and after it the code that must hold.

payload: setup, source (the cell), sources (the edited cells), after (code that fails with the cell as it is), beside
         (further codes: those that hold with the cell as it is must go on so), seconds (for all of them)
answer:  passed (numbers of the sources after which all that holds), tried (how many there was time for)
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from nbcopilot.sandbox.worker import observe
from nbcopilot.sandbox.worker.audit import Watch
from nbcopilot.sandbox.worker.execute import Session
from nbcopilot.sandbox.worker.forks import ChildDied, in_child
from nbcopilot.sandbox.worker.source import execute

# Wall time of one edit: many of them loop for ever, and what is tested here is done at once.
EACH = 0.25


def passing(payload: Mapping[str, Any], session: Session, watch: Watch) -> dict[str, Any]:
    """See the module's docstring."""
    for number, source in enumerate(payload.get("setup", ())):
        report, _ = session.run(source, f"setup {number}", 10.0)
        if not report["ok"]:
            return {"passed": [], "tried": 0}
    deadline = time.monotonic() + float(payload["seconds"])
    beside = [code for code in payload["beside"] if _in_fork(payload["source"], [code], session)]
    wanted = [payload["after"], *beside]
    passed: list[int] = []
    tried = 0
    for number, source in enumerate(payload["sources"]):
        if time.monotonic() > deadline:
            break
        tried += 1
        if _in_fork(source, wanted, session):
            passed.append(number)
    return {"passed": passed, "tried": tried}


def _in_fork(source: str, wanted: Sequence[str], session: Session) -> bool:
    """Whether the cell and then each of `wanted` raises nothing; the state stays as it was."""
    try:
        return bool(in_child(lambda: _holds(source, wanted, session), EACH + 1))
    except ChildDied:
        return False


def _holds(source: str, wanted: Sequence[str], session: Session) -> bool:
    try:
        with observe.alarm(EACH), contextlib.redirect_stdout(session.tape):
            for code in (source, *wanted):
                execute(code, "cell", session.namespace)
    except BaseException:
        return False
    return True
