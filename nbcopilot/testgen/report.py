"""What is known of a set of tests: which pass, which disagree with the code, what they cover and what they notice."""

from __future__ import annotations

from dataclasses import dataclass

from nbcopilot.testgen.mutation import Mutant
from nbcopilot.testgen.split import SingleTest
from nbcopilot.verdict import TestCounts


@dataclass(frozen=True)
class Budget:
    """What strengthening may take: wall time of one test, for finding inputs and for judging mutants (each function), and size.

    cases: the most calls that are chosen for one function. lines: of its tests.
    """

    test_seconds: float = 3.0
    explore_seconds: float = 3.0
    mutant_seconds: float = 6.0
    total_seconds: float = 60.0
    cases: int = 14
    lines: int = 60
    mutants: int = 80


@dataclass(frozen=True)
class Question:
    """A test or docstring that expects another value than the code gives: a wrong test, or a bug.

    subject: what is asserted about, as source. got, wanted: both values; wanted may be "" where only the line is known.
    """

    name: str
    subject: str
    got: str
    wanted: str
    by: str = "a test"

    @property
    def message(self) -> str:
        """What is to be decided, as one sentence without its full stop."""
        gives = self.got if self.got.startswith("raises ") else f"gives {self.got}"
        return f"{self.subject} {gives}, {self.by} expects {self.wanted}" if self.wanted else f"{self.subject} {gives}"


@dataclass(frozen=True)
class TestReport:
    """The outcome of `strengthen`. `source` holds the tests that pass, twice, on the code as it is.

    passed: their number; characterisation: how many of them only record what the code does today. disagree: what the
    code and a test or docstring do not agree on (never bent, never recorded). dropped: (name, reason) of tests that say
    nothing or cannot run. Coverage is of the functions under test, 0 to 1, None when it was not measured. survivors:
    mutants that no test noticed; untried: mutants that there was no time for (they count neither as killed nor as
    survivors). ran: False when there was no sandbox to run them in.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    source: str
    tests: tuple[SingleTest, ...] = ()
    characterisation: int = 0
    disagree: tuple[Question, ...] = ()
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

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tests."""
        return tuple(test.name for test in self.tests)

    @property
    def passed(self) -> int:
        """How many tests pass."""
        return len(self.tests)

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
