"""One request while it is answered: which rows it wants computed next, and what it makes of their logits.

A job never runs the model and never waits: the scheduler asks for `segments`, computes them together with those
of other jobs, and hands the logits back to `take`. `Candidates` samples; `beam.BeamSearch` is the other kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from nbcopilot.engine.draft_model import DraftModel, DraftSession
from nbcopilot.engine.drafting import BY_MODEL, PromptLookup, SpeculationPolicy
from nbcopilot.engine.model import Array, Cache, Model, Segment
from nbcopilot.engine.prefix import PrefixCache
from nbcopilot.engine.request import Request, Writer
from nbcopilot.engine.sampling import Sampler, log_softmax
from nbcopilot.engine.tokens import Tokens
from nbcopilot.inference import TokenScore

# Prompt tokens computed in one step: long enough for full speed, short enough (a quarter of a second for the 0.5b
# on two cores) for an inline completion to get in between and for an interrupt to be felt.
PREFILL_ROWS = 128


@dataclass
class Shared:
    """What all jobs of an engine work with. `prefixes` is None and drafts are off where caches cannot be cut."""

    model: Model
    tokens: Tokens
    prefixes: PrefixCache | None
    policy: SpeculationPolicy | None
    draft: DraftModel | None = None


class Job(Protocol):
    """What the scheduler drives."""

    request: Request
    finished: bool

    @property
    def rows(self) -> int:
        """Rows that a decoding step of this job takes, drafts not counted."""
        ...

    @property
    def reading(self) -> bool:
        """Whether the prompt is still being computed."""
        ...

    def segments(self, prefill_rows: int, other_rows: int) -> list[Segment]:
        """What to compute next: at most `prefill_rows` of the prompt, or the newest tokens beside `other_rows`."""
        ...

    def take(self, logits: Array) -> None:
        """The logits that the segments wanted."""
        ...

    def cancel(self) -> None:
        """End all answers where they are."""
        ...


class Prefill:
    """The prompt of one request on its way into a cache, piece by piece, from where an earlier request left it."""

    def __init__(self, request: Request, shared: Shared, token_budget: int) -> None:
        self.cache: Cache = shared.model.new_cache(token_budget)
        self.cached = 0
        self._ids, self._owner, self._prefixes = request.ids, request.owner, shared.prefixes
        # Logits of every row are wanted to score the prompt: none of it may come from an earlier request then.
        self._begun = self._echo = request.sampling.echo

    def segments(self, rows: int) -> list[Segment]:
        """The next piece of at most `rows` tokens; its last row wants logits when it ends the prompt."""
        if not rows:
            return []
        if not self._begun and self._prefixes is not None:
            self.cached = self._prefixes.restore(self._ids, self.cache, self._owner)
        self._begun = True
        start = self.cache.length
        piece = self._ids[start : start + rows]
        wanted = len(piece) if self._echo else int(start + len(piece) == len(self._ids))
        return [Segment(self.cache, piece, wanted)]

    @property
    def done(self) -> bool:
        """Whether the whole prompt is in the cache."""
        return self.cache.length == len(self._ids)

    def keep(self) -> None:
        """Let later requests begin here; what is only scored is not asked again."""
        if self._prefixes is not None and not self._echo:
            self._prefixes.keep(self._ids, self.cache, self._owner)


@dataclass(eq=False)
class _Candidate:
    ids: list[int]
    cache: Cache
    sampler: Sampler
    writer: Writer
    lookup: PromptLookup | None
    rest: bytes
    draft: list[int] = field(default_factory=list)
    run: int = 0
    session: DraftSession | None = None


class Candidates:
    """A request for one or several sampled (or greedy) answers. The prompt is computed once for all."""

    def __init__(self, request: Request, shared: Shared) -> None:
        self.request = request
        self.finished = False
        self._shared = shared
        used = len(request.ids) + len(request.begins)
        self._limit = min(request.sampling.max_tokens, shared.model.context - used)
        self._token_budget = used + self._limit
        self._prompt = Prefill(request, shared, self._token_budget)
        self._live: list[_Candidate] = []
        self._echoed: list[TokenScore] = []
        self.reading = True

    @property
    def rows(self) -> int:
        """One row a candidate."""
        return len(self._live) or self.request.candidates

    def segments(self, prefill_rows: int, other_rows: int) -> list[Segment]:
        """The next piece of the prompt, or the newest token of every candidate with its guess behind it."""
        if self.reading:
            return self._prompt.segments(prefill_rows)
        return [self._guessed(candidate, other_rows + len(self._live) - 1) for candidate in self._live]

    def take(self, logits: Array) -> None:
        """Pick the next tokens of every candidate from its rows of logits."""
        if self.reading:
            if self.request.sampling.echo:
                self._echo(logits)
            if not self._prompt.done:
                return
            self.reading = False
            self._fork()
            for candidate in self._live:
                if self._limit:
                    self._choose(candidate, logits[-1:])
                else:  # a warm-up: the prompt is kept, nothing is said
                    candidate.writer.end("length")
            self._prompt.keep()
        else:
            row = 0
            for candidate in self._live:
                count = 1 + len(candidate.draft)
                self._choose(candidate, logits[row : row + count])
                row += count
        self._close_finished()

    def cancel(self) -> None:
        """End all candidates where they are."""
        if self.reading:
            self.reading = False
            self._fork()
        for candidate in self._live:
            candidate.writer.end("cancelled")
        self._close_finished()

    def _echo(self, logits: Array) -> None:
        """Score the tokens of the prompt that the newest rows foretell; nothing foretells the first one."""
        ids, end = self.request.ids, self._prompt.cache.length
        if not self._echoed:
            self._echoed.append(TokenScore(self._shared.tokens.piece(ids[0]), 0.0))
        for row, id in zip(logits, ids[end - len(logits) + 1 : end + 1], strict=False):
            if (score := self._score(row, id)) is not None:
                self._echoed.append(score)

    def _guessed(self, candidate: _Candidate, other_rows: int) -> Segment:
        newest = candidate.ids[candidate.cache.length :]
        candidate.draft = []
        policy = self._shared.policy
        if candidate.lookup is not None and policy is not None:
            left = max(0, self._token_budget - len(candidate.ids) - 1)
            guess, candidate.run = candidate.lookup.guess(left)
            candidate.draft = guess[: policy.length(candidate.run, other_rows)]
            if self._shared.draft is not None:
                self._by_model(candidate, policy, self._shared.draft, left, other_rows)
        return Segment(candidate.cache, newest + candidate.draft, wanted=1 + len(candidate.draft))

    def _by_model(
        self, candidate: _Candidate, policy: SpeculationPolicy, draft: DraftModel, left: int, other_rows: int
    ) -> None:
        """The smaller model's guess in place of what was looked up, where that is expected to give more."""
        if other_rows:
            candidate.session = None  # rows are dear beside others; its memory is not needed
            return
        count, gain = policy.best(BY_MODEL, 0, draft.token_seconds)
        if not count or (candidate.draft and policy.best(candidate.run, 0)[1] >= gain):
            return
        if candidate.session is None:
            candidate.session = draft.start_session(self._token_budget)
        if guess := candidate.session.guess(candidate.ids, min(count, left)) if left else []:
            candidate.draft, candidate.run = guess, BY_MODEL

    def _choose(self, candidate: _Candidate, logits: Array) -> None:
        """Pick row by row for as long as the guess agrees. One token at least, and the same ones as without a guess."""
        before = len(candidate.ids)
        for row, guessed in zip(logits, [*candidate.draft, None], strict=True):
            id = self._pick(candidate, row)
            candidate.ids.append(id)
            if not candidate.writer.write(id, self._score(row, id)) or id != guessed:
                break
        if candidate.lookup is not None:
            candidate.lookup.extend(candidate.ids[before:])
        if candidate.draft and self._shared.policy is not None:
            accepted = min(len(candidate.ids) - before - 1, len(candidate.draft))
            self._shared.policy.saw(candidate.run, accepted, len(candidate.draft))
        candidate.cache.truncate(len(candidate.ids) - 1)

    def _pick(self, candidate: _Candidate, logits: Array) -> int:
        if not candidate.rest:
            return candidate.sampler.pick(logits, candidate.ids)
        vocabulary = self._shared.tokens.vocabulary()
        id = candidate.sampler.pick(vocabulary.only(logits, candidate.rest), candidate.ids)
        candidate.rest = vocabulary.after(candidate.rest, id)
        return id

    def _fork(self) -> None:
        """Give every candidate its own copy of the prompt's cache; the last one takes the original."""
        prompt, model = self._prompt, self._shared.model
        for index in range(self.request.candidates):
            cache = prompt.cache
            if index < self.request.candidates - 1:
                cache = model.new_cache(self._token_budget)
                cache.copy_from(prompt.cache, 0, prompt.cache.length)
            sampler = Sampler(self.request.sampling, index)
            writer = Writer(self.request, index, self._shared.tokens, self._limit, prompt.cached)
            if self.request.sampling.echo:
                writer.echo(self._shared.tokens.decode(self.request.ids), self._echoed)
            lookup = PromptLookup(self.request.ids) if self._shared.policy is not None else None
            ids, begins = list(self.request.ids), self.request.begins
            self._live.append(_Candidate(ids, cache, sampler, writer, lookup, begins))

    def _close_finished(self) -> None:
        for candidate in self._live:
            if candidate.writer.finish is not None and self._shared.prefixes is not None:
                self._shared.prefixes.keep(candidate.ids, candidate.cache, self.request.owner)
        self._live = [candidate for candidate in self._live if candidate.writer.finish is None]
        self.finished = not self._live

    def _score(self, logits: Array, id: int) -> TokenScore | None:
        count = self.request.sampling.logprobs
        if count is None:
            return None
        piece, logprobs = self._shared.tokens.piece, log_softmax(logits)
        best = logprobs.argsort()[::-1][:count]
        return TokenScore(piece(id), float(logprobs[id]), tuple((piece(int(i)), float(logprobs[i])) for i in best))


Factory = Callable[[Request], Job]
