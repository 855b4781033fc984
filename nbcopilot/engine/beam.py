"""Beam search: the most probable answers found by keeping the best `beams` beginnings.

Deterministic. Scores are sums of log-probabilities; finished answers compare by score / length (Wu et al. 2016,
arXiv:1609.08144, with alpha 1, as transformers does). The text is known only at the end, so it comes as one chunk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nbcopilot.engine.jobs import Prefill, Shared
from nbcopilot.engine.model import Array, Cache, Segment
from nbcopilot.engine.request import Request, Writer
from nbcopilot.engine.sampling import log_softmax, penalized


@dataclass(eq=False)
class _Beam:
    ids: list[int]
    score: float
    cache: Cache


class BeamSearch:
    """A request with `sampling.beams` > 1; gives its `candidates` best answers."""

    def __init__(self, request: Request, shared: Shared) -> None:
        self.request = request
        self.finished = False
        self.reading = True
        self._shared = shared
        self._width = max(request.sampling.beams, request.candidates)
        self._limit = min(request.sampling.max_tokens, shared.model.context - len(request.ids))
        self._token_budget = len(request.ids) + self._limit
        self._prompt = Prefill(request, shared, self._token_budget)
        self._beams = [_Beam([], 0.0, self._prompt.cache)]
        self._done: list[tuple[float, list[int]]] = []
        self._steps = 0

    @property
    def rows(self) -> int:
        """One row a beam."""
        return self._width

    def segments(self, prefill_rows: int, other_rows: int) -> list[Segment]:
        """The next piece of the prompt, or the newest token of every beam."""
        if self.reading:
            return self._prompt.segments(prefill_rows)
        return [Segment(beam.cache, beam.ids[-1:]) for beam in self._beams]

    def take(self, logits: Array) -> None:
        """Extend every beam by every token, keep the best; those that end are set aside."""
        if not len(logits):
            return
        if self.reading:
            self.reading = False
            self._prompt.keep()
        self._steps += 1
        scores = self._scores(logits)
        chosen: list[tuple[float, int, int]] = []
        for rank, (score, row, id) in enumerate(_best(scores, 2 * self._width)):
            if self._ends(self._beams[row].ids, id):
                if rank < self._width:
                    self._done.append((score / self._steps, [*self._beams[row].ids, id]))
            elif len(chosen) < self._width:
                chosen.append((score, row, id))
        self._done = sorted(self._done, key=lambda pair: pair[0], reverse=True)[: self._width]
        if self._is_over(chosen):
            if self._steps >= self._limit:
                self._done += [(s / self._steps, [*self._beams[row].ids, id]) for s, row, id in chosen]
                self._done.sort(key=lambda pair: pair[0], reverse=True)
            self._finish()
        else:
            self._beams = self._grown(chosen)

    def cancel(self) -> None:
        """End with the best beginning so far."""
        ranked = sorted(self._beams, key=lambda beam: beam.score, reverse=True)
        for index in range(self.request.candidates):
            self._write(index, ranked[index].ids if index < len(ranked) else [], "cancelled")
        self.finished = True

    def _scores(self, logits: Array) -> Array:
        penalty = self.request.sampling.repetition_penalty
        if penalty != 1.0:
            pairs = zip(logits, self._beams, strict=True)
            logits = np.stack([penalized(row, self.request.ids + beam.ids, penalty) for row, beam in pairs])
        scores: Array = log_softmax(logits) + np.array([[beam.score] for beam in self._beams])
        return scores

    def _ends(self, ids: list[int], id: int) -> bool:
        if id in self._shared.tokens.ends:
            return True
        if not self.request.stops:
            return False
        # A stop string can only be completed by the newest tokens.
        tail = self._shared.tokens.decode([*ids, id][-32:])
        return any(stop in tail for stop in self.request.stops)

    def _is_over(self, chosen: list[tuple[float, int, int]]) -> bool:
        if not chosen or self._steps >= self._limit:
            return True
        full = len(self._done) >= self._width
        return full and chosen[0][0] / self._steps <= self._done[-1][0]

    def _grown(self, chosen: list[tuple[float, int, int]]) -> list[_Beam]:
        """The new beams; a beam's first child takes over its cache, further children copy what is not prompt."""
        prompt, free = len(self.request.ids), {row for _, row, _ in chosen}
        spare = [beam.cache for row, beam in enumerate(self._beams) if row not in free]
        used: set[int] = set()
        grown = []
        for score, row, id in chosen:
            parent = self._beams[row]
            cache = parent.cache
            if row in used:
                start = prompt if spare else 0
                cache = spare.pop() if spare else self._shared.model.new_cache(self._token_budget)
                cache.copy_from(parent.cache, start, parent.cache.length)
            used.add(row)
            grown.append(_Beam([*parent.ids, id], score, cache))
        return grown

    def _finish(self) -> None:
        for index in range(self.request.candidates):
            self._write(index, self._done[min(index, len(self._done) - 1)][1], "stop")
        self.finished = True

    def _write(self, index: int, ids: list[int], finish: str) -> None:
        writer = Writer(self.request, index, self._shared.tokens, self._limit, self._prompt.cached)
        for id in ids:
            if not writer.write(id):
                break
        writer.end(finish)


def _best(scores: Array, count: int) -> list[tuple[float, int, int]]:
    """The `count` highest (score, row, token id), highest first; the lower row and id win a tie."""
    flat = scores.ravel()
    places = np.argpartition(-flat, min(count, len(flat)) - 1)[:count]
    places = places[np.lexsort((places, -flat[places]))]
    return [(float(flat[place]), *divmod(int(place), scores.shape[1])) for place in places]
