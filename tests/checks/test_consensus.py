"""The choice among candidates."""

from __future__ import annotations

from nbcopilot.checks.consensus import agree, agree_on, behaviour, best
from nbcopilot.execution import Outcome, RunError, RunReport, Shown
from nbcopilot.types import Candidate
from nbcopilot.verdict import Diagnostic, Evidence, Verdict

PASSED = {"syntax": "ok", "names": "ok", "imports": "ok", "run": "passed"}


def shows(digest: str) -> RunReport:
    return RunReport(ok=True, result=Shown("int", digest, digest=digest))


def judged(name: str, ok: bool = True, run: str = "passed", passed: int = 0, of: int = 0) -> tuple[Candidate, Verdict]:
    findings = () if ok else (Diagnostic("NB201", "error", {"error": "E", "problem": "it failed"}),)
    evidence = Evidence(examples=(passed, of)) if of else Evidence()
    return Candidate(name), Verdict(ok, findings, {**PASSED, "run": run}, "rlimits", evidence)


def test_the_value_that_most_runs_show_wins() -> None:
    candidates = [judged("a"), judged("b"), judged("c")]
    reports = {"a": shows("1"), "b": shows("2"), "c": shows("2")}
    assert best(candidates, reports)[0].text == "b"


def test_a_doubt_halves_the_agreement_and_breaks_a_tie() -> None:
    doubted = Verdict(True, (Diagnostic("NB211", "intent", {"value": "c"}),), PASSED)
    reports = {name: shows("1" if name < "d" else "2") for name in "abcdef"}
    many = [*((Candidate(name), doubted) for name in "abc"), judged("d")]
    assert best(many, reports)[0].text == "a", "three with a doubt, one without"
    even = [(Candidate("a"), doubted), (Candidate("b"), doubted), judged("d")]
    assert best(even, reports)[0].text == "d"


def test_a_candidate_that_failed_is_outvoted_by_one_that_ran() -> None:
    failed = RunReport(ok=False, error=RunError("ValueError", "no"))
    candidates = [judged("a", ok=False, run="failed"), judged("b", ok=False, run="failed"), judged("c")]
    assert best(candidates, {"a": failed, "b": failed, "c": shows("1")})[0].text == "c"


def test_more_of_the_examples_is_better_than_fewer() -> None:
    candidates = [judged("a", ok=False, passed=1, of=3), judged("b", ok=False, passed=2, of=3)]
    assert best(candidates, {})[0].text == "b"


def test_what_ran_is_better_than_what_could_not_be_run() -> None:
    assert best([judged("a", run="not-run"), judged("b")], {})[0].text == "b"


def test_the_earliest_of_equals_wins() -> None:
    assert best([judged("a"), judged("b")], {})[0].text == "a"


def test_an_empty_answer_is_the_last_choice() -> None:
    empty = (Candidate(""), Verdict(False, (Diagnostic("NB103", "error"),)))
    assert best([empty, judged("b", ok=False, run="failed")], {})[0].text == "b"


def test_answers_that_were_cut_at_the_same_place_outvote_nobody() -> None:
    cut = [(Candidate(name, complete=False), judged(name)[1]) for name in "abc"]
    reports = {name: shows("1" if name < "d" else "2") for name in "abcd"}
    assert best([*cut, judged("d")], reports)[0].text == "d"


def test_runs_that_fail_agree_with_nobody() -> None:
    failed = RunReport(ok=False)
    assert agree([failed, failed, shows("1"), None]) == (0.0, 0.0, 0.25, 0.0)


def test_a_result_that_cannot_be_compared_agrees_with_nobody() -> None:
    large = RunReport(ok=True, result=Shown("DataFrame", "...", digest=""))
    assert agree([large, large]) == (0.0, 0.0)


def test_an_answer_that_is_doubted_comes_after_one_that_is_not() -> None:
    doubted = Verdict(True, (Diagnostic("NB213", "intent"),), PASSED, "rlimits")
    candidates = [(Candidate("a"), doubted), (Candidate("b"), doubted), judged("c"), judged("d", ok=False)]
    assert best(candidates, {"a": shows("1"), "b": shows("1"), "c": shows("2")})[0].text == "c"


def test_behaviour_does_not_depend_on_variable_names() -> None:
    one = RunReport(ok=True, created={"a": Shown("int", "1", digest="x")}, outcomes=(Outcome(True, digest="d"),))
    other = RunReport(ok=True, created={"b": Shown("int", "1", digest="x")}, outcomes=(Outcome(True, digest="d"),))
    assert behaviour(one) == behaviour(other) != behaviour(shows("x"))


def test_agreement_on_inputs_counts_only_inputs_that_say_something() -> None:
    a, b, c = (
        ["value 1", "raise TypeError", "value 3"],
        ["value 1", "raise TypeError", "value 4"],
        ["value 2", "raise TypeError", "value 3"],
    )
    assert agree_on([a, b, c]) == (0.5, 0.25, 0.25)
    assert agree_on([a, [], a]) == (0.5, 0.0, 0.5)
    assert agree_on([["raise KeyError"], ["raise KeyError"]]) == (0.0, 0.0)


def test_votes_decide_between_candidates_that_the_checks_find_equal() -> None:
    candidates = [judged("a"), judged("b"), judged("c", ok=False, run="failed")]
    assert best(candidates, {}, {"a": 0.2, "b": 0.7, "c": 1.0})[0].text == "b"


def test_a_value_that_is_named_first_is_the_same_answer() -> None:
    value = Shown("int", "1", digest="x")
    helper = RunReport(ok=True, result=value, created={"a": value, "step": Shown("list", "[]", digest="y")})
    named_only, changed = (
        RunReport(ok=True, created={"a": value}),
        RunReport(ok=True, result=value, changed={"d": value}),
    )
    assert behaviour(shows("x")) == behaviour(helper) == behaviour(named_only) != behaviour(changed)


def test_values_that_are_made_and_cannot_be_compared_agree_with_nobody() -> None:
    large = RunReport(ok=True, created={"a": Shown("DataFrame", "...", digest="")})
    assert agree([large, large]) == (0.0, 0.0)
