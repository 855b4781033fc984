"""Tests made strong: the model's and the docstrings' are taken apart and weighed, their calls and others become tests, all of it is measured.

    split -> one assertion each -> run twice -> what holds | what is a question | what says nothing
          -> calls of the notebook, the docstrings, the tests, and like them -> those that notice most -> tests by behaviour
          -> all that is offered: run twice again, coverage, mutation score

Nothing that fails on the code is offered as passing, and nothing is bent to pass. Every run is in the sandbox.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nbcopilot.errors import SandboxUnavailableError
from nbcopilot.notebook import syntax
from nbcopilot.sandbox.runner import Runner
from nbcopilot.testgen import compose, mutation, naming
from nbcopilot.testgen.atoms import MAX_ATOMS, apart, claims_a_value, together, without_repeats
from nbcopilot.testgen.choosing import choose
from nbcopilot.testgen.compose import Written
from nbcopilot.testgen.measuring import Bench
from nbcopilot.testgen.mutation import Mutant
from nbcopilot.testgen.promised import promised
from nbcopilot.testgen.report import Budget, Question, TestReport
from nbcopilot.testgen.split import SingleTest, Tests, split
from nbcopilot.testgen.under_test import callables, calls_of, known_names, lines_of, quoted, testable, with_helpers

MOST_QUESTIONS = 3
LONGEST_QUESTION = 200  # characters
MOST_RECORDED = 3  # characterisation tests that may stand where there are no others
RUNNER_LINES = 6
NOTEBOOK, DOCSTRING, MODEL = 0, 1, 2


def strengthen(
    source: str,
    names: Sequence[str] = (),
    tests: str = "",
    budget: Budget | None = None,
    *,
    runner: Runner | None = None,
    setup: Sequence[str] = (),
    calls: Sequence[str] = (),
    around: Sequence[str] = (),
) -> TestReport:
    """Tests for the functions and classes `names` of `source` (default: all), with their evidence.

    tests: what a model wrote, may be empty. setup: cells that the source depends on. calls: sources in which calls of
    the functions are looked for, as inputs that matter to the user. around: cells that these calls depend on. Bad input
    is a report with `problem`, not an exception; SandboxUnavailableError is one too.
    """
    started = time.monotonic()
    try:
        report = _Work(source, tuple(names), budget or Budget(), runner or Runner(), setup, around).report(tests, calls)
    except SandboxUnavailableError as exc:
        report = TestReport(source="", problem=exc.message, ran=False)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as exc:
        # The code under test shares the process that answers, and may have meddled with it.
        report = TestReport(source="", problem=f"the answer of the sandbox cannot be read ({type(exc).__name__})")
    return replace(report, seconds=round(time.monotonic() - started, 2))


@dataclass
class _Weighed:
    """What the given tests are worth. `calls` maps an argument list to where it is from and who bears its outcome out."""

    kept: list[SingleTest] = field(default_factory=list)
    noticed: set[int] = field(default_factory=set)
    questions: list[Question] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    flaky: list[str] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    agreed: set[str] = field(default_factory=set)
    disputed: set[str] = field(default_factory=set)


class _Work:
    """One source, and what is known of its tests so far."""

    def __init__(
        self, source: str, names: tuple[str, ...], budget: Budget, runner: Runner, setup: Sequence[str], around: Sequence[str]
    ) -> None:  # fmt: skip
        self.problem = ""
        try:
            self.source = syntax.transform(source)
            plain = [syntax.transform(cell) for cell in setup]
            beside = [syntax.transform(cell) for cell in around]
        except SyntaxError as exc:
            self.source, plain, beside, self.problem = "", [], [], f"the code is not valid Python ({exc.msg})"
        there = testable(self.source)
        self.names = names or tuple(there)
        self.bench = Bench(self.source, self.names, plain, beside, budget, runner)
        self.mutants: tuple[Mutant, ...] = ()
        if not self.problem and not any(name.split(".")[0] in there for name in self.names):
            asked = f"`{', '.join(names)}`" if names else "a function or class"
            self.problem = f"there is no {asked} in the code" if names else "there is no function or class to test"

    def report(self, tests: str, calls: Sequence[str]) -> TestReport:
        if self.problem:
            return TestReport(source="", problem=self.problem)
        tops = {name.split(".")[0] for name in self.names}
        self.mutants = mutation.mutants(self.source, with_helpers(self.source, tops), limit=self.bench.budget.mutants)
        given = split(tests, tops, known_names(self.source, self.bench.setup)) if tests.strip() else Tests()
        weighed = self._weighed(given, promised(self.source, tops))
        written, helpers, notes = self._recorded(weighed, calls, quoted(self.source, tests))
        preamble = "\n".join(given.preamble.split("\n") if weighed.kept else [])
        final = self._finish(preamble, helpers, weighed.kept, written)
        return replace(
            final,
            disagree=tuple(sorted(weighed.questions, key=lambda q: len(q.message))[:MOST_QUESTIONS]),
            flaky=(*weighed.flaky, *final.flaky),
            dropped=tuple(weighed.dropped),
            notes=(*notes, *((given.problem,) if given.problem else ())),
            level=self.bench.runner.sandbox.level,
        )

    # ------------------------------------------------------------------ what is given

    def _weighed(self, given: Tests, promises: Sequence[SingleTest]) -> _Weighed:
        found = _Weighed(dropped=[(t.name, t.idle) for t in given.tests if t.idle])
        tests = [*promises, *without_repeats([t for t in given.tests if not t.idle])]
        parts = [(test, atom) for test in tests for atom in apart(test)][:MAX_ATOMS]
        preamble = f"import pytest\n{given.preamble}" if promises else given.preamble
        answer = self.bench.measure(preamble, [atom for _, atom in parts], self.mutants)
        if answer.get("problem"):
            found.dropped += [(test.name, str(answer["problem"])) for test in tests]
            return found
        holding: dict[str, bool] = {}
        kills: dict[str, set[int]] = {}
        for place, ((test, atom), seen) in enumerate(zip(parts, answer["tests"], strict=False)):
            by_docstring = any(test is promise for promise in promises)
            holds = seen["outcome"] == "passed" and seen["reaches"]
            self._note(found, test, seen, by_docstring)
            calls = list(seen["calls"])
            found.calls.update(
                {text: DOCSTRING if by_docstring else MODEL for text in calls if text not in found.calls}
            )
            is_plain = len(calls) == 1 and claims_a_value(atom, self.names)
            if holds and is_plain:
                found.agreed.update(calls)
            elif seen["outcome"] == "failed" and is_plain:
                found.disputed.update(calls)
            # A plain claim about one call is written anew among its like; what is said in another way is kept.
            holding[atom.name] = holds and (by_docstring or not is_plain) and not _is_private(atom)
            kills[atom.name] = {m for m, told in enumerate(answer["kills"]) if place in told}
        for test in tests:
            names = [atom.name for other, atom in parts if other is test]
            own = set().union(*(kills[name] for name in names if holding.get(name)))
            kept = together(test, holding) if names else None
            if kept is not None and (any(test is p for p in promises) or own - found.noticed):
                promise = any(test is p for p in promises)
                found.kept.append(kept if promise else self._named(kept, {t.name for t in found.kept}))
                found.noticed |= own
        return found

    def _note(self, found: _Weighed, test: SingleTest, seen: Mapping[str, Any], by_docstring: bool) -> None:
        """What became of one assertion that does not hold."""
        outcome = seen["outcome"]
        if outcome == "passed":
            if not seen["reaches"]:
                found.dropped.append((test.name, "it does not call the code under test"))
        elif outcome in ("failed", "late") and len(seen["calls"]) == 1 and seen["claim"]:
            subject, got, wanted = self._self_contained(seen)
            question = Question(test.name, subject, got, wanted, "its docstring" if by_docstring else "a test")
            asked = any(f"{name}(" in subject for name in self.names) and len(question.message) <= LONGEST_QUESTION
            if asked and question.message not in {q.message for q in found.questions}:
                found.questions.append(question)
        elif outcome in ("failed", "late"):
            found.dropped.append((test.name, f"it does not hold: {seen['message']}"))
        elif outcome == "flaky":
            found.flaky.append(test.name)
        else:
            found.dropped.append((test.name, str(seen["message"])))

    def _self_contained(self, seen: Mapping[str, Any]) -> tuple[str, str, str]:
        """The claim of a test that fails, with the values of its call in place of its variables."""
        subject, got, wanted = (str(part) for part in seen["claim"][:3])
        tree = syntax.expression(subject)
        for name in self.names:
            if isinstance(tree, ast.Call) and ast.unparse(tree.func) == name:
                subject = f"{name}({seen['calls'][0]})"
        return subject, got, wanted

    def _named(self, test: SingleTest, taken: set[str]) -> SingleTest:
        """The test under its name, or another one where that says nothing."""
        known = naming.vocabulary(self.source, test.source.split("\n", 1)[-1])
        if naming.is_telling(test.name, self.names, known) and test.name not in taken:
            return test
        name = naming.of_source(test, self.names, taken)
        return replace(test, name=name, source=test.source.replace(f"def {test.name}(", f"def {name}(", 1))

    # ------------------------------------------------------------------ what is made

    def _recorded(
        self, weighed: _Weighed, sources: Sequence[str], words: Sequence[str]
    ) -> tuple[list[Written], list[str], tuple[str, ...]]:
        """Tests of calls for what the kept tests leave unnoticed, the helpers that they share, and notes."""
        unseen = [m for i, m in enumerate(self.mutants) if i not in weighed.noticed]
        taken = {test.name for test in weighed.kept} | set(testable(self.source))
        written: list[Written] = []
        helpers: list[str] = []
        notes: list[str] = []
        for name in callables(self.source, self.names):
            if self.bench.left < 0 and (written or weighed.kept):
                notes.append(f"there was no time left for `{name}`")
                break
            calls = dict.fromkeys(calls_of(name, sources), NOTEBOOK)
            calls |= {text: origin for text, origin in weighed.calls.items() if text not in calls}
            listed = list(calls.items())
            reached = lines_of(self.source, name)
            left = [mutant for mutant in unseen if mutant.line in reached]
            answer = self.bench.explore(name, listed, words, left)
            cases = list(answer.get("cases", ()))
            if not cases:
                notes.append(f"`{name}` was not recorded: {answer.get('problem') or _why_nothing(answer)}")
                continue
            told = {place: listed[case["seed"]][0] for place, case in enumerate(cases) if case["seed"] >= 0}
            sure = {place: "a test" for place, text in told.items() if text in weighed.agreed}
            borne_out = set(sure)
            sure |= {place: "the code" for place, case in enumerate(cases) if case["checks"][0][0] == "raise"}
            shown = {text for text, origin in weighed.calls.items() if origin == DOCSTRING}
            avoid = {place for place, text in told.items() if text in weighed.disputed | shown}
            odd = [Question(name, call, f"raises {error}", "") for call, error in answer.get("surprises", ())]
            weighed.questions += [q for q in odd if len(q.message) <= LONGEST_QUESTION and not weighed.questions][:1]
            chosen = choose(cases, answer["kills"], self.bench.budget.cases, avoid, borne_out)
            promise = naming.promise_of(self.source, name)
            made, shared = compose.tests_of(name, cases, chosen, sure, taken, promise)
            written += made
            helpers += shared
        return written, helpers, tuple(notes)

    # ------------------------------------------------------------------ what is offered

    def _finish(
        self, preamble: str, helpers: Sequence[str], kept: Sequence[SingleTest], written: Sequence[Written]
    ) -> TestReport:
        """The report on the tests that hold, measured as they are offered."""
        written = self._fitting(preamble, helpers, kept, written)
        tests = [
            *kept,
            *(one.test for one in written if not one.recorded),
            *(one.test for one in written if one.recorded),
        ]
        recorded = {one.test.name for one in written if one.recorded}
        flaky: list[str] = []
        answer: Mapping[str, Any] = {}
        whole = preamble
        for _ in range(3):
            whole = _preamble(preamble, helpers, tests)
            answer = self.bench.measure(whole, tests, self.mutants, final=True)
            bad = {
                t.name for t, seen in zip(tests, answer.get("tests", ()), strict=False) if seen["outcome"] != "passed"
            }
            if answer.get("problem") or not bad:
                break
            flaky += sorted(bad)
            tests = [t for t in tests if t.name not in bad]
        else:
            tests = []
        if not tests or answer.get("problem"):
            return TestReport("", mutants=len(self.mutants), flaky=tuple(flaky), problem=str(answer.get("problem", "")))
        untried = [told == [-1] for told in answer["kills"]]
        survivors = tuple(m for m, told in zip(self.mutants, answer["kills"], strict=False) if not told)
        found = answer.get("coverage") or {}
        return TestReport(
            source=compose.module(whole, tests),
            tests=tuple(tests),
            characterisation=sum(t.name in recorded for t in tests),
            flaky=tuple(flaky),
            line_coverage=_share(found, "lines"),
            branch_coverage=_share(found, "branches"),
            missing_lines=tuple(found.get("missing", ())),
            mutants=len(self.mutants) - sum(untried),
            killed=len(self.mutants) - sum(untried) - len(survivors),
            untried=sum(untried),
            survivors=survivors,
        )

    def _fitting(
        self, preamble: str, helpers: Sequence[str], kept: Sequence[SingleTest], written: Sequence[Written]
    ) -> list[Written]:
        """The tests of calls that fit: recorded ones are at most half, and the whole has its lines; the least telling go first."""
        fitting = sorted(written, key=lambda one: (one.recorded, min(one.cases)))
        subjects = max(1, len(callables(self.source, self.names)))
        sure = len(kept) + sum(not one.recorded for one in fitting)
        fitting = fitting[: len(fitting) - sum(one.recorded for one in fitting) + max(sure, MOST_RECORDED * subjects)]
        most = self.bench.budget.lines * subjects
        while len(fitting) > 1:
            tests = [*kept, *(one.test for one in fitting)]
            text = compose.module(_preamble(preamble, helpers, tests), tests)
            if sum(bool(line.strip()) for line in text.split("\n")) + RUNNER_LINES + len(tests) <= most:
                break
            fitting.pop()
        return fitting


def _preamble(preamble: str, helpers: Sequence[str], tests: Sequence[SingleTest]) -> str:
    """Imports and helpers that the tests use, and no others."""
    text = "\n".join(test.source for test in tests)
    used = [helper for helper in helpers if f"{helper[4 : helper.index('(')]}()" in text]
    own = _used_of(preamble, text)
    imports = compose.imports_for("\n".join([text, own, *used]))
    return "\n".join([*imports, *([own] if own else []), *(f"\n\n{helper}" for helper in used)]).strip("\n")


def _used_of(preamble: str, text: str) -> str:
    """The statements of a preamble that bind names which the tests, or the statements kept, use."""
    tree = syntax.plain_tree(preamble)
    if tree is None:
        return preamble
    kept: list[ast.stmt] = []
    needed = {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}
    needed |= {a.arg for n in ast.walk(ast.parse(text)) if isinstance(n, ast.arguments) for a in n.args}
    for node in reversed(tree.body):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            bound = {(a.asname or a.name).split(".")[0] for a in node.names}
        else:
            bound = {getattr(node, "name", "")} | {
                n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
        if bound & needed:
            kept.insert(0, node)
            needed |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    lines = preamble.split("\n")
    blocks = []
    for node in kept:
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        space = "\n\n" if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else ""
        blocks.append(space + "\n".join(lines[start - 1 : node.end_lineno]))
    return "\n".join(blocks)


def _is_private(test: SingleTest) -> bool:
    """Whether it asserts about an attribute that is nobody else's business."""
    tree = ast.parse(test.source)
    return any(
        isinstance(n, ast.Attribute) and n.attr.startswith("_") and not n.attr.startswith("__") for n in ast.walk(tree)
    )


def _share(found: Mapping[str, Any], what: str) -> float | None:
    if what not in found:
        return None
    return found[f"{what}_covered"] / found[what] if found[what] else 1.0


def _why_nothing(answer: Mapping[str, Any]) -> str:
    if answer.get("unsteady"):
        return "what it returns differs from run to run"
    return "no input was found that it accepts, or what it returns cannot be written down"
