"""LocalEngine: the model runs with torch in this process. `load(name, config)` is the way in.

Turns prompts into ids, hands them to the scheduler's thread, and gives the chunks back as an iterator.
"""

from __future__ import annotations

import math
import queue
from collections.abc import Callable, Generator, Sequence
from functools import partial

import numpy as np

from nbcopilot.config import Config
from nbcopilot.engine.beam import BeamSearch
from nbcopilot.engine.device import Placement, follow_load, free_threads, place
from nbcopilot.engine.draft_model import DraftModel
from nbcopilot.engine.drafting import SpeculationPolicy
from nbcopilot.engine.jobs import Candidates, Job, Shared
from nbcopilot.engine.layout import check_ids
from nbcopilot.engine.loading import Loaded, load_draft, load_model
from nbcopilot.engine.prefix import PrefixCache
from nbcopilot.engine.request import Request
from nbcopilot.engine.scheduler import Scheduler
from nbcopilot.errors import ContextOverflowError, OutOfMemoryError
from nbcopilot.inference import Chunk, ModelInfo, Prompt, Sampling
from nbcopilot.models.catalog import human_bytes
from nbcopilot.models.fetch import Progress
from nbcopilot.models.store import LocalModel, ensure

# What the keys and values of running answers may take, beside those that are kept for later (`cache_mb`); one
# answer as long as the model's context always has room.
ANSWER_BYTES = 1_000_000_000


def load(
    name: str, config: Config, progress: Progress | None = None, *, draft: bool = True, heal: bool = True
) -> LocalEngine:
    """The engine for a model name ("auto", a catalog id, a folder, a .gguf file, a hub id); see LocalEngine.

    The model must be on this machine: raises ModelNotFoundError otherwise, OutOfMemoryError before loading,
    ConfigError for a device that is not there, ModelCorruptError.
    """
    source = ensure(name)
    placement = place(config)
    loaded = load_model(source, placement, config.threads or free_threads(), progress)
    smaller = load_draft(source, loaded, progress) if draft else None
    return LocalEngine(source, placement, loaded, config, draft=draft, heal=heal, smaller=smaller)


