"""Inline completion: the text around the cursor -> a suggestion that fits there, as it grows.

Works with any engine; the resident engine's client does the same over HTTP. `fitting` says where a suggestion
ends, the engine puts the model's own fill-in-the-middle tokens. Answers are remembered: who types what was
suggested gets the rest of it at once, without the engine.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast, runtime_checkable

from nbcopilot.engine.protocol import Engine
from nbcopilot.inference import Chunk, Prompt, Sampling, Usage
from nbcopilot.prompts import fim
from nbcopilot.serve.end_of_suggestion import Place, is_doubtful, is_outside, is_wrong, least_indent, worth
from nbcopilot.serve.fitting import fit

# Characters, not tokens: a keystroke must not wait for a tokenizer. 3 to 4 characters are a token of code.
BEFORE_CHARACTERS = 6000
PREFIX_CHARACTERS = 6000
SUFFIX_CHARACTERS = 2000
REMEMBERED = 250
# How far back a remembered answer is looked for: what can be typed before the next request.
TYPED_CHARACTERS = 120
# When the likeliest answer does not fit, so many are sampled: four rows cost what one does (models.md).
SEVERAL, SEVERAL_TOKENS = 4, 64
STOPS = ("\n\n\n", "\n# %%", "\n```", "\nIn [")


@dataclass(frozen=True)
class Gap:
    """The place to fill: the cell's text around the cursor and the sources of the cells before it, in order.

    `multiline` None lets the place decide; `budget_seconds` ends the answer with what is there by then;
    `client` is the editor that asks (a newer request of the same editor makes this one void).
    """

    prefix: str
    suffix: str = ""
    before: tuple[str, ...] = ()
    language: str = "python"
    multiline: bool | None = None
    max_tokens: int = 96
    budget_seconds: float | None = None
    client: str = ""


@dataclass(frozen=True)
class Suggestion:
    """The whole text so far. The last one of a request has `finish`.

    `finish` is "stop" (a rule or the model ended it), "length", "budget" (time is over) or "superseded".
    """

    text: str
    finish: str | None = None
    cached: bool = False
    usage: Usage = field(default_factory=Usage)


@runtime_checkable
class Completing(Protocol):
    """An engine that completes by itself: the resident one, which knows what it said before."""

    def suggest(self, gap: Gap) -> Iterator[Suggestion]:
        """Growing suggestions for `gap`."""
        ...


class Completer:
    """Suggestions from an engine, with a memory of the last answers. Thread-safe."""

    def __init__(self, *, remembered: int = REMEMBERED) -> None:
        self.hits = 0
        self._remembered = remembered
        self._answers: OrderedDict[tuple[bytes, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, gap: Gap, model: str = "") -> Suggestion | None:
        """What is left of a remembered answer when the user typed its beginning; None when there is none."""
        place = _place(gap, model)
        with self._lock:
            for typed in range(min(TYPED_CHARACTERS, len(gap.prefix)) + 1):
                at = len(gap.prefix) - typed
                key = (place, gap.prefix[:at])
                answer = self._answers.get(key)
                if answer is not None and answer.startswith(gap.prefix[at:]) and len(answer) > typed:
                    self._answers.move_to_end(key)
                    self.hits += 1
                    return Suggestion(answer[typed:], finish="stop", cached=True)
        return None

    def suggest(self, engine: Engine, gap: Gap, model: str = "") -> Iterator[Suggestion]:
        """Growing suggestions; the last has `finish`. Closing the iterator cancels at the next token.

        An engine that completes by itself is asked to. Raises what the engine raises; no suggestion is an empty text.
        """
        if isinstance(engine, Completing):
            yield from engine.suggest(gap)
            return
        known = self.known(gap, model)
        if known is not None:
            yield known
            return
        started, place = time.monotonic(), Place(gap.prefix, gap.suffix, gap.multiline)
        said, shown, finish, usage = "", "", "stop", Usage()
        chunks = engine.generate(prompt(gap), Sampling(max_tokens=gap.max_tokens))
        with contextlib.closing(cast("Any", chunks)):
            for chunk in chunks:
                said += chunk.text
                usage, finish = chunk.usage or usage, _finish(chunk)
                text, complete = fit(said, place, ended=chunk.finish is not None, cut=finish == "length")
                if complete:
                    shown = text
                    break
                if gap.budget_seconds is not None and time.monotonic() - started > gap.budget_seconds:
                    shown, finish = fit(said, place, ended=True, cut=True)[0], "budget"
                    break
                if text != shown:
                    shown = text
                    yield Suggestion(shown)
        if finish != "budget" and is_doubtful(shown, place):
            shown = _again(engine, gap, place, shown, started)
        if shown and finish == "stop":
            self._remember(gap, model, shown)
        yield Suggestion(shown, finish=finish, usage=usage)

    def _remember(self, gap: Gap, model: str, text: str) -> None:
        with self._lock:
            self._answers[_place(gap, model), gap.prefix] = text
            while len(self._answers) > self._remembered:
                self._answers.popitem(last=False)


def _again(engine: Engine, gap: Gap, place: Place, first: str, started: float) -> str:
    """The answer that fits best among `first` and a few sampled ones; "" when even that one is wrong.

    When the model left the block that the cursor is in, the next answers begin with its indentation.
    """
    asked, indent = prompt(gap), ""
    if is_outside(first, place):
        # One blank less: a token holds the last one together with the word.
        indent = " " * (least_indent(place) - 1)
        asked = replace(asked, prefill=asked.prefill + indent)
    said, texts, over = [indent] * SEVERAL, [""] * SEVERAL, [False] * SEVERAL
    sampling = Sampling(temperature=0.6, top_p=0.95, seed=0, max_tokens=min(gap.max_tokens, SEVERAL_TOKENS))
    chunks = engine.generate(asked, sampling, candidates=SEVERAL)
    with contextlib.closing(cast("Any", chunks)):
        for chunk in chunks:
            at = chunk.index
            if not over[at]:
                said[at] += chunk.text
                ended, cut = chunk.finish is not None, chunk.finish == "length"
                texts[at], over[at] = fit(said[at], place, ended=ended, cut=cut)
            late = gap.budget_seconds is not None and time.monotonic() - started > gap.budget_seconds
            if all(over) or late:
                break
    whole = [text for text, complete in zip(texts, over, strict=True) if complete]
    best = max([first, *whole], key=lambda text: worth(text, place))
    return "" if is_wrong(best, place) else best


def warm(engine: Engine, gap: Gap) -> None:
    """Let the engine read what stands before the cursor, so that the first suggestion comes at once."""
    chunks = engine.generate(replace(prompt(gap), suffix=""), Sampling(max_tokens=1))
    for _ in chunks:
        pass


def prompt(gap: Gap) -> Prompt:
    """The Prompt for `gap`: the cells before it in order, then the text around the cursor.

    Indentation at the cursor is left for the model to say, because a token holds it together with the word that
    follows. So are line ends, with which the answer begins: a gap right after one is often taken for the end of
    the file (9 instead of 6 of 23 lines exact on the 0.5b).
    """
    head, newline, line = gap.prefix.rpartition("\n")
    made = fim.render(
        _tail(gap.prefix if line.strip() else head + newline, PREFIX_CHARACTERS),
        _head(gap.suffix, SUFFIX_CHARACTERS),
        before=nearest(gap.before, BEFORE_CHARACTERS),
        stop=STOPS,
        language=gap.language,
    )
    text = (made.text or "").rstrip("\n")
    return replace(made, text=text, prefill=(made.text or "")[len(text) :]) if text else made


def nearest(cells: tuple[str, ...], limit: int) -> tuple[str, ...]:
    """The last cells within `limit` characters. The start moves in steps of half the limit, so that the engine's
    prefix cache is not lost with every cell that is added."""
    excess = sum(map(len, cells)) - limit
    if excess <= 0:
        return cells
    step = limit // 2
    skip = -(-excess // step) * step
    for at, cell in enumerate(cells):
        if skip <= 0:
            return cells[at:]
        skip -= len(cell)
    return ()


def _tail(text: str, limit: int) -> str:
    """The end of `text` from a line start on; the start moves in steps (see `nearest`)."""
    if len(text) <= limit:
        return text
    step = limit // 2
    at = text.find("\n", -(-(len(text) - limit) // step) * step)
    return text[at + 1 :] if at >= 0 else text[-limit:]


def _head(text: str, limit: int) -> str:
    """The beginning of `text` up to a line end."""
    if len(text) <= limit:
        return text
    at = text.rfind("\n", 0, limit)
    return text[: at + 1] if at >= 0 else text[:limit]


def _finish(chunk: Chunk) -> str:
    return "length" if chunk.finish == "length" else "stop"


def _place(gap: Gap, model: str) -> bytes:
    """All that a remembered answer hangs on but the text before the cursor."""
    parts = [model, gap.language, str(gap.multiline), gap.suffix, *gap.before]
    return hashlib.blake2b("\x00".join(parts).encode("utf-8", "replace"), digest_size=16).digest()
