"""What is known of an answer: diagnostics with stable codes, the evidence of its run, and the verdict over both.

Nouns only. A Diagnostic carries no sentence: `checks.registry` makes the text from `code` and `data` where a person
reads it, and nothing reads that text back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nbcopilot.preview import Preview

Severity = Literal["error", "warning", "intent", "info"]


@dataclass(frozen=True)
class Diagnostic:
    """One thing that is said of an answer or a notebook.

    code: stable, such as "NB101"; `nbcopilot rule NB101` prints its page. severity: an "error" rejects the answer, a
    "warning" and an "intent" (a guess about what was asked for) only rank it, an "info" is told on request.
    data: plain JSON, all that the sentence is made of and all that a fix reads. line: 1-based line of the answer.
    """

    code: str
    severity: Severity
    data: Mapping[str, Any] = field(default_factory=dict)
    line: int | None = None


NotRunReason = Literal[
    "disabled", "language", "package", "network", "environment", "gpu", "credentials", "window", "shell-api", "magic",
    "install", "shell", "keyboard", "file", "read-only", "outside", "variable", "sandbox", "policy-level", "upstream",
    "setup", "time", "memory", "budget", "unchanged-passes", "original-not-run", "not-run",
]  # fmt: skip


@dataclass(frozen=True)
class NotRun:
    """Why a run says nothing about the code. `detail` and `more` are the values of the sentence (a host, a file, seconds).

    cause: for "original-not-run", why the original could not be run.
    """

    reason: NotRunReason
    detail: str = ""
    more: str = ""
    cause: NotRun | None = None


@dataclass(frozen=True)
class TestCounts:
    """What is known of generated tests: how many pass, how many mutants they catch, which share of lines they reach.

    characterisation: those that only record what the code does today. disagree: tests that fail on the code and are
    shown apart. Coverage is 0 to 1, None when it was not measured.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    passed: int = 0
    mutants: int = 0
    killed: int = 0
    characterisation: int = 0
    disagree: int = 0
    line_coverage: float | None = None
    branch_coverage: float | None = None

    def as_metadata(self) -> dict[str, Any]:
        """The counts that go into a cell's metadata: no data, no source."""
        found: dict[str, Any] = {"passed": self.passed, "mutants": self.mutants, "killed": self.killed}
        if self.characterisation:
            found["characterisation"] = self.characterisation
        if self.line_coverage is not None:
            found["line_coverage"] = round(self.line_coverage, 3)
        if self.branch_coverage is not None:
            found["branch_coverage"] = round(self.branch_coverage, 3)
        return found


@dataclass(frozen=True)
class Evidence:
    """What the run of an answer showed. Names are those of variables; times are seconds of wall time.

    examples: (how many hold, how many there are) of the examples in the request. mended: the edits that a rule made,
    in words. searched: how many small edits were tried when the answer was found by search. verified: for a fix,
    whether the cell failed before and passes now (None: not a fix); unverified: why that is not known.
    """

    seconds: float | None = None
    setup_seconds: float | None = None
    creates: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    prints: int | None = None
    plots: int = 0
    examples: tuple[int, int] | None = None
    not_run: NotRun | None = None
    tests: TestCounts | None = None
    mended: tuple[str, ...] = ()
    searched: int | None = None
    verified: bool | None = None
    unverified: NotRun | None = None

    @property
    def touches(self) -> bool:
        """Whether the run left any variable made, changed or deleted."""
        return bool(self.creates or self.changes or self.deletes)


@dataclass(frozen=True)
class Verdict:
    """What the checks say of a candidate. A rejected candidate is a value, not an exception.

    `checks` maps check name to state ("ok", "failed", "passed", "not-run") as it goes into cell metadata;
    `level` names the sandbox that ran it ("" when nothing ran); `preview` is what the run gave, for a user to see.
    """

    ok: bool
    diagnostics: tuple[Diagnostic, ...] = ()
    checks: Mapping[str, Any] = field(default_factory=dict)
    level: str = ""
    evidence: Evidence = Evidence()
    preview: Preview | None = field(default=None, repr=False, compare=False)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that reject the candidate."""
        return tuple(d for d in self.diagnostics if d.severity == "error")

    @property
    def doubts(self) -> int:
        """How many warnings and guesses about the request speak against the candidate."""
        return sum(d.severity in ("warning", "intent") for d in self.diagnostics)