class LocalEngine:
    """A loaded model behind the Engine protocol. Thread-safe: concurrent requests are decoded together.

    draft: whether guesses may be verified beside the newest token; the answers are the same without.
    heal: whether a gap may begin in the middle of a word (`healing`).
    smaller: a model that guesses what is nowhere in the prompt.
    """

    def __init__(
        self,
        source: LocalModel,
        placement: Placement,
        loaded: Loaded,
        config: Config,
        *,
        draft: bool = True,
        heal: bool = True,
        smaller: DraftModel | None = None,
    ) -> None:
        self._source, self._placement, self._loaded = source, placement, loaded
        self._tokens, model, self._heal = loaded.tokens, loaded.model, heal
        prefixes = PrefixCache(config.cache_mb * 1_000_000) if model.reuses and config.cache_mb else None
        policy = SpeculationPolicy() if model.reuses and draft else None
        self._shared = Shared(model, self._tokens, prefixes, policy, smaller)
        self._threads: Callable[[], int] = follow_load(free_threads())
        if config.threads:
            self._threads = lambda: config.threads
        self._token_budget = max(ANSWER_BYTES // model.token_bytes, model.context) if model.token_bytes else math.inf
        self._scheduler = Scheduler(model, partial(_job, self._shared), policy, self._threads, self._token_budget)

    def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Generator[Chunk, None, None]:
        """Stream the answers; see Engine.generate. The prompt is checked now, not at the first chunk."""
        out: queue.SimpleQueue[tuple[int, Chunk] | BaseException] = queue.SimpleQueue()
        request = self._request(prompt, sampling, out, candidates=candidates)
        return (chunk for _, chunk in self._answers([request], out))

    def generate_batch(self, prompts: Sequence[Prompt], sampling: Sampling) -> Generator[tuple[int, Chunk], None, None]:
        """Answer several prompts together; yields (position of the prompt, chunk)."""
        out: queue.SimpleQueue[tuple[int, Chunk] | BaseException] = queue.SimpleQueue()
        requests = [self._request(prompt, sampling, out, position=i) for i, prompt in enumerate(prompts)]
        return self._answers(requests, out)

    def count(self, text: str) -> int:
        """Tokens of `text` by the model's own tokenizer."""
        return self._tokens.count(text)

    def describe(self) -> ModelInfo:
        """Which model this is, its context length, device and precision; what it holds in memory and may hold."""
        prefixes, token = self._shared.prefixes, self._loaded.model.token_bytes
        return ModelInfo(
            id=self._source.ref.id,
            sha256=self._source.sha256,
            engine="local",
            context_tokens=self._loaded.model.context,
            device=self._placement.device,
            precision=self._placement.precision,
            detail={
                "computes": self._loaded.model.kind,
                "reason": self._loaded.reason,
                "draft": self._shared.draft.name if self._shared.draft else "",
                "guesses_right": self._shared.policy.right if self._shared.policy else {},
                "threads": self._threads(),
                "weight_bytes": self._loaded.weight_bytes,
                "cache_bytes": prefixes.bytes if prefixes else 0,
                "cache_limit_bytes": prefixes.limit if prefixes else 0,
                "answer_bytes": self._scheduler.held * token,
                "answer_limit_bytes": self._token_budget * token if token else None,
                "fill_in_the_middle": self._tokens.has_fill,
                "logprobs": True,
                "echo": True,
            },
        )

    def read_bytes(self) -> int:
        """Bytes of weights that decoding one token reads, for the distance to the memory's limit; 0 when not known."""
        return int(getattr(self._loaded.model, "read_bytes", 0))

    def close(self) -> None:
        """End the engine's thread, free the model and what is kept of requests; running ones are cancelled."""
        self._scheduler.close()
        if self._shared.prefixes is not None:
            self._shared.prefixes.clear()
        if self._shared.draft is not None:
            self._shared.draft.close()
        self._loaded.model.close()

    def _request(
        self,
        prompt: Prompt,
        sampling: Sampling,
        out: queue.SimpleQueue[tuple[int, Chunk] | BaseException],
        *,
        position: int = 0,
        candidates: int = 1,
    ) -> Request:
        ids = self._tokens.prompt_ids(prompt)
        limit = self._loaded.model.context
        if len(ids) + 1 > limit:
            raise ContextOverflowError(
                f"the prompt is {len(ids)} tokens, {self._source.ref.id} takes {limit}",
                hint="set `context_tokens` lower, or shorten the text",
            )
        check_ids(np.array(ids, np.int64), self._loaded.model.vocab)  # now: others are computed together with it
        ids, begins = self._healed(ids, prompt, sampling)
        rows, used = max(candidates, sampling.beams), len(ids) + len(begins)
        token_budget = rows * (used + min(sampling.max_tokens, limit - used))
        if token_budget > self._token_budget:
            token = self._loaded.model.token_bytes
            raise OutOfMemoryError(
                f"{rows} answers to this prompt may take {human_bytes(token_budget * token)}; "
                f"the engine keeps to {human_bytes(int(self._token_budget) * token)}",
                hint="ask for fewer candidates, or for shorter answers (`max_tokens`)",
            )
        urgent = prompt.suffix is not None
        return Request(
            ids,
            sampling,
            prompt.stop,
            out,
            position,
            candidates,
            urgent=urgent,
            token_budget=token_budget,
            begins=begins,
            owner=prompt.owner,
        )

    def _healed(self, ids: list[int], prompt: Prompt, sampling: Sampling) -> tuple[list[int], bytes]:
        """`Tokens.healed` for a gap in which nothing has been said yet, where there is room to spell anew."""
        if not self._heal or prompt.suffix is None or prompt.prefill or sampling.beams > 1:
            return ids, b""
        cut, begins = self._tokens.healed(ids)
        return (cut, begins) if len(cut) + len(begins) < self._loaded.model.context else (ids, b"")

    def _answers(
        self, requests: Sequence[Request], out: queue.SimpleQueue[tuple[int, Chunk] | BaseException]
    ) -> Generator[tuple[int, Chunk], None, None]:
        open_answers = sum(request.candidates for request in requests)
        try:
            for request in requests:
                self._scheduler.submit(request)
            while open_answers:
                got = out.get()
                if isinstance(got, BaseException):
                    raise got
                open_answers -= got[1].finish is not None
                yield got
        finally:
            for request in requests:
                request.cancelled = True


def _job(shared: Shared, request: Request) -> Job:
    """What answers `request`. No method: the scheduler would hold the engine, and its memory, in a circle."""
    kind = BeamSearch if request.sampling.beams > 1 else Candidates
    return kind(request, shared)
