"""What the repair loop handles: proposals of its strategies, and the history of what was judged."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from nbcopilot.inference import Completion, Usage
from nbcopilot.sampling_plan import SampleBatch
from nbcopilot.types import Candidate, Judged
from nbcopilot.verdict import Verdict


@dataclass(frozen=True)
class Proposal:
    """A candidate to be checked.

    batch: how it was asked for; of an edit, the prompt that it stands in for. completion: None for an edit, which no
    model wrote. quiet: no event when an equal answer was told before. named: of a quick fix, whether the error names
    it: kept when it is accepted; one that it does not name must be verified. tried: of a small edit, how many were.
    """

    candidate: Candidate
    batch: SampleBatch
    origin: Literal["model", "quick fix", "search"] = "model"
    completion: Completion | None = None
    quiet: bool = False
    named: bool = True
    tried: int = 0

    def is_worth_keeping(self, verdict: Verdict) -> bool:
        """A rejected quick fix of a cell is not shown to anybody."""
        helps = verdict.ok and (self.named or bool(verdict.evidence.verified))
        return self.origin != "quick fix" or helps

    def marked(self, judged: Judged) -> Judged:
        """The judgement with what is to be said of where the candidate comes from."""
        if self.origin == "quick fix":
            return with_evidence(judged, mended=judged[0].notes)
        return with_evidence(judged, searched=self.tried) if self.origin == "search" else judged


@dataclass
class History:
    """What was judged so far.

    known: judgements by the text that was extracted (the candidate that is shown may have been mended). batches: how
    each shown text was asked for. rounds: the round of each answer of the model. speed: tokens a second of an answer
    that is decoded alone, as the first round has shown (0: not known). logprobs: of the tokens of an answer, by the
    hash of its text.
    """

    judged: list[Judged] = field(default_factory=list)
    known: dict[str, Judged] = field(default_factory=dict)
    batches: dict[str, SampleBatch] = field(default_factory=dict)
    rounds: list[int] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    speed: float = 0.0
    logprobs: dict[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether the checks accept one of them."""
        return any(verdict.ok for _, verdict in self.judged)

    @property
    def answers(self) -> int:
        """How many answers the model gave."""
        return len(self.rounds)

    @property
    def mean_length(self) -> int:
        """Tokens of an answer, rounded up."""
        return -(-self.usage.completion_tokens // max(1, self.answers))

    def add(self, key: str, judged: Judged, batch: SampleBatch) -> None:
        """Keep one judgement; what is sampled again counts again."""
        self.judged.append(judged)
        self.known.setdefault(key, judged)
        self.batches.setdefault(judged[0].text, batch)


def with_evidence(judged: Judged, **evidence: Any) -> Judged:
    """The judgement with more evidence."""
    candidate, verdict = judged
    return candidate, replace(verdict, evidence=replace(verdict.evidence, **evidence))
