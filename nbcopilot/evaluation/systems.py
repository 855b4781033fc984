"""What is compared: the raw model, nbcopilot rung by rung, and the way peers prompt. All on the same engine.

A system turns (Task, Notebook) into an Answer and never sees an item, so it cannot see an item's tests.
"""

from __future__ import annotations

import ast
import contextlib
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from nbcopilot.batch.open_notebook import Documented, document_open
from nbcopilot.checking import check
from nbcopilot.checks import registry
from nbcopilot.confidence import Confidence
from nbcopilot.config import Config
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import UsageError
from nbcopilot.evaluation.peers import PEERS, wording
from nbcopilot.events import Accepted, Done, EditReady
from nbcopilot.inference import Message, Prompt, Sampling, Usage
from nbcopilot.judge import Judge
from nbcopilot.notebook import syntax
from nbcopilot.pipeline import Copilot
from nbcopilot.serve.complete import Completer, Gap
from nbcopilot.task import make_task, upstream
from nbcopilot.types import Candidate, CellEdit, Judged, Notebook, Task
from nbcopilot.verdict import Verdict

# A fenced block, closed or cut off at the end of the answer; and one that is closed for certain.
BLOCK = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
CLOSED = re.compile(r"^[ \t]*```[^\n`]*\n.*?^[ \t]*```[ \t]*\n", re.DOTALL | re.MULTILINE)


# What a chat template adds to each message, about.
TURN_TOKENS = 5
# Longest completion: some of the blocks to fill in are whole function bodies.
COMPLETION_TOKENS = 256


@dataclass(frozen=True)
class Answer:
    """The cell that a system would write, and what it cost. `cell_id` is the cell it replaces ("" for a new one).

    `accepted` is the system's own verdict, None when it did not check; `findings` say why it was not accepted.
    `usage` sums all attempts and candidates, `generations` counts them. `shown_seconds` is when the first answer was
    shown, `label` what was said of its being right, `features` what that was made from.
    """

    text: str
    usage: Usage = field(default_factory=Usage)
    generations: int = 1
    accepted: bool | None = None
    findings: tuple[str, ...] = ()
    cell_id: str = ""
    shown_seconds: float | None = None
    label: str = ""
    features: Mapping[str, float] = field(default_factory=dict)


class System(Protocol):
    """Answers a task. `name` is its column in the report."""

    @property
    def name(self) -> str:
        """The mode as it is typed and reported."""
        ...

    def answer(self, task: Task, notebook: Notebook) -> Answer:
        """The cell for `task`; an unusable answer is an Answer with an empty text. Raises EngineError."""
        ...


@dataclass(frozen=True)
class Prompted:
    """One prompt, one greedy answer, the first code block of it: no context of ours, no checks.

    The answer ends with that block, and its tokens are counted to there: what follows is not used.
    """

    name: str
    engine: Engine
    sampling: Sampling
    prompt: Callable[[Task, Notebook], Prompt]

    def answer(self, task: Task, notebook: Notebook) -> Answer:
        """See `System.answer`."""
        started = time.monotonic()
        prompt = self.prompt(task, notebook)
        text, usage = "", Usage()
        prose = task.kind in ("explain", "document")
        whole = prose or prompt.text is not None or prompt.prefill.endswith("```python\n")
        with contextlib.ExitStack() as stack:
            chunks = self.engine.generate(prompt, self.sampling)
            stack.callback(getattr(chunks, "close", lambda: None))
            for chunk in chunks:
                text += chunk.text
                usage = chunk.usage or usage
                closed = None if whole else CLOSED.search(text)
                if closed is not None:
                    text, count = text[: closed.end()], self.engine.count
                    asked = sum(count(message.content) + TURN_TOKENS for message in prompt.messages)
                    usage = replace(usage, prompt_tokens=usage.prompt_tokens or asked, completion_tokens=count(text))
                    break
        seconds = time.monotonic() - started
        return Answer(text if whole else first_block(text), usage, shown_seconds=seconds)


