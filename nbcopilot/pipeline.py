"""One request from Task and Notebook to CellEdit, forward only.

    aim -> ground -> gather -> repair (render -> generate -> extract -> check, bounded) -> plan

Synchronous and generator-based: surfaces consume events and close the generator to cancel at the next token.
Writes nothing: the surface applies the edit.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from nbcopilot import confidence, features
from nbcopilot._version import __version__
from nbcopilot.confidence import Confidence
from nbcopilot.config import Config
from nbcopilot.context.gather import gather
from nbcopilot.deadline import Deadline
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import EmptyPromptError
from nbcopilot.events import ContextReady, Done, EditReady, Event, Notice, PromptReady
from nbcopilot.grounding import unclear
from nbcopilot.grounding.ground import ground
from nbcopilot.inference import Prompt, Usage
from nbcopilot.judge import Judge
from nbcopilot.live_state import Grounding
from nbcopilot.prompts.render import MIN_TOKENS_FOR_EXAMPLES
from nbcopilot.repair import Repair
from nbcopilot.task import aim
from nbcopilot.types import Candidate, CellEdit, Context, Judged, Notebook, Task
from nbcopilot.verdict import Verdict
from nbcopilot.write.plan import plan
from nbcopilot.write.provenance import RULE, Provenance

# Left for the chat template's own tokens and the repair turn when the context is budgeted.
TEMPLATE_TOKENS = 64
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
        features.require(self.config, task.kind)
        if not (task.instruction.strip() or task.target.source.strip()):
            raise EmptyPromptError(f"there is nothing to {task.kind}", hint=_HINTS[task.kind])
        deadline = Deadline(self.config.answer_seconds)
        judge = judge or Judge(self.config)
        judge.warm(task, notebook)
        task, notices = aim(task, notebook)
        yield from notices
        grounding = ground(task, notebook, self.config.grounding)
        if self.config.grounding == "all":
            task = replace(task, grounding=grounding)
        context = gather(
            task, notebook, count=self.engine.count, budget=self._budget(task), config=self.config, grounding=grounding
        )
        yield ContextReady(context)
        yield from _context_notices(context)

        repair = Repair(self.engine, judge, context, task, notebook, deadline)
        yield from repair.run()
        chosen, history = repair.best(), repair.history
        if not chosen[0].text.strip():
            yield Notice("The model returned no usable answer", "Add detail, or try --temperature 0.7", "warning")
            yield Done("empty", history.usage, history.answers)
            return
        batch = history.batches[chosen[0].text]
        if deadline.overdue:
            late = f"the answer took {deadline.spent():.0f} s, {deadline.seconds:g} s were meant"
            yield Notice(late, "the machine is busy, or the context long: context_tokens limits it")
        if repair.ran_out and not chosen[1].ok:
            yield Notice(f"no answer passed its checks in {deadline.seconds:g} s", _LONGER, "warning")
        yield from _unclear(task, notebook, grounding, chosen)
        edit = self.plan_edit(replace(task, sampling=batch.sampling), notebook, batch.prompt, chosen)
        outcomes = Counter(v.preview.group for _, v in history.judged if v.preview is not None and v.preview.group)
        yield EditReady(edit, *chosen, _confidence(repair, chosen), outcomes)
        yield Done("ok", history.usage, history.answers)

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
        left = self.engine.describe().context_tokens - task.sampling.max_tokens - TEMPLATE_TOKENS
        if task.check and task.repairs:
            left -= task.sampling.max_tokens  # the repair turn quotes the failed answer
        left -= EXAMPLE_TOKENS if left >= MIN_TOKENS_FOR_EXAMPLES + EXAMPLE_TOKENS else 0
        limit = self.config.context_tokens or left
        return max(min(left, limit), 256)

    def plan_edit(self, task: Task, notebook: Notebook, prompt: Prompt, chosen: Judged) -> CellEdit:
        """The cells that write `chosen`: what EditReady carries for the best; surfaces ask for the other candidates'."""
        if self._keep is not None:
            self._keep(prompt)
        by_rule = bool(chosen[1].evidence.mended) and not chosen[0].answer_sha256
        provenance = Provenance(
            model=RULE if by_rule else self.engine.describe(),
            sampling=task.sampling,
            prompt_sha256=prompt.hash,
            group=str(uuid.uuid4()),
            created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            version=__version__,
        )
        return plan(task, notebook, [chosen], provenance, self.config)


def _confidence(repair: Repair, chosen: Judged) -> Confidence:
    """How sure it is that the chosen answer does what was asked."""
    history, (candidate, verdict) = repair.history, chosen
    scores = history.logprobs.get(candidate.answer_sha256, ())
    samples = confidence.Samples(
        answers=len(history.judged),
        rejected=sum(not other.ok for _, other in history.judged),
        agreeing=repair.judge.agreeing(chosen, history.judged),
        repairs=repair.round,
        logprob=sum(scores) / len(scores) if scores else None,
        lowest=min(scores, default=None),
    )
    found = confidence.features(repair.task, repair.notebook, candidate, verdict, samples)
    return confidence.judge(repair.task.kind, verdict, found)


def _unclear(task: Task, notebook: Notebook, grounding: Grounding, chosen: Judged) -> Iterator[Notice]:
    """What the user may want to say again: a name that is nowhere and that the answer does not make, tables that fit alike."""
    if task.kind != "generate":
        return
    candidate, verdict = chosen
    for name in unclear.nowhere(task.instruction, notebook):
        if name not in candidate.text or not verdict.ok:
            near = " or ".join(f"`{one}`" for one in unclear.offered(name, notebook, grounding.tables))
            yield Notice(f"`{name}` is nowhere in the notebook", f"did you mean {near}?" if near else "", "warning")
    fit = unclear.alike(grounding, notebook.state) if notebook.state is not None else ()
    if fit:
        more = f" and {len(fit) - 5} more" if len(fit) > 5 else ""
        yield Notice(f"{', '.join(fit[:5])}{more} fit the request alike", "name the one that is meant")


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


_LONGER = "--answer-seconds gives more time, and the setting answer_seconds does so for every request"
_HINTS = {
    "generate": "write below %%generate what the cell should do",
    "explain": "put the code below %%explain, or name it: %explain NAME",
    "testgen": "put the code below %%testgen, or name a function: %testgen NAME",
    "fix": "run a cell that fails first, or put the code below %%fix",
    "document": "put the code below %%document",
    "complete": "type something first",
}
