"""One JSON line for each request, where a server was told to write them: ids, names of ours and numbers, never text."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from nbcopilot.errors import UsageError
from nbcopilot.serve.entry import Entry

log = logging.getLogger("nbcopilot.serve")
_lines = logging.getLogger("nbcopilot.requests")
_lines.propagate = False
BYTES, FILES = 10_000_000, 5


def write_to(place: str) -> None:
    """Write the lines into the file `place` from now on, `-` for standard error. Raises UsageError."""
    try:
        handler: logging.Handler = logging.StreamHandler(sys.stderr) if place == "-" else _File(Path(place))
    except OSError as exc:
        raise UsageError(
            f"the request log {place} cannot be written: {exc.strerror or exc}", hint="name a file that can"
        ) from exc
    handler.setFormatter(logging.Formatter("%(message)s"))
    _lines.handlers[:] = [handler]
    _lines.setLevel(logging.INFO)


def note(entry: Entry) -> None:
    """Write the line of a request that has ended, if lines are written."""
    if _lines.handlers:
        _lines.info("%s", json.dumps(record(entry)))


def record(entry: Entry) -> dict[str, Any]:
    """What the log says of a request: names of ours, numbers and ids; nothing that a request can choose."""
    seconds = {
        "queue_seconds": entry.queue_seconds,
        "first_token_seconds": entry.first_token_seconds,
        "seconds": entry.seconds,
    }
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "key": entry.caller.id or "owner",
        "page": entry.page,
        "status": entry.status,
        "model": entry.model,
        "finish": entry.finish,
        "prompt_tokens": entry.prompt_tokens,
        "completion_tokens": entry.completion_tokens,
        "cached_tokens": entry.cached_tokens,
        **{name: None if value is None else round(value, 3) for name, value in seconds.items()},
    }


class _File(RotatingFileHandler):
    """Readable by its owner alone; a line that cannot be written is said in the log, and nothing else fails."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=BYTES, backupCount=FILES - 1, encoding="utf-8")

    def _open(self) -> Any:
        private = lambda path, flags: os.open(path, flags, 0o600)  # noqa: E731
        return open(self.baseFilename, self.mode, encoding=self.encoding, opener=private)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        log.error("a line of the request log could not be written: %s", sys.exc_info()[1])