@dataclass(frozen=True)
class Voted:
    """Several sampled answers to the raw prompt, the one that most others equal: what tokens alone buy.

    The baseline at equal budget for candidates and repairs. Nothing is run; answers are equal when their syntax trees are.
    """

    name: str
    engine: Engine
    sampling: Sampling
    count: int

    def answer(self, task: Task, notebook: Notebook) -> Answer:
        """See `System.answer`."""
        prompt = plain(task, notebook)
        texts, usage = [""] * self.count, Usage()
        for chunk in self.engine.generate(prompt, self.sampling, candidates=self.count):
            texts[chunk.index] += chunk.text
            usage = _sum(usage, chunk.usage) if chunk.usage else usage
        codes = [first_block(text) for text in texts]
        shapes = [_shape(code) for code in codes]
        best = max(range(self.count), key=lambda i: (bool(shapes[i]), shapes.count(shapes[i]), -i))
        return Answer(codes[best], usage, self.count)


def _shape(code: str) -> str:
    """The syntax tree as text, "" for what is not Python."""
    tree = syntax.plain_tree(code)
    return ast.dump(tree) if tree is not None else ""


@dataclass(frozen=True)
class Rung:
    """One rung of nbcopilot: which of its parts are on."""

    check: bool = False
    run: bool = False
    repairs: bool = False
    retry_samples: bool = False
    consensus_samples: bool = False
    candidates: int = 1


# Each rung adds a part; `full` is what a user gets with the config as it is.
RUNGS = {
    "context": Rung(),
    "static": Rung(check=True),
    "run": Rung(check=True, run=True),
    "repair": Rung(check=True, run=True, repairs=True),
    "candidates": Rung(check=True, run=True, candidates=4),
    "retries": Rung(check=True, run=True, repairs=True, retry_samples=True),
    "full": Rung(check=True, run=True, repairs=True, retry_samples=True, consensus_samples=True),
}


@dataclass(frozen=True)
class Nbcopilot:
    """nbcopilot's own pipeline, called as the magics call it, with the parts of one rung."""

    name: str
    engine: Engine
    config: Config
    rung: Rung

    def answer(self, task: Task, notebook: Notebook) -> Answer:
        """See `System.answer`. The task's options are the config's, as for every surface."""
        if task.kind == "complete":
            return self._complete(task)
        if task.kind == "document":
            return self._document(notebook)
        rung = self.rung
        config = replace(
            self.config,
            check=rung.check,
            repairs=self.config.repairs if rung.repairs else 0,
            retry_samples=self.config.retry_samples if rung.retry_samples else 0,
            consensus_samples=self.config.consensus_samples if rung.consensus_samples else 0,
            candidates=max(self.config.candidates, rung.candidates) if rung.candidates > 1 or rung.retry_samples else 1,
        )
        asked = make_task(task.kind, config, task.instruction, task.target)
        judge = Judge(config) if rung.run else Unrun(config)
        return _collect(Copilot(self.engine, config), asked, notebook, judge)

    def _complete(self, task: Task) -> Answer:
        """What inline completion suggests at the cursor: its rungs are all the same, it checks nothing."""
        gap = Gap(task.target.source, task.instruction, max_tokens=COMPLETION_TOKENS)
        *_, last = Completer().suggest(self.engine, gap)
        return Answer(last.text, last.usage)

    def _document(self, notebook: Notebook) -> Answer:
        """All that `nbcopilot document` would write, together: its rungs are all the same."""
        texts: list[str] = []
        usage = Usage()
        for update in document_open(notebook, self.engine, replace(self.config, label=False), threading.Event()):
            if isinstance(update, Documented):
                texts = [cell.source for part in update.parts for cell in part.edit.cells]
                usage = update.usage
        return Answer("\n\n".join(texts), usage)


class Unrun(Judge):
    """A judge that looks at code and never runs it."""

    runs_code = False

    def check(self, candidate: Candidate, task: Task, notebook: Notebook) -> Judged:
        """The candidate as it is, with its syntax, names and imports checked."""
        return candidate, check(candidate, task, notebook, self.config, upstream=upstream(notebook, candidate, task))


