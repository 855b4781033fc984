"""What the user of a conversation wants next: code, words, or the last change taken back. The model says which.

It is asked for one word, in whatever language the user writes; the same head every time, so that it is read once.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any, Literal, cast

from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import EngineError
from nbcopilot.inference import Message, Prompt, Sampling
from nbcopilot.turns import Turn

Intent = Literal["code", "words", "undo"]

_HEAD = (
    "You sort what the user of a notebook says next. Answer with one word: `code` when something shall be computed, "
    "counted, changed, drawn or written; `words` when an explanation, a reason or an opinion is asked for; `undo` when the "
    "last change shall be taken back."
)
_EXAMPLES: tuple[tuple[str, Intent], ...] = (
    ("total per region", "code"),
    ("why did you use a left join?", "words"),
    ("sort it descending", "code"),
    ("what does this cell do?", "words"),
    ("how many orders in May?", "code"),
    ("take that back", "undo"),
    ("is the median better here?", "words"),
    ("as a line chart instead", "code"),
    ("remove it again please", "undo"),
    ("drop the missing rows", "code"),
)
MAX_ASKED = 500
LONGEST = 24  # characters that are waited for


def intent(engine: Engine, asked: str, last: Turn | None) -> Intent:
    """What `asked` wants, after the turn `last`; "code" where the model does not say."""
    if last is None:
        return "code"
    messages = [Message("system", _HEAD)]
    for text, word in _EXAMPLES:
        messages += [Message("user", text), Message("assistant", word)]
    messages.append(Message("user", asked.strip()[:MAX_ASKED]))
    said = ""
    try:
        chunks = engine.generate(Prompt(messages=tuple(messages), answer="text"), Sampling(max_tokens=3))
        with closing(cast("Any", chunks)):
            for chunk in chunks:
                said += chunk.text
                if len(said) > LONGEST:
                    break
    except EngineError:
        return "code"
    heard = said.strip().strip("`").lower()
    return "words" if heard.startswith("words") else "undo" if heard.startswith("undo") else "code"
