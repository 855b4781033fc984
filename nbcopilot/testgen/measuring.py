"""The calls into the sandbox: tests measured on the code and its mutants, and calls of the code explored."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from nbcopilot.sandbox.runner import Runner, preload
from nbcopilot.testgen.mutation import Mutant
from nbcopilot.testgen.report import Budget
from nbcopilot.testgen.split import SingleTest

INPUTS = 40  # calls whose outcome is compared on every mutant


class Bench:
    """One source with its cells above, in a sandbox, for as long as the budget lasts."""

    def __init__(
        self,
        source: str,
        names: Sequence[str],
        setup: Sequence[str],
        around: Sequence[str],
        budget: Budget,
        runner: Runner,
    ) -> None:
        self.source, self.names, self.setup, self.around = source, list(names), list(setup), list(around)
        self.budget, self.runner = budget, runner
        self.deadline = time.monotonic() + budget.total_seconds

    @property
    def left(self) -> float:
        """Seconds until the budget is used up."""
        return self.deadline - time.monotonic()

    def measure(
        self, preamble: str, tests: Sequence[SingleTest], mutants: Sequence[Mutant], *, final: bool = False
    ) -> Mapping[str, Any]:
        """The answer of `testbench.measure`; final: with coverage, and the first test that notices a mutant is enough."""
        if not tests:
            return {"problem": "", "tests": [], "kills": [[] for _ in mutants]}
        seconds = max(2.0, min(self.budget.mutant_seconds, self.left))
        answer = self.runner.call(
            "testbench.measure",
            {
                "setup": self.setup, "source": self.source, "names": [n.split(".")[0] for n in self.names], "preamble": preamble,
                "tests": [{"name": t.name, "source": t.source} for t in tests], "mutants": [m.source for m in mutants],
                "test_seconds": self.budget.test_seconds, "mutant_seconds": seconds, "coverage": final, "first_kill": final,
                "twice": final, "record": not final,
            },
            seconds=seconds + 120,
            preload=("pytest", "coverage", *preload([*self.setup, self.source, preamble])),
        )  # fmt: skip
        return (
            answer
            if isinstance(answer, dict)
            else {"problem": "the tests ended the process that ran them", "tests": []}
        )

    def explore(
        self, name: str, calls: Sequence[tuple[str, int]], words: Sequence[str], mutants: Sequence[Mutant]
    ) -> Mapping[str, Any]:
        """The answer of `explore.explore` for one function or method. calls: argument lists and where they are from."""
        seconds = min(self.budget.explore_seconds, max(1.0, self.left))
        answer = self.runner.call(
            "explore.explore",
            {
                "setup": self.setup, "around": self.around, "source": self.source, "function": name, "calls": list(calls),
                "words": list(words), "mutants": [m.source for m in mutants], "seconds": seconds, "limit": INPUTS,
                "mutant_seconds": min(self.budget.mutant_seconds, max(1.0, self.left)),
            },
            seconds=seconds + self.budget.mutant_seconds + 60,
            preload=preload([*self.setup, *self.around, self.source]),
        )  # fmt: skip
        return (
            answer
            if isinstance(answer, dict)
            else {"cases": [], "kills": [], "problem": "it ended the process that called it"}
        )