def _collect(copilot: Copilot, task: Task, notebook: Notebook, judge: Judge) -> Answer:
    chosen: tuple[Candidate, Verdict] | None = None
    cell_id = ""
    done, confidence = Done("cancelled"), Confidence()
    started = time.monotonic()
    shown: float | None = None
    accepted_at: float | None = None
    for event in copilot.stream(task, notebook, judge=judge):
        if isinstance(event, EditReady):
            chosen, confidence = (event.candidate, event.verdict), event.confidence
            shown = time.monotonic() - started
            cell_id = _cell_id(event.edit) if task.kind == "fix" else ""
        elif isinstance(event, Accepted):
            accepted_at = event.seconds
        elif isinstance(event, Done):
            done = event
    if chosen is None:
        return Answer("", done.usage, done.answers, False if task.check else None, ("no usable answer",))
    candidate, verdict = chosen
    findings = tuple(map(registry.line, verdict.errors))
    accepted = verdict.ok if task.check else None
    seconds = shown if accepted_at is None else accepted_at
    return Answer(
        candidate.text,
        done.usage,
        done.answers,
        accepted,
        findings,
        cell_id,
        seconds,
        confidence.label if task.check else "",
        confidence.features,
    )


def _cell_id(edit: CellEdit) -> str:
    """The cell that a fix is for: the new cell goes below it and says so in its metadata."""
    record = edit.cells[0].metadata.get("nbcopilot", {}) if edit.cells else {}
    return str(record.get("source_cell") or "")


def _sum(total: Usage, other: Usage) -> Usage:
    return replace(
        total,
        prompt_tokens=total.prompt_tokens + other.prompt_tokens,
        completion_tokens=total.completion_tokens + other.completion_tokens,
        cached_tokens=total.cached_tokens + other.cached_tokens,
        seconds=total.seconds + other.seconds,
    )


def plain(task: Task, notebook: Notebook) -> Prompt:
    """The raw model's prompt: what the user typed or has in the cell, in one turn, and nothing else."""
    if task.kind == "complete":
        return Prompt(text=task.target.source, suffix=task.instruction, answer="text")
    return Prompt(messages=(Message("user", wording(task, notebook)),))


def benchmark_style(task: Task, notebook: Notebook) -> Prompt:
    """The prompt with which the published scores were measured (EvalPlus, instruct models): for comparing with those."""
    ask = "Please provide a self-contained Python script that solves the following problem in a markdown code block:"
    lead = "Below is a Python script with a self-contained function that solves the problem and passes corresponding tests:"
    return Prompt(
        messages=(Message("user", f"{ask}\n```\n{task.instruction.strip()}\n```\n"),),
        prefill=f"{lead}\n```python\n",
        stop=("\n```",),
    )


def first_block(text: str) -> str:
    """The first fenced block of an answer, or all of it when there is none."""
    found = BLOCK.search(text)
    return found.group(1) if found else text


def make_systems(modes: Sequence[str], engine: Engine, config: Config) -> list[System]:
    """The systems that `modes` name, in that order. Raises UsageError for an unknown mode."""
    sampling = make_task("generate", config).sampling
    greedy = replace(sampling, temperature=0.0)
    systems: list[System] = []
    for mode in dict.fromkeys(modes):
        if mode in RUNGS:
            systems.append(Nbcopilot(mode, engine, config, RUNGS[mode]))
        elif mode in PROMPTS:
            systems.append(Prompted(mode, engine, greedy, PROMPTS[mode]))
        elif mode == "vote":
            systems.append(
                Voted(mode, engine, replace(greedy, temperature=0.8, top_p=0.95), RUNGS["candidates"].candidates)
            )
        else:
            raise UsageError(f"unknown mode `{mode}`", hint="it takes " + ", ".join(MODES))
    return systems


PROMPTS: dict[str, Callable[[Task, Notebook], Prompt]] = {"raw": plain, "evalplus": benchmark_style, **PEERS}
MODES = (*PROMPTS, "vote", *RUNGS)
