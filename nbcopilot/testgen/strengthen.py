"""Tests made strong: the model's and the docstrings' are run and weighed, gaps are filled with recorded behaviour, all of it is measured.

    split -> run twice -> what passes | disagrees | says nothing
          -> inputs that notice the mutants left over -> characterisation tests
          -> all that is offered: run twice again, coverage, mutation score

Nothing that fails on the code is offered as passing, and nothing is bent to pass. Every run is in the sandbox.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from nbcopilot.errors import SandboxUnavailableError
from nbcopilot.notebook import syntax
from nbcopilot.sandbox.runner import Runner, preload
from nbcopilot.testgen import compose, mutation, properties
from nbcopilot.testgen.mutation import Mutant
from nbcopilot.testgen.promised import promised
from nbcopilot.testgen.report import Budget, Disagreement, TestReport
from nbcopilot.testgen.split import SingleTest, Tests, split
from nbcopilot.testgen.under_test import callables, known_names, seeds, testable, with_helpers

CASES = 200  # inputs whose outcome is compared on every mutant
ROUNDS = 4  # in which claims of a property test are taken out
PROPERTY_SECONDS = 6.0  # that must be left for trying property tests


def strengthen(
    source: str,
    names: Sequence[str] = (),
    tests: str = "",
    budget: Budget | None = None,
    *,
    runner: Runner | None = None,
    setup: Sequence[str] = (),
    calls: Sequence[str] = (),
) -> TestReport:
    """Tests for the functions and classes `names` of `source` (default: all), with their evidence.

    tests: what a model wrote, may be empty. setup: cells that the source depends on. calls: sources in which calls of
    the functions are looked for, as inputs that matter to the user. Bad input is a report with `problem`, not an
    exception; SandboxUnavailableError is one too.
    """
    started = time.monotonic()
    work = _Work(source, tuple(names), budget or Budget(), runner or Runner(), tuple(setup))
    try:
        report = work.report(tests, calls)
    except SandboxUnavailableError as exc:
        report = TestReport(source="", problem=exc.message, ran=False)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as exc:
        # The code under test shares the process that answers, and may have meddled with it.
        report = TestReport(source="", problem=f"the answer of the sandbox cannot be read ({type(exc).__name__})")
    return replace(report, seconds=round(time.monotonic() - started, 2))


def observed_tests(
    source: str, names: Sequence[str] = (), inputs: Sequence[str] = (), *, runner: Runner | None = None,
    budget: Budget | None = None,
) -> TestReport:  # fmt: skip
    """Characterisation tests alone. inputs: argument lists to start from, as written in a call ("[1, 2], 3")."""
    names = tuple(names) or tuple(testable(source))
    calls = [f"{name}({arguments})" for name in names for arguments in inputs]
    return strengthen(source, names, "", budget, runner=runner, calls=calls)


class _Work:
    """One source, and what is known of its tests so far."""

    def __init__(
        self, source: str, names: tuple[str, ...], budget: Budget, runner: Runner, setup: tuple[str, ...]
    ) -> None:
        self.budget = budget
        self.runner = runner
        self.deadline = time.monotonic() + budget.total_seconds
        self.problem = ""
        try:
            self.source = syntax.transform(source)
            self.setup = tuple(syntax.transform(cell) for cell in setup)
        except SyntaxError as exc:
            self.source, self.setup, self.problem = "", (), f"the code is not valid Python ({exc.msg})"
        there = testable(self.source)
        self.names = names or tuple(there)
        self.mutants: tuple[Mutant, ...] = ()
        if not self.problem and not any(name.split(".")[0] in there for name in self.names):
            asked = f"`{', '.join(names)}`" if names else "a function or class"
            self.problem = f"there is no {asked} in the code" if names else "there is no function or class to test"

    def report(self, tests: str, calls: Sequence[str]) -> TestReport:
        if self.problem:
            return TestReport(source="", problem=self.problem)
        tops = {name.split(".")[0] for name in self.names}
        self.mutants = mutation.mutants(self.source, with_helpers(self.source, tops), limit=self.budget.mutants)
        given = split(tests, tops, known_names(self.source, self.setup)) if tests.strip() else Tests()
        if examples := [test for test in promised(self.source, tops) if test.name not in {t.name for t in given.tests}]:
            needed = "import pytest\n" if any("pytest." in test.source for test in examples) else ""
            given = replace(given, preamble=needed + given.preamble, tests=(*examples, *given.tests))
        written = self._measure(given.preamble, [t for t in given.tests if not t.idle])
        kept, report = self._sorted(given, written)
        auto, cases, notes = self._recorded(calls, kept, written)
        drawn = self._held(cases, {t.name for t in (*kept, *auto)})
        imports = [*compose.imports_for(list(chain(*cases.values()))), *(properties.IMPORTS if drawn else ())]
        preamble = "\n".join([*imports, given.preamble if kept else ""]).strip("\n")
        # What draws its inputs comes last: it takes longest, and only runs on mutants that nothing else notices.
        final = self._finish(preamble, [*kept, *auto, *drawn], {t.name for t in (*auto, *drawn)})
        notes = (*notes, *((given.problem,) if given.problem else ()))
        return replace(
            final,
            disagree=report.disagree,
            flaky=(*report.flaky, *final.flaky),
            dropped=report.dropped,
            notes=notes,
            level=self._level(),
        )

    def _level(self) -> str:
        return self.runner.sandbox.level

    def _measure(
        self, preamble: str, tests: Sequence[SingleTest], *, final: bool = False, trial: bool = False
    ) -> dict[str, Any]:
        if not tests:
            return {"problem": "", "tests": [], "kills": [[] for _ in self.mutants]}
        seconds = max(2.0, min(self.budget.mutant_seconds, self.deadline - time.monotonic()))
        answer = self.runner.call(
            "testbench.measure",
            {
                "setup": self.setup, "source": self.source, "names": [n.split(".")[0] for n in self.names], "preamble": preamble,
                "tests": [{"name": t.name, "source": t.source} for t in tests], "mutants": [m.source for m in self.mutants] if not trial else [],
                "test_seconds": self.budget.test_seconds, "mutant_seconds": seconds, "coverage": final, "first_kill": final,
                "twice": not trial,
            },
            seconds=seconds + 120,
            preload=("pytest", "coverage", *preload([*self.setup, self.source, preamble])),
        )  # fmt: skip
        if not isinstance(answer, dict):
            return {"problem": "the tests ended the process that ran them", "tests": []}
        return answer

    def _sorted(self, given: Tests, answer: Mapping[str, Any]) -> tuple[list[SingleTest], TestReport]:
        """(the model's tests that may be offered, a report that holds those that may not)."""
        kept: list[SingleTest] = []
        disagree, flaky = [], []
        dropped = [(t.name, t.idle) for t in given.tests if t.idle]
        active = [t for t in given.tests if not t.idle]
        if answer.get("problem"):
            dropped += [(t.name, str(answer["problem"])) for t in active]
            active = []
        for test, seen in zip(active, answer.get("tests", ()), strict=False):
            outcome, message = seen["outcome"], str(seen["message"])
            if outcome == "passed" and seen["reaches"]:
                kept.append(test)
            elif outcome == "passed":
                dropped.append((test.name, "it does not call the code under test"))
            elif outcome in ("failed", "late"):
                disagree.append(Disagreement(test.name, test.source, message))
            elif outcome == "flaky":
                flaky.append(test.name)
            else:
                dropped.append((test.name, message))
        return kept, TestReport(source="", disagree=tuple(disagree), flaky=tuple(flaky), dropped=tuple(dropped))

    def _recorded(
        self, calls: Sequence[str], kept: Sequence[SingleTest], written: Mapping[str, Any]
    ) -> tuple[list[SingleTest], dict[str, list[dict[str, Any]]], tuple[str, ...]]:
        """Characterisation tests for what the kept tests leave unnoticed, the cases in them by function, and notes."""
        noticed = self._noticed(kept, written)
        taken = {test.name for test in kept}
        tests: list[SingleTest] = []
        used: dict[str, list[dict[str, Any]]] = {}
        notes: list[str] = []
        for name in callables(self.source, self.names):
            if time.monotonic() > self.deadline:
                notes.append(f"there was no time left for `{name}`")
                break
            answer = self._explore(name, calls, [m for i, m in enumerate(self.mutants) if i not in noticed])
            cases = [_with_values(case, self.source, name) for case in answer.get("cases", ())]
            if not cases:
                notes.append(f"`{name}` was not recorded: {answer.get('problem') or _why_nothing(answer)}")
                continue
            room = self.budget.cases if not kept else max(4, self.budget.cases // 2)
            chosen = [cases[i] for i in compose.choose(cases, answer["kills"], room)]
            tests += compose.tests_of(name, chosen, taken)
            used[name] = chosen
        return tests, used, tuple(notes)

    def _held(self, cases: Mapping[str, Sequence[Mapping[str, Any]]], taken: set[str]) -> list[SingleTest]:
        """Property tests that hold, where types allow them and there is time: claims that fail are taken out."""
        proposed = [found for name, some in cases.items() if (found := properties.propose(self.source, name, some))]
        held: list[SingleTest] = []
        for _ in range(ROUNDS):
            if not proposed or self.deadline - time.monotonic() < PROPERTY_SECONDS:
                break
            tests = [p.test(f"test_{p.function}_properties", trial=True) for p in proposed]
            answer = self._measure("\n".join(properties.TRIAL_IMPORTS), tests, trial=True)
            again = []
            for found, test, seen in zip(proposed, tests, answer.get("tests", ()), strict=False):
                if seen["outcome"] == "passed":
                    held.append(found.test(test.name if test.name not in taken else f"{test.name}_drawn"))
                elif seen["outcome"] == "failed" and (less := found.without(str(seen["message"]))):
                    again.append(less)
            proposed = again
        return held

    def _noticed(self, kept: Sequence[SingleTest], written: Mapping[str, Any]) -> set[int]:
        """Mutants that the kept tests notice."""
        if not kept:
            return set()
        names = {test.name for test in kept}
        good = {i for i, seen in enumerate(written.get("tests", ())) if seen["outcome"] == "passed"}
        return {m for m, told in enumerate(written.get("kills", ())) if names and good & set(told)}

    def _explore(self, name: str, calls: Sequence[str], mutants: Sequence[Mutant]) -> dict[str, Any]:
        left = max(2.0, self.deadline - time.monotonic())
        seconds = min(self.budget.explore_seconds, left)
        answer = self.runner.call(
            "explore.explore",
            {
                "setup": self.setup, "source": self.source, "function": name, "limit": CASES, "seconds": seconds,
                "seeds": seeds(name, [self.source, *calls]), "mutants": [m.source for m in mutants],
                "mutant_seconds": min(self.budget.mutant_seconds, left),
            },
            seconds=seconds + self.budget.mutant_seconds + 60,
            preload=preload([*self.setup, self.source]),
        )  # fmt: skip
        return answer if isinstance(answer, dict) else {"cases": [], "problem": "it ended the process that called it"}

    def _finish(self, preamble: str, tests: list[SingleTest], recorded: set[str]) -> TestReport:
        """The report on the tests that hold, measured as they are offered."""
        flaky: list[str] = []
        for _ in range(3):
            answer = self._measure(preamble, tests, final=True)
            outcomes = answer.get("tests", [])
            bad = {t.name for t, seen in zip(tests, outcomes, strict=False) if seen["outcome"] != "passed"}
            if answer.get("problem") or not bad:
                break
            flaky += sorted(bad)
            tests = [t for t in tests if t.name not in bad]
        else:
            tests = []
        if not tests or answer.get("problem"):
            return TestReport(
                "", self.names, mutants=len(self.mutants), flaky=tuple(flaky), problem=str(answer.get("problem", ""))
            )
        kills = answer["kills"]
        untried = [told == [-1] for told in kills]
        survivors = tuple(m for m, told in zip(self.mutants, kills, strict=False) if not told)
        found = answer.get("coverage") or {}
        return TestReport(
            source=compose.module(preamble, tests),
            names=tuple(t.name for t in tests),
            passed=len(tests),
            characterisation=sum(t.name in recorded for t in tests),
            flaky=tuple(flaky),
            line_coverage=_share(found, "lines"),
            branch_coverage=_share(found, "branches"),
            missing_lines=tuple(found.get("missing", ())),
            mutants=len(self.mutants) - sum(untried),
            killed=len(self.mutants) - sum(untried) - len(survivors),
            untried=sum(untried),
            survivors=survivors,
            plain=all(_is_plain(t) for t in tests),
        )


def _share(found: Mapping[str, Any], what: str) -> float | None:
    if what not in found:
        return None
    return found[f"{what}_covered"] / found[what] if found[what] else 1.0


def _with_values(case: dict[str, Any], source: str, name: str) -> dict[str, Any]:
    """The case with its arguments one by one, and whether `pytest.approx` takes its value."""
    call = ast.parse(f"f({case['args']})", mode="eval").body
    assert isinstance(call, ast.Call)
    values = [ast.unparse(a) for a in call.args]
    first = 0
    owner, _, method = name.partition(".")
    if method:
        made = next(n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == owner)
        start = next((n for n in made.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        first = len(start.args.args) - 1 if start else 0
    return {**case, "values": values, "first": first, "flat": _is_flat(case["expected"])}


def _is_flat(expected: str) -> bool:
    tree = syntax.expression(expected)
    if tree is None:
        return False
    inner = (
        list(ast.iter_child_nodes(tree))
        if isinstance(tree, (ast.List, ast.Tuple))
        else tree.values
        if isinstance(tree, ast.Dict)
        else []
    )
    return not any(isinstance(n, (ast.List, ast.Tuple, ast.Dict, ast.Set)) for n in inner) and not isinstance(
        tree, ast.Set
    )


def _is_plain(test: SingleTest) -> bool:
    """Whether the test can be called without arguments where it stands."""
    node = ast.parse(test.source).body[0]
    if not isinstance(node, ast.FunctionDef):
        return False
    drawn = [ast.unparse(d).split("(")[0] for d in node.decorator_list]
    return not node.args.args if not drawn else "given" in drawn and set(drawn) <= {"given", "settings"}


def _why_nothing(answer: Mapping[str, Any]) -> str:
    if answer.get("dropped"):
        return "what it returns differs from run to run"
    return "no input was found that it accepts, or what it returns cannot be written down"
