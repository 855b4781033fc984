"""One request from Task and Notebook to CellEdit, forward only; the one place where repair loops.

    gather -> render -> generate -> extract -> check -> (repair, bounded) -> plan

Synchronous and generator-based: surfaces consume events and close the generator to cancel at the next token.
Writes nothing: the surface applies the edit.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from nbcopilot._version import __version__
from nbcopilot.answers.extract import extract
from nbcopilot.config import Config
from nbcopilot.context.gather import gather
from nbcopilot.draws import Draw, draws_of, is_looping, opinions
from nbcopilot.engine.likelihood import likeliest
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import EmptyPromptError, EngineError
from nbcopilot.events import CandidateReady, CheckDone, ContextReady, Done, EditReady, Event, Notice, PromptReady, Token
from nbcopilot.judge import Judge, Judged
from nbcopilot.prompts.render import ROOMY
from nbcopilot.task import aim, upstream
from nbcopilot.types import (
    Candidate,
    CellEdit,
    Chunk,
    Completion,
    Context,
    Notebook,
    Prompt,
    Task,
    Usage,
    Verdict,
)
from nbcopilot.write.plan import plan
from nbcopilot.write.provenance import RULE, Provenance

# Left for the chat template's own tokens and the repair turn when the context is budgeted.
TEMPLATE_TOKENS = 64
# Edits that passed and are checked in full; in the list of attempts, what no model was asked for.
TRIED_EDITS = 3
SEARCHED = -1
# What the worked examples of `prompts` may take, where there is room for them.
EXAMPLE_TOKENS = 400


@dataclass(frozen=True)
class Result:
    """A finished request, for callers that do not stream."""

    edit: CellEdit | None
    candidate: Candidate | None
    verdict: Verdict | None
    context: Context | None
    notices: tuple[Notice, ...]
    usage: Usage
    attempts: int


@dataclass
class _Found:
    """What the rounds of one request have given so far.

    known: judgements by the text that was extracted (the candidate that is shown may have been mended). drawn: how
    each shown text was asked for.
    """

    judged: list[Judged] = field(default_factory=list)
    known: dict[str, Judged] = field(default_factory=dict)
    drawn: dict[str, Draw] = field(default_factory=dict)
    attempts: list[int] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)

    @property
    def length(self) -> int:
        """Tokens of an answer so far, rounded up."""
        return -(-self.usage.completion_tokens // max(1, self.answers))

    @property
    def answers(self) -> int:
        """How many answers the model gave."""
        return sum(attempt != SEARCHED for attempt in self.attempts)

    def count(self, attempt: int) -> int:
        """How many answers there are of an attempt."""
        return self.attempts.count(attempt)

    def add(self, key: str, judged: Judged, draw: Draw, attempt: int) -> None:
        """Keep one judgement; what is drawn again counts again."""
        self.judged.append(judged)
        self.known.setdefault(key, judged)
        self.drawn.setdefault(judged[0].text, draw)
        self.attempts.append(attempt)


class Copilot:
    """Answers tasks with an engine: the same flow for every surface."""

    def __init__(
        self, engine: Engine, config: Config | None = None, *, keep: Callable[[Prompt], None] | None = None
    ) -> None:
        self.engine = engine
        self.config = config or Config()
        self._keep = keep if self.config.keep_prompts else None

    def stream(self, task: Task, notebook: Notebook, *, judge: Judge | None = None) -> Iterator[Event]:
        """The events of one request (events.py gives their order).

        `judge` decides on candidates; a surface with a live kernel passes one that knows its namespace.
        Raises EmptyPromptError, PromptTooLargeError and EngineError; a rejected answer is an event, not an error.
        """
        if not (task.instruction.strip() or task.target.source.strip()):
            raise EmptyPromptError(f"there is nothing to {task.kind}", hint=_HINTS[task.kind])
        judge = judge or Judge(self.config)
        judge.warm(task, notebook)
        task, notices = aim(task, notebook)
        yield from notices
        context = gather(task, notebook, count=self.engine.count, budget=self._budget(task), config=self.config)
        yield ContextReady(context)
        yield from _context_notices(context)

        found = _Found()
        for attempt in range(1 + (task.repairs if task.check else 0)):
            draws = draws_of(context, task, judge.best(found.judged) if attempt else None, attempt, found.length)
            yield PromptReady(draws[0].prompt, attempt)
            searches = attempt == 0 and task.kind == "fix" and task.check and task.repairs > 0
            if searches and not task.instruction.strip():
                yield from self._remedied(draws[0], found, judge, task, notebook)
                if found.judged:
                    break
            yield from self._round(draws, attempt, found, judge, task, notebook)
            if judge.best(found.judged)[1].ok:
                more = opinions(context, task, notebook, found.judged, found.length)
                with suppress(EngineError):  # there is an answer already
                    yield from self._round(more, attempt, found, judge, task, notebook, quiet=True)
                break
            if searches:
                yield from self._nearby(draws[0], found, judge, task, notebook)
                if judge.best(found.judged)[1].ok:
                    break

        chosen = judge.best(found.judged)
        if not chosen[0].text.strip():
            yield Notice(
                "the model gave no usable answer", "say more about what you want, or try --temperature 0.7", "warning"
            )
            yield Done("empty", found.usage, found.answers)
            return
        draw = found.drawn[chosen[0].text]
        edit = self.plan_edit(replace(task, sampling=draw.sampling), notebook, draw.prompt, chosen)
        yield EditReady(edit, *chosen)
        yield Done("ok", found.usage, found.answers)

    def run(self, task: Task, notebook: Notebook, *, judge: Judge | None = None) -> Result:
        """The finished request, without streaming."""
        edit = candidate = verdict = context = None
        notices: list[Notice] = []
        usage, attempts = Usage(), 0
        for event in self.stream(task, notebook, judge=judge):
            if isinstance(event, ContextReady):
                context = event.context
            elif isinstance(event, Notice):
                notices.append(event)
            elif isinstance(event, PromptReady):
                attempts = event.attempt + 1
            elif isinstance(event, EditReady):
                edit, candidate, verdict = event.edit, event.candidate, event.verdict
            elif isinstance(event, Done):
                usage = event.usage
        return Result(edit, candidate, verdict, context, tuple(notices), usage, attempts)

    def _budget(self, task: Task) -> int:
        room = self.engine.describe().context_tokens - task.sampling.max_tokens - TEMPLATE_TOKENS
        if task.check and task.repairs:
            room -= task.sampling.max_tokens  # the repair turn quotes the failed answer
        room -= EXAMPLE_TOKENS if room >= ROOMY + EXAMPLE_TOKENS else 0
        limit = self.config.context_tokens or room
        return max(min(room, limit), 256)

    def _round(
        self,
        draws: Sequence[Draw],
        attempt: int,
        found: _Found,
        judge: Judge,
        task: Task,
        notebook: Notebook,
        *,
        quiet: bool = False,
    ) -> Iterator[Event]:
        """Ask for the answers of all draws and judge them. quiet: only an answer that is not there yet is an event."""
        first = found.count(attempt)
        answers: list[tuple[Draw, Completion]] = []
        for event in self._generate(draws, attempt, answers):
            if not quiet:
                yield event
        found.usage = _add(found.usage, answers)
        for draw, completion in answers:
            candidate = extract(replace(completion, index=first + completion.index), draw.prompt)
            key = candidate.text
            tell = not quiet or key not in found.known
            if tell:
                yield CandidateReady(candidate, completion)
            if key in found.known:  # judged once, and counted again where answers are held to agree
                judged = (replace(found.known[key][0], index=candidate.index), found.known[key][1])
            else:
                judged = judge.check(candidate, task, notebook, upstream(notebook, candidate, task))
            found.add(key, judged, draw, attempt)
            if tell:
                yield CheckDone(*judged)

    def _remedied(self, draw: Draw, found: _Found, judge: Judge, task: Task, notebook: Notebook) -> Iterator[Event]:
        """Offer the cell with an edit that its error asks for: the first that is verified, or that the error names."""
        above = upstream(notebook, Candidate(task.target.source), task)
        for candidate, named in judge.remedies(task, notebook, above):
            candidate, verdict = judge.check(candidate, task, notebook, upstream(notebook, candidate, task))
            if verdict.ok and (named or verdict.evidence.get("verified")):
                evidence = {**verdict.evidence, "mended": "; ".join(candidate.notes)}
                yield from self._offer((candidate, replace(verdict, evidence=evidence)), draw, found)
                return

    def _nearby(self, draw: Draw, found: _Found, judge: Judge, task: Task, notebook: Notebook) -> Iterator[Event]:
        """Judge the small edits of the cell that pass, likeliest first, until one is accepted."""
        above = upstream(notebook, Candidate(task.target.source), task)
        passing, tried = judge.near(task, notebook, above)
        for candidate in likeliest(self.engine, passing)[:TRIED_EDITS]:
            candidate, verdict = judge.check(replace(candidate, index=len(found.judged)), task, notebook, above)
            judged = candidate, replace(verdict, evidence={**verdict.evidence, "searched": tried})
            yield from self._offer(judged, draw, found)
            if verdict.ok:
                return

    def _offer(self, judged: Judged, draw: Draw, found: _Found) -> Iterator[Event]:
        """Keep an answer that no model wrote; its events."""
        found.add(judged[0].text, judged, draw, SEARCHED)
        yield CandidateReady(judged[0], Completion(judged[0].text, judged[0].index))
        yield CheckDone(*judged)

    def _generate(self, draws: Sequence[Draw], attempt: int, answers: list[tuple[Draw, Completion]]) -> Iterator[Event]:
        """Fills `answers` with those of all draws, numbered in one row; the engine decodes them together."""
        owners = [draw for draw in draws for _ in range(draw.count)]
        total = len(owners)
        texts = [""] * total
        done: dict[int, Completion] = {}
        with ExitStack() as stack:
            streams = []
            for draw in draws:
                stream = _as_generator(self.engine.generate(draw.prompt, draw.sampling, candidates=draw.count))
                stack.enter_context(closing(stream))
                # The first chunk is waited for here, so that every request is under way before any is read to its end.
                streams.append(itertools.chain([first] if (first := next(stream, None)) else [], stream))
            start = 0
            for draw, chunks in zip(draws, streams, strict=True):
                for chunk in chunks:
                    index = start + chunk.index
                    texts[index] += chunk.text
                    if chunk.text:
                        yield Token(chunk.text, index, attempt)
                        if total == 1 and is_looping(texts[0]):
                            answers.append((draw, Completion(texts[0], 0, "length", chunk.usage or Usage())))
                            return
                    if chunk.finish:
                        done[index] = Completion(texts[index], index, chunk.finish, chunk.usage or Usage())
                start += draw.count
        answers += [(owners[i], done.get(i) or Completion(texts[i], i, "cancelled")) for i in range(total)]

    def plan_edit(self, task: Task, notebook: Notebook, prompt: Prompt, chosen: Judged) -> CellEdit:
        """The cells that write `chosen`: what EditReady carries for the best; surfaces ask for the other candidates'."""
        if self._keep is not None:
            self._keep(prompt)
        by_rule = "mended" in chosen[1].evidence and not chosen[0].answer_sha256
        provenance = Provenance(
            model=RULE if by_rule else self.engine.describe(),
            sampling=task.sampling,
            prompt_sha256=prompt.hash,
            group=str(uuid.uuid4()),
            created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            version=__version__,
        )
        return plan(task, notebook, [chosen], provenance, self.config)


