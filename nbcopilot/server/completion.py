"""Ghost text: what stands between prefix and suffix, whole text so far in every line.

The engine puts the fill-in-the-middle tokens; here are only the rules of where a suggestion in a cell ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

from nbcopilot.config import Config
from nbcopilot.engine.protocol import Engine
from nbcopilot.prompts import fim
from nbcopilot.server.wire import Json
from nbcopilot.types import Sampling

# Characters, not tokens: the tokenizer may be in another process, and a keystroke must not wait for it.
BEFORE_CHARACTERS = 6000
PREFIX_CHARACTERS = 6000
SUFFIX_CHARACTERS = 2000
STOPS = ("\n# %%", "\n```", "\nIn [")
_STARTS = re.compile(r"^(def|class|async def|@|if __name__)\b|^@", re.M)


def complete(engine: Engine, request: Json, config: Config) -> Iterator[Json]:
    """Lines `{"type": "text", "text": whole text so far}`, then done. Raises EngineError."""
    prefix, suffix = request["prefix"][-PREFIX_CHARACTERS:], request["suffix"][:SUFFIX_CHARACTERS]
    prompt = fim.render(prefix, suffix, before=_nearest(request["before"]), stop=STOPS, language=request["language"])
    sampling = Sampling(temperature=0.0, max_tokens=min(request["max_tokens"], config.max_tokens))
    text = shown = ""
    chunks = engine.generate(prompt, sampling)
    with closing(cast("Any", chunks)):
        for chunk in chunks:
            text += chunk.text
            kept = trim(text, prefix, suffix)
            if kept != shown:
                shown = kept
                yield {"type": "text", "text": shown}
            if len(kept) < len(text.rstrip()):
                break  # a rule has ended it: what the model goes on to say is not shown
    yield {"type": "done", "finish": "ok"}


def trim(text: str, prefix: str, suffix: str) -> str:
    """The part of `text` that belongs at the cursor.

    It ends before the next top-level definition when the cursor is inside a line or a block, and before a line
    that is already the next one of the suffix. Blanks at the end are left out.
    """
    following = next((line for line in suffix.splitlines() if line.strip()), None)
    rest = suffix.split("\n", 1)[0].strip()
    lines = text.split("\n")
    if rest and lines[0].rstrip().endswith(rest):
        return lines[0].rstrip()[: -len(rest)]  # the model repeated what stands right of the cursor
    kept = [lines[0]]
    inside = prefix.rpartition("\n")[2].strip() != ""
    for number, line in enumerate(lines[1:], 1):
        last = number == len(lines) - 1
        if following is not None and not last and line.strip() == following.strip():
            break
        if inside and _STARTS.match(line):
            break
        kept.append(line)
    return "\n".join(kept).rstrip()


def _nearest(sources: list[str]) -> list[str]:
    """The last cells that fit, in order; one that does not fit ends it."""
    kept: list[str] = []
    room = BEFORE_CHARACTERS
    for source in reversed(sources):
        room -= len(source)
        if room < 0:
            break
        kept.append(source)
    return kept[::-1]
