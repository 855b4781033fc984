"""What is known of a set of tests: which pass, which disagree with the code, what they cover and what they notice."""

from __future__ import annotations

from dataclasses import dataclass, field

from nbcopilot.testgen.mutation import Mutant
from nbcopilot.verdict import TestCounts


@dataclass(frozen=True)
class Budget:
    """What strengthening may take: wall time of one test, for finding inputs and for judging mutants (each function), and size.

    `cases` is the most assertions that are recorded for one function.
    """

    test_seconds: float = 3.0
    explore_seconds: float = 2.0
    mutant_seconds: float = 8.0
    total_seconds: float = 60.0
    cases: int = 16
    mutants: int = 120


@dataclass(frozen=True)
class Disagreement:
    """A test that fails on the code: a wrong test, or a bug. `message` is the line that failed, or what was raised."""

    name: str
    source: str
    message: str


@dataclass(frozen=True)
class TestReport:
    """The outcome of `strengthen`. `source` holds the tests that pass, twice, on the code as it is.

    passed: their number; characterisation: how many of them only record what the code does today. disagree: tests
    that fail (offered apart, never bent). dropped: (name, reason) of tests that say nothing or cannot run.
    Coverage is of the functions under test, 0 to 1, None when it was not measured. survivors: mutants that no test
    noticed; untried: mutants that there was no time for (they count neither as killed nor as survivors). ran: False
    when there was no sandbox to run them in.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    source: str
    names: tuple[str, ...] = ()
    passed: int = 0
    characterisation: int = 0
    disagree: tuple[Disagreement, ...] = ()
    flaky: tuple[str, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    line_coverage: float | None = None
    branch_coverage: float | None = None
    missing_lines: tuple[int, ...] = ()
    mutants: int = 0
    killed: int = 0
    untried: int = 0
    survivors: tuple[Mutant, ...] = ()
    problem: str = ""
    ran: bool = True
    level: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    plain: bool = field(default=True)  # every test is a function without arguments

    @property
    def mutation_score(self) -> float | None:
        """Share of the mutants that at least one test noticed; None without mutants."""
        return self.killed / self.mutants if self.mutants else None

    def counts(self) -> TestCounts:
        """The counts alone: no data, no source."""
        return TestCounts(
            passed=self.passed,
            mutants=self.mutants,
            killed=self.killed,
            characterisation=self.characterisation,
            disagree=len(self.disagree),
            line_coverage=self.line_coverage,
            branch_coverage=self.branch_coverage,
        )