def _context_notices(context: Context) -> Iterator[Notice]:
    if context.redacted:
        many = "s were" if context.redacted > 1 else " was"
        yield Notice(f"{context.redacted} secret{many} replaced before anything was sent to the model")
    if context.dropped:
        names = ", ".join(snippet.source for snippet in context.dropped[:5])
        more = f" and {len(context.dropped) - 5} more" if len(context.dropped) > 5 else ""
        yield Notice(
            f"left out to fit {context.budget} tokens: {names}{more}",
            "raise context_tokens to send more; --show-context lists everything",
        )


def _as_generator(chunks: Iterator[Chunk]) -> Generator[Chunk, None, None]:
    yield from chunks


def _add(total: Usage, answers: Sequence[tuple[Draw, Completion]]) -> Usage:
    """The total with these answers; a prompt that was read once for several answers counts once."""
    asked: list[Draw] = []
    for draw, done in answers:
        first = not any(draw is other for other in asked)
        asked.append(draw)
        total = replace(
            total,
            prompt_tokens=total.prompt_tokens + (done.usage.prompt_tokens if first else 0),
            completion_tokens=total.completion_tokens + done.usage.completion_tokens,
            cached_tokens=total.cached_tokens + (done.usage.cached_tokens if first else 0),
            first_token_seconds=total.first_token_seconds or done.usage.first_token_seconds,
        )
    return replace(total, seconds=total.seconds + max((done.usage.seconds for _, done in answers), default=0.0))


_HINTS = {
    "generate": "write below %%generate what the cell should do",
    "explain": "put the code below %%explain, or name it: %explain NAME",
    "testgen": "put the code below %%testgen, or name a function: %testgen NAME",
    "fix": "run a cell that fails first, or put the code below %%fix",
    "document": "put the code below %%document",
    "complete": "type something first",
}
