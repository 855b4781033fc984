"""One request from Task and Notebook to CellEdit, forward only; the one place where repair loops.

    gather -> render -> generate -> extract -> check -> (repair, bounded) -> plan

Synchronous and generator-based: surfaces consume events and close the generator to cancel at the next token.
Writes nothing: the surface applies the edit.
"""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from nbcopilot import __version__
from nbcopilot.config import Config
from nbcopilot.context.gather import gather
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import EmptyPromptError
from nbcopilot.events import CandidateReady, CheckDone, ContextReady, Done, EditReady, Event, Notice, PromptReady, Token
from nbcopilot.judge import Judge, Judged
from nbcopilot.notebook import dependencies
from nbcopilot.notebook.fault import at_fault, leading_up
from nbcopilot.prompts.render import ROOMY, render, render_plainly
from nbcopilot.types import (
    Candidate,
    Cell,
    CellEdit,
    Chunk,
    Completion,
    Context,
    Notebook,
    Prompt,
    Sampling,
    Target,
    Task,
    TaskKind,
    Usage,
    Verdict,
)
from nbcopilot.validate import syntax
from nbcopilot.validate.extract import extract
from nbcopilot.write.plan import plan
from nbcopilot.write.provenance import Provenance

# Temperature of answers that are to differ from the greedy one.
SPREAD = 0.8
# How many times as many are drawn in the second round (what four answers did not hit is hard), and about how many
# tokens these may take together.
MORE = 4
ROUND_TOKENS = 1536
# Left for the chat template's own tokens and the repair turn when the context is budgeted.
TEMPLATE_TOKENS = 64
# What the worked examples of `prompts` may take, where there is room for them.
EXAMPLE_TOKENS = 400

# Characters of mere repetition after which an answer is cut: a ruler of dashes or a row of zeros is shorter.
LOOP = 200


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


