"""Ghost text for the page: a request -> a Gap for the completion service, its suggestions -> lines.

Where a suggestion ends, and what is remembered, is known in nbcopilot/serve/complete.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

from nbcopilot.engine.protocol import Engine
from nbcopilot.serve.complete import Completer, Gap
from nbcopilot.server.wire import Json


def complete(completer: Completer, engine: Engine, gap: Gap) -> Iterator[Json]:
    """Lines `{"type": "text", "text": whole text so far}`, then done. Raises EngineError."""
    shown, finish = "", "stop"
    suggestions = completer.suggest(engine, gap, engine.describe().id)
    with closing(cast("Any", suggestions)):
        for suggestion in suggestions:
            finish = suggestion.finish or finish
            if suggestion.text != shown:
                shown = suggestion.text
                yield {"type": "text", "text": shown}
    yield {"type": "done", "finish": finish}
