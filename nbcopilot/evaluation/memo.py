"""An engine around an engine, for long evaluations: it remembers answers.

Every item runs the unchanged pipeline in its own thread (engines decode concurrent requests together); a request
that was answered in an earlier run is not asked again. Keeps the law of `Engine`; knows nothing of what is evaluated.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nbcopilot.engine.protocol import Engine
from nbcopilot.inference import Chunk, ModelInfo, Prompt, Sampling, TokenScore, Usage


class Stopped(Exception):
    """The evaluation is being stopped; no error of an engine, so nothing in the pipeline goes on without it."""


class MemoEngine:
    """`engine`, with every finished answer kept in the JSON-lines file `path` and given from there the next time.

    The key is the model (id, hash, precision), all of the prompt and the sampling; so a changed prompt is asked
    again. A request without a seed at a temperature above 0 is never remembered. stop: when set, every request ends
    at its next token with Stopped.
    """

    def __init__(self, engine: Engine, path: Path | None, stop: threading.Event | None = None) -> None:
        self._engine = engine
        self._stop = stop or threading.Event()
        self._path = path
        self._lock = threading.Lock()
        self._answers: dict[str, list[Chunk]] = {}
        info = engine.describe()
        self._model = (info.id, info.sha256, info.precision)
        if path is not None and path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._read(line)

    def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Iterator[Chunk]:
        """The remembered chunks, one per candidate; else the engine's, remembered when all have finished.

        Raises Stopped.
        """
        if self._stop.is_set():
            raise Stopped
        key = self._key(prompt, sampling, candidates)
        if key in self._answers:
            yield from self._answers[key]
            return
        texts: dict[int, str] = {}
        ends: dict[int, Chunk] = {}
        scores: dict[int, list[TokenScore]] = {}
        for chunk in self._engine.generate(prompt, sampling, candidates=candidates):
            if self._stop.is_set():
                raise Stopped
            texts[chunk.index] = texts.get(chunk.index, "") + chunk.text
            scores.setdefault(chunk.index, []).extend(chunk.scores)
            if chunk.finish is not None:
                ends[chunk.index] = chunk
            yield chunk
        whole = [Chunk(texts[i], i, end.finish, end.usage, tuple(scores[i])) for i, end in sorted(ends.items())]
        if len(whole) == candidates and all(chunk.finish != "cancelled" for chunk in whole):
            self._keep(key, sampling, whole)

    def generate_batch(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Chunk]]:
        """One after the other through `generate`: batching is the inner engine's."""
        for position, prompt in enumerate(prompts):
            for chunk in self.generate(prompt, sampling):
                yield position, chunk

    def count(self, text: str) -> int:
        """Tokens of `text` by the engine."""
        return self._engine.count(text)

    def describe(self) -> ModelInfo:
        """The engine's."""
        return self._engine.describe()

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()

    def _key(self, prompt: Prompt, sampling: Sampling, candidates: int) -> str:
        parts = [*self._model, prompt.hash, repr(prompt.stop), repr(dataclasses.astuple(sampling)), str(candidates)]
        return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

    def _keep(self, key: str, sampling: Sampling, whole: list[Chunk]) -> None:
        if sampling.temperature > 0 and sampling.seed is None:
            return
        with self._lock:
            self._answers[key] = whole
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key, "chunks": [_plain(chunk) for chunk in whole]}) + "\n")

    def _read(self, line: str) -> None:
        try:
            record = json.loads(line)
            self._answers[record["key"]] = [_chunk(*chunk) for chunk in record["chunks"]]
        except (ValueError, KeyError, TypeError):
            return  # the line that an interrupt cut short: that answer is asked again


def _plain(chunk: Chunk) -> list[Any]:
    """Without the alternatives of a token's score: nothing that is evaluated asks for them."""
    scores = [[score.text, score.logprob] for score in chunk.scores]
    return [chunk.text, chunk.index, chunk.finish, dataclasses.asdict(chunk.usage or Usage()), scores]


def _chunk(
    text: str, index: int, finish: str, usage: dict[str, Any], scores: Sequence[tuple[str, float]] = ()
) -> Chunk:
    return Chunk(text, index, finish, Usage(**usage), tuple(TokenScore(piece, logprob) for piece, logprob in scores))
