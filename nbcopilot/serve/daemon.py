"""The resident engine as a process of its own: detach, lock, log, then `server.serve` until it is idle.

`python -m nbcopilot.serve.daemon` is started by `client`. The first line on stdout is one JSON object that says
how the start went: ready, taken (another one won) or failed.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import logging
import logging.handlers
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nbcopilot import config as settings
from nbcopilot.errors import NbcopilotError
from nbcopilot.serve import runtime

log = logging.getLogger("nbcopilot.serve")
LOG_BYTES, LOG_FILES = 1_000_000, 3
# What asks for the lock while looking whether an engine has gone holds it for a moment.
LOCK_SECONDS = 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a detached process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", default="{}")
    args = parser.parse_args(argv)
    place = runtime.folder()
    _detach()
    lock = runtime.acquire(place, wait_seconds=LOCK_SECONDS)
    if lock is None:
        _report({"state": "taken"})
        return 0
    try:
        _log_to(place)
        config = settings.with_changes(settings.load(folder=place), **json.loads(args.settings))
        # Only now: who lost has no use for the server.
        from nbcopilot.serve.server import serve

        serve(place, config, _report, idle_seconds=config.idle_minutes * 60)
    except NbcopilotError as exc:
        _report({"state": "failed", "code": exc.code, "message": exc.message, "hint": exc.hint})
        log.error("not started: %s", exc)
        return exc.exit_code
    finally:
        lock.release()
    return 0


def _detach() -> None:
    """Leave the process that started us: no zombie is left when we end before it."""
    if hasattr(os, "fork") and os.fork():
        os._exit(0)
    # The engine is what the system should end first when memory runs out, not the user's kernel with its data.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _report(state: Mapping[str, Any]) -> None:
    """Tell the process that started us, once; from then on stdout is the log."""
    print(json.dumps(state), flush=True)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _log_to(place: Path) -> None:
    """Log into the runtime folder, with rotation; what a crash prints goes to engine.err."""
    error = os.open(place / "engine.err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(error, 2)
    os.close(error)
    faulthandler.enable()
    handler = logging.handlers.RotatingFileHandler(
        place / "engine.log", maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # A thread that loads a model must not hold up the end of the process.
    os._exit(code)