@dataclass(frozen=True)
class Draw:
    """`count` answers to one prompt."""

    prompt: Prompt
    sampling: Sampling
    count: int


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
        task, notices = _aim(task, notebook)
        yield from notices
        context = gather(task, notebook, count=self.engine.count, budget=self._budget(task), config=self.config)
        yield ContextReady(context)
        yield from _context_notices(context)

        judged: list[Judged] = []
        drawn: dict[str, Draw] = {}
        usage = Usage()
        for attempt in range(1 + (task.repairs if task.check else 0)):
            length = -(-usage.completion_tokens // max(1, len(judged)))
            draws = _draws(context, task, judge.best(judged) if attempt else None, attempt, length)
            yield PromptReady(draws[0].prompt, attempt)
            answers = yield from self._generate(draws, attempt)
            usage = _add(usage, [completion for _, completion in answers])
            for draw, completion in answers:
                candidate = extract(completion, draw.prompt)
                yield CandidateReady(candidate, completion)
                same = next((verdict for one, verdict in judged if one.text == candidate.text), None)
                if same is not None:  # drawn before: judged once, and counted again where answers are held to agree
                    judged.append((candidate, same))
                else:
                    judged.append(judge.check(candidate, task, notebook, upstream(notebook, candidate, task)))
                drawn.setdefault(judged[-1][0].text, draw)
                yield CheckDone(*judged[-1])
            if judge.best(judged)[1].ok:
                break

        chosen = judge.best(judged)
        if not chosen[0].text.strip():
            yield Notice(
                "the model gave no usable answer", "say more about what you want, or try --temperature 0.7", "warning"
            )
            yield Done("empty", usage)
            return
        draw = drawn[chosen[0].text]
        edit = self.plan_edit(replace(task, sampling=draw.sampling), notebook, draw.prompt, chosen)
        yield EditReady(edit, *chosen)
        yield Done("ok", usage)

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

    def _generate(self, draws: Sequence[Draw], attempt: int) -> Generator[Event, None, list[tuple[Draw, Completion]]]:
        """The answers of all draws, numbered in one row; the engine decodes them together."""
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
                            return [(draw, Completion(texts[0], 0, "length", chunk.usage or Usage()))]
                    if chunk.finish:
                        done[index] = Completion(texts[index], index, chunk.finish, chunk.usage or Usage())
                start += draw.count
        return [(owners[i], done.get(i) or Completion(texts[i], i, "cancelled")) for i in range(total)]

    def plan_edit(self, task: Task, notebook: Notebook, prompt: Prompt, chosen: Judged) -> CellEdit:
        """The cells that write `chosen`: what EditReady carries for the best; surfaces ask for the other candidates'."""
        if self._keep is not None:
            self._keep(prompt)
        provenance = Provenance(
            model=self.engine.describe(),
            sampling=task.sampling,
            prompt_sha256=prompt.hash,
            group=str(uuid.uuid4()),
            created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            version=__version__,
        )
        return plan(task, notebook, [chosen], provenance, self.config)


def _draws(context: Context, task: Task, failed: Judged | None, attempt: int, length: int) -> list[Draw]:
    """What is asked of the engine in this attempt; `length` are the tokens that an answer has had so far.

    First the candidates: a greedy one and the others spread, so that there is something to choose from. Then repairs:
    one answer to what the checks found, and beside it new answers, some of them to the request in the user's own words.
    A small model seldom mends what it wrote but often does it right the second time or when asked in another way
    (docs/measuring.md), and four rows take hardly longer than one.
    """
    if failed is None:
        first = Draw(render(context), task.sampling, task.candidates)
        if task.candidates == 1 or task.sampling.temperature > 0 or task.sampling.beams > 1:
            return [first]
        return [replace(first, count=1), Draw(first.prompt, _spread(task.sampling, 0), task.candidates - 1)]
    repair = Draw(render(context, failed=[failed]), task.sampling, 1)
    if not task.redraws or task.kind not in ("generate", "fix"):
        return [repair]
    more = min(task.redraws * MORE, ROUND_TOKENS // max(1, length)) if attempt > 1 else 0
    count = max(task.redraws, more)
    plain = -(-count // 3) if task.kind == "generate" and not task.think else 0
    spread = _spread(task.sampling, attempt)
    draws = [
        repair,
        Draw(render_plainly(context), task.sampling if plain == 1 else spread, plain),
        Draw(render(context), spread, count - plain),
    ]
    return [draw for draw in draws if draw.count]


def _spread(sampling: Sampling, attempt: int) -> Sampling:
    """`sampling` as it is when it draws at random, else at a temperature; every attempt has a seed of its own."""
    seed = None if sampling.seed is None else sampling.seed + attempt
    if sampling.temperature > 0:
        return replace(sampling, seed=seed)
    return replace(sampling, temperature=SPREAD, top_p=0.95, beams=1, seed=seed)


def make_task(kind: TaskKind, config: Config, instruction: str = "", target: Target | None = None) -> Task:
    """The Task that `config` asks for: how every surface turns settings into a request."""
    sampling = Sampling(
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=config.top_k,
        min_p=config.min_p,
        repetition_penalty=config.repetition_penalty,
        beams=config.beams,
        seed=config.seed,
        max_tokens=config.max_tokens,
    )
    return Task(
        kind,
        instruction,
        target or Target(),
        sampling,
        candidates=config.candidates,
        repairs=config.repairs,
        redraws=config.redraws,
        few_shot=config.few_shot,
        think=config.think,
        check=config.check,
    )


def _aim(task: Task, notebook: Notebook) -> tuple[Task, tuple[Notice, ...]]:
    """For a fix of the cell that failed: the task aimed at the cell at fault, and what the user is told of it."""
    error = notebook.error
    if task.kind != "fix" or error is None or error.cell_id is None or task.target.cell_id != error.cell_id:
        return task, ()
    cell = at_fault(notebook)
    if cell is None or cell.id == error.cell_id:
        return task, ()
    position = notebook.index(cell.id)
    number = f"[{cell.executed}]" if cell.executed is not None else f"#{(position or 0) + 1}"
    aimed = replace(task, target=Target(cell.source, cell.id, position=position))
    return aimed, (Notice(f"the cell that failed only shows it: the fault is looked for in cell {number}"),)


def upstream(notebook: Notebook, candidate: Candidate, task: Task) -> tuple[str, ...]:
    """Sources of the cells that the candidate (and the target) depend on, in execution order."""
    if notebook.language != "python" or candidate.answer != "code":
        return ()
    position = task.target.position if task.target.position is not None else notebook.cursor
    source = candidate.text if task.kind == "generate" else f"{task.target.source}\n{candidate.text}"
    cells = dependencies.upstream(notebook, source, len(notebook.cells) if position is None else position + 1)
    if task.kind == "fix":
        found = {cell.id for cell in (*cells, *leading_up(notebook, task.target.cell_id)[0])}
        cells = tuple(cell for cell in dependencies.execution_order(notebook) if cell.id in found)
    return tuple(cell.source for cell in cells if not _is_subject(cell, task))


def _is_subject(cell: Cell, task: Task) -> bool:
    """Whether the cell is what the task is about, and not only holds it among other things."""
    target = task.target
    whole = not target.names or syntax.look_through(cell.source).strip() == target.source.strip()
    return cell.id == target.cell_id and whole


def is_looping(text: str) -> bool:
    """True when the end of `text` repeats itself over LOOP characters: a small model has lost its way."""
    if len(text) < LOOP:
        return False
    tail = text[-2 * LOOP :]
    if any(tail.endswith(tail[-unit:] * max(6, -(-LOOP // unit))) for unit in range(1, LOOP // 3)):
        return True
    # "# Test case 17: ...", then 18, 19: the same lines but for a number, eight times over.
    lines = [re.sub(r"\d+", "0", line) for line in text[-12 * LOOP :].split("\n")[1:-1]]
    return any(
        lines[-8 * size :] == lines[-size:] * 8 and len("".join(lines[-8 * size :])) > 2 * LOOP for size in range(1, 6)
    )


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


def _add(total: Usage, completions: Sequence[Completion]) -> Usage:
    for done in completions:
        total = replace(
            total,
            prompt_tokens=total.prompt_tokens + done.usage.prompt_tokens,
            completion_tokens=total.completion_tokens + done.usage.completion_tokens,
            cached_tokens=total.cached_tokens + done.usage.cached_tokens,
            first_token_seconds=total.first_token_seconds or done.usage.first_token_seconds,
        )
    return replace(total, seconds=total.seconds + max((done.usage.seconds for done in completions), default=0.0))


_HINTS = {
    "generate": "write below %%generate what the cell should do",
    "explain": "put the code below %%explain, or name it: %explain NAME",
    "testgen": "put the code below %%testgen, or name a function: %testgen NAME",
    "fix": "run a cell that fails first, or put the code below %%fix",
    "document": "put the code below %%document",
    "complete": "type something first",
}
