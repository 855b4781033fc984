"""What a request tells its surface while it runs: `Copilot.stream(task, notebook) -> Iterator[Event]`.

Order: Notice* ContextReady PromptReady Token* (CandidateReady CheckDone)* EditReady? Done.
The first answer that the checks accept is told once more, as Accepted: better ones are looked for while time remains.
A conversation begins with Meant. A repair repeats from PromptReady. Of answers that are drawn to see whether they agree only those that differ are told,
without their tokens. Closing the iterator cancels at the next token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nbcopilot.confidence import Confidence
from nbcopilot.inference import Completion, Prompt, Usage
from nbcopilot.types import Candidate, CellEdit, Context, Task
from nbcopilot.verdict import Verdict


@dataclass(frozen=True)
class Notice:
    """A sentence for the user: what was left out, which route was taken, what could not be done."""

    message: str
    hint: str = ""
    severity: str = "info"


@dataclass(frozen=True)
class ContextReady:
    """What will be sent, with reasons and token counts."""

    context: Context


@dataclass(frozen=True)
class PromptReady:
    """The rendered prompt. `attempt` is 0 for the first, then the number of the repair."""

    prompt: Prompt
    attempt: int = 0


@dataclass(frozen=True)
class Token:
    """Text as it is generated. `index` is the candidate, `attempt` as in PromptReady."""

    text: str
    index: int = 0
    attempt: int = 0


@dataclass(frozen=True)
class CandidateReady:
    """Code or markdown taken out of a finished answer."""

    candidate: Candidate
    completion: Completion


@dataclass(frozen=True)
class CheckDone:
    """The verdict on a candidate."""

    candidate: Candidate
    verdict: Verdict


@dataclass(frozen=True)
class Accepted:
    """The first answer that passed its checks, `seconds` after the request began: what may be shown already.

    `until` is when the request ends at the latest, in seconds from its beginning (0: no limit).
    """

    candidate: Candidate
    verdict: Verdict
    seconds: float
    until: float = 0.0


@dataclass(frozen=True)
class EditReady:
    """The cells to write, and how sure it is that they do what was asked. The surface applies it; the pipeline never does.

    outcomes: how many of the answers, also those that were not told, came to each outcome, by `Preview.group`.
    """

    edit: CellEdit
    candidate: Candidate
    verdict: Verdict
    confidence: Confidence = field(default_factory=Confidence)
    outcomes: Mapping[str, int] = field(default_factory=dict)

    @property
    def held_back(self) -> Literal["", "rejected", "ungrounded"]:
        """Why it is shown and not written: code that the checks reject (written, it would stop a run of the whole
        notebook), or a text of which the notebook bears out nothing; "" when it may be written."""
        if self.candidate.answer == "code":
            return "" if self.verdict.ok else "rejected"
        return "ungrounded" if self.verdict.checks.get("grounding") == "failed" else ""


@dataclass(frozen=True)
class Meant:
    """What a turn of a conversation was taken for, and the request as it is answered.

    turn: for "undo", the id of the turn that is meant ("" when none is).
    """

    intent: Literal["code", "words", "undo"]
    task: Task
    turn: str = ""


@dataclass(frozen=True)
class Done:
    """The end. `finish` is "ok", "empty" (nothing usable came) or "cancelled"; `usage` is the total of all `answers`."""

    finish: str = "ok"
    usage: Usage = field(default_factory=Usage)
    answers: int = 0


Event = Notice | ContextReady | PromptReady | Token | CandidateReady | CheckDone | Accepted | EditReady | Meant | Done
