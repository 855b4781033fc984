"""The verdict on candidates of every kind, as the pipeline gets it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from nbcopilot.checking import check
from nbcopilot.checks.registry import area, hint, message
from nbcopilot.checks.wording import evidence_json
from nbcopilot.config import Config
from nbcopilot.judge import Judge
from nbcopilot.live_state import Grounding
from nbcopilot.policy import load
from nbcopilot.sandbox.runner import Runner
from nbcopilot.testgen.offer import offer
from nbcopilot.types import Candidate, Cell, ErrorInfo, Notebook, Target, Task
from nbcopilot.verdict import Verdict

CONFIG = Config(check_seconds=30.0)
NONE = Notebook()


def verdict(
    code: str, instruction: str = "do it", *upstream: str, notebook: Notebook = NONE, config: Config = CONFIG
) -> Verdict:
    return Judge(config).verdict(Candidate(code), Task("generate", instruction), notebook, upstream)


def errors(found: Verdict) -> list[str]:
    return [f"{area(f)}: {message(f)}" for f in found.diagnostics if f.severity == "error"]


def test_good_code_passes_with_its_evidence() -> None:
    found = verdict("total = sum(values)\nprint(total)", "add", "values = [1, 2]")
    assert found.ok and found.level
    assert found.checks == {"syntax": "ok", "names": "ok", "imports": "ok", "run": "passed"}
    assert (
        evidence_json(found.evidence)["creates"] == ["total"]
        and evidence_json(found.evidence)["prints"] == 2
        and "changes" not in evidence_json(found.evidence)
    )


def test_a_table_without_rows_is_told_as_a_guess_with_where_the_text_is_found() -> None:
    def empty(found: Verdict) -> list[str]:
        assert found.ok
        return [message(d) for d in found.diagnostics if d.code == "NB205"]

    table = "import numpy as np\na = np.arange(6).reshape(2, 3)"
    assert empty(verdict("a[a[:, 0] > 9]", "rows above 9", table)) == ["The result is empty (0 x 3)"]
    assert empty(verdict("b = a[:, 3:]", "cut", table)) == ["`b` is empty (2 x 0)"]
    assert empty(verdict("none = a[a[:, 0] > 9]\nlen(none)", "how many?", table)) == []
    frame = "import pandas as pd\nd = pd.DataFrame({'a': ['x', 'y'], 'b': ['p', 'q']}, index=['Oslo', 'Rome'])"
    found = empty(verdict("d[d['a'] == 'Oslo']", "the rows of Oslo", frame))
    assert found == ["The result is empty (0 x 2); `d` has 'Oslo' in its index"]
    found = empty(verdict("d[d['a'] == 'q']", "the rows with q", frame))
    assert found == ["The result is empty (0 x 2); `d` has 'q' in its column 'b'"]


def test_the_kind_of_value_that_a_request_names_is_held_against_the_run_as_a_guess() -> None:
    frame = "import pandas as pd\nd = pd.DataFrame({'a': [1, 2], 'b': [3, 4]})"
    asked = "create a DataFrame called col with the values of a"
    found = verdict("col = d['a']", asked, frame)
    assert found.ok and [(d.code, d.severity) for d in found.diagnostics] == [("NB208", "intent")]
    assert verdict("col = d[['a']]", asked, frame).diagnostics == ()


def test_each_step_ends_the_check_and_says_why() -> None:
    assert errors(verdict("x = (")) == ["syntax: '(' was never closed: `x = (`"]
    assert errors(verdict("x = unknown")) == ["names: `unknown` is not defined"]
    assert errors(verdict("import no_such_package")) == ["imports: `no_such_package` is not installed"]
    assert errors(verdict("x = 1\n[][x]")) == ["run: IndexError: list index out of range in `[][x]`"]
    assert verdict("x = unknown").checks["run"] == "not-run"


def test_a_package_that_the_notebook_itself_imports_is_not_the_answers_fault() -> None:
    cell = Cell("a", "code", "from no_such_package.models import Net", executed=1)
    found = verdict("import no_such_package\nx = 1", notebook=Notebook((cell,)))
    assert found.ok and found.checks["run"] == "not-run" and found.checks["imports"] == "ok"
    assert (
        evidence_json(found.evidence)["not_run"]
        == "`no_such_package` is not installed here, and the notebook imports it"
    )
    assert not verdict("import no_such_package", notebook=Notebook((cell,), namespace=())).ok, "a kernel would have it"
    failed = ErrorInfo("ModuleNotFoundError", "No module named 'no_such_package'", "", "a")
    assert not verdict("import no_such_package", notebook=Notebook((cell,), error=failed)).ok
    assert not verdict("import no_such_package, no_other_package", notebook=Notebook((cell,))).ok


def test_examples_of_the_instruction_are_held_against_the_code() -> None:
    instruction = 'def inc(x):\n    """One more.\n\n    >>> inc(1)\n    2\n    >>> inc(2)\n    3\n    """\n'
    assert evidence_json(verdict("def inc(x):\n    return x + 1", instruction).evidence)["examples"] == {
        "passed": 2,
        "of": 2,
    }
    wrong = verdict("def inc(x):\n    return x * 2", instruction)
    assert not wrong.ok and wrong.checks["examples"] == "failed" and wrong.checks["run"] == "passed"
    assert errors(wrong) == ["tests: The example `inc(2) gives 3` does not hold: it gave 4"]


def test_an_assert_of_the_instruction_says_what_came_out() -> None:
    found = verdict("def f(n):\n    return n", "Write f. Your code should satisfy: assert f(99) == 101")
    assert errors(found) == ["tests: The example `f(99) == 101` does not hold: it gave 99"]


def test_an_example_that_raises_or_hangs_is_told() -> None:
    found = verdict(
        "def f(n):\n    if n:\n        raise ValueError('no')\n    while True: pass", "f(1) == 1\nf(0) == 0"
    )
    assert errors(found) == [
        "tests: The example `f(1) == 1` does not hold: it raised ValueError: no",
        "tests: The example `f(0) == 0` does not hold: it did not finish in 3 s",
    ]


def test_a_promised_function_must_be_there() -> None:
    found = verdict("def other(x):\n    return x", "Your code should satisfy: assert wanted(1) == 1")
    assert errors(found) == ["tests: The code does not define `wanted`, which the request uses"]


def test_variables_that_would_change_are_listed() -> None:
    found = verdict("df.append(1)\nn = 2", "add", "df = [0]\nn = 1\nkept = 3")
    assert found.ok and evidence_json(found.evidence)["changes"] == ["df", "n"]
    deleted = verdict("del df", "remove", "df = [0]")
    assert any("Deletes `df`" in message(f) for f in deleted.diagnostics) and evidence_json(deleted.evidence)[
        "deletes"
    ] == ["df"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import urllib.request\nurllib.request.urlopen('http://example.org')", "needs the network"),
        ("import os\nos.environ['TOKEN']", "needs the environment variable TOKEN"),
        ("input()", "waits for keyboard input"),
        ("%pip install numpy", "installs packages"),
        ("while True: pass", "it did not finish in 1 s"),
        ("x = bytearray(10 ** 12)", "it needs more memory than a check may use"),
    ],
)
def test_what_cannot_be_judged_is_not_run_and_not_failed(code: str, why: str) -> None:
    found = verdict(code, config=replace(CONFIG, check_seconds=1.0) if code.startswith("while") else CONFIG)
    assert found.ok and found.checks["run"] == "not-run"
    assert evidence_json(found.evidence)["not_run"].startswith(why)
    assert [f.severity for f in found.diagnostics] == ["warning"]


def test_cells_above_that_cannot_run_again_are_not_the_code_s_fault() -> None:
    found = verdict("x + 1", "add", "x = open('gone.csv')")
    assert found.ok and found.checks["run"] == "not-run"
    assert "the cells above could not be run again (FileNotFoundError" in evidence_json(found.evidence)["not_run"]


def test_a_file_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "sales.csv").write_text("a\n1\n")
    found = verdict("open('sales.csv').read()", notebook=Notebook(path=tmp_path / "n.ipynb"))
    assert not found.ok and hint(found.errors[0]) == "The folder has `inputs/sales.csv`"
    assert verdict("open('inputs/sales.csv').read()", notebook=Notebook(path=tmp_path / "n.ipynb")).ok


def test_a_wrong_column_is_answered_with_the_columns() -> None:
    found = verdict(
        "df['Price']",
        "price",
        "import pandas as pd\ndf = pd.DataFrame({'price': [1], 'city': ['x']})",
        config=replace(CONFIG, check_seconds=30),
    )
    assert "`df` has the columns 'price', 'city'" in hint(found.errors[0])


def test_other_languages_and_cell_magics_are_not_run() -> None:
    found = Judge(CONFIG).verdict(Candidate("x <- 1"), Task("generate", "x"), Notebook(language="R"), ())
    assert found.ok and found.checks == {"syntax": "not-run", "run": "not-run"}
    assert verdict("%%bash\nls").checks["syntax"] == "ok"


def test_a_policy_rejects_before_anything_runs(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('forbid = ["shell"]')
    found = verdict("!touch gone", config=replace(CONFIG, policy=str(policy)))
    assert not found.ok and found.checks["policy"] == "failed" and found.checks["run"] == "not-run"


def test_a_policy_can_ask_for_a_level(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('run_at = "bubblewrap"')
    runner = Runner(CONFIG, level="rlimits", policy=load(policy))
    found = check(Candidate("1"), Task("generate", "x"), NONE, CONFIG, runner=runner)
    assert (
        found.ok
        and evidence_json(found.evidence)["not_run"]
        == "the policy runs code at level bubblewrap or better; this machine has rlimits"
    )


def test_without_a_runner_nothing_runs() -> None:
    found = check(Candidate("1 / 0"), Task("generate", "x"), NONE, CONFIG)
    assert found.ok and found.checks["run"] == "not-run" and found.level == ""


def test_a_task_that_wants_no_check_gets_none() -> None:
    found = Judge(CONFIG).verdict(Candidate("1 / 0 ("), Task("generate", "x", check=False), NONE, ())
    assert found.ok and found.checks == {"run": "not-run"}


def test_live_variables_are_known_and_kept() -> None:
    live = {"values": [3, 1, 2], "unused": object()}
    judge = Judge(CONFIG, namespace=live)
    found = judge.verdict(Candidate("values.sort()\nvalues[0]"), Task("generate", "sort"), NONE, ())
    assert found.ok and evidence_json(found.evidence)["changes"] == ["values"]
    assert live["values"] == [3, 1, 2]


def test_notes_of_the_extraction_are_passed_on() -> None:
    found = Judge(CONFIG).verdict(Candidate("1", notes=("the answer was cut",)), Task("generate", "x"), NONE, ())
    assert [(f.severity, message(f)) for f in found.diagnostics] == [("info", "the answer was cut")]


def test_the_best_of_several_is_the_one_that_most_agree_with() -> None:
    judge = Judge(CONFIG)
    task = Task("generate", "x")
    candidates = [Candidate("v = 1\nv"), Candidate("w = 2\nw"), Candidate("u = 1 + 1\nu"), Candidate("1 / 0")]
    judged = [(c, judge.verdict(c, task, NONE, ())) for c in candidates]
    assert judge.best(judged)[0].text == "w = 2\nw"


def test_functions_that_tie_are_called_with_the_same_inputs() -> None:
    judge = Judge(CONFIG)
    task = Task("generate", "Write a function. Your code should satisfy: assert total([1]) == 1")
    codes = [
        "def total(xs):\n    return xs[0]",
        "def total(xs):\n    return sum(xs)",
        "def total(xs):\n    t = 0\n    for x in xs:\n        t += x\n    return t",
        "def total(xs):\n    return max(xs)",
    ]
    judged = [(Candidate(c), judge.verdict(Candidate(c), task, NONE, ())) for c in codes]
    assert all(v.ok for _, v in judged)
    assert judge.best(judged)[0].text == codes[1]


SOURCE = "def clamp(x, low, high):\n    return max(low, min(x, high))\n"


def made(tests: str, notebook: Notebook = NONE, source: str = SOURCE) -> tuple[Candidate, Verdict]:
    task = Task("testgen", target=Target(source, "c1", ("clamp",)))
    return Judge(replace(CONFIG, check_total_seconds=120.0)).check(Candidate(tests), task, notebook)


def test_tests_come_back_with_their_evidence() -> None:
    given = "def test_inside():\n    assert clamp(5, 0, 10) == 5\n\n\ndef test_wrong():\n    assert clamp(5, 0, 3) == 4\n\n\ndef test_idle():\n    assert True\n"
    candidate, found = made(given)
    assert found.ok and found.checks["run"] == "passed"
    counts = found.checks["tests"]
    assert (
        counts["passed"] == evidence_json(found.evidence)["tests"] >= 2
        and counts["killed"] >= counts["mutants"] - 1 > 0
    )
    assert counts["line_coverage"] == 1.0 and evidence_json(found.evidence)["disagree"] == 1
    assert (
        "    assert clamp(5, 0, 10) == 5\n" in candidate.text
        and "# To decide: clamp(5, 0, 3) gives 3, a test expects 4. Which is right?" in candidate.text
        and not any(name in candidate.text for name in ("test_wrong", "test_idle", "assert True"))
    )
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(SOURCE + candidate.text, namespace)


def test_a_test_file_gets_no_runner_lines(tmp_path: Path) -> None:
    candidate, _ = made("def test_a():\n    assert clamp(1, 0, 2) == 1", Notebook(path=tmp_path / "code.py"))
    assert "__main__" not in candidate.text
    assert (
        "__main__"
        in made("def test_a():\n    assert clamp(1, 0, 2) == 1", Notebook(cells=(Cell("c1", "code", SOURCE),)))[0].text
    )


def test_code_without_anything_to_test_is_one_sentence() -> None:
    _, found = made("def test_a():\n    assert x == 1", source="x = 1")
    assert not found.ok and errors(found) == ["tests: there is no `clamp` in the code"]


def test_without_a_sandbox_the_tests_are_shown_as_not_run(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('run_at = "bubblewrap"')
    runner = Runner(CONFIG, level="rlimits", policy=load(policy))
    task = Task("testgen", target=Target(SOURCE, "c1"))
    given = Candidate("def test_a():\n    assert clamp(1, 0, 2) == 1")
    candidate, found = offer(given, task, NONE, CONFIG, runner=runner)
    assert candidate is given and found.ok and found.checks["run"] == "not-run"


def test_tests_that_all_disagree_are_reasons_for_a_repair() -> None:
    source = "import random\ndef clamp(x):\n    return random.SystemRandom().random()\n"
    candidate, found = made("def test_a():\n    assert clamp(1) == 7", source=source)
    told = [message(f) for f in found.diagnostics if f.severity == "error"]
    assert not found.ok
    assert [
        one
        for one in told
        if re.fullmatch(r"Disagrees with the code: test_a: clamp\(1\) gives 0\.\d+\S*, a test expects 7", one)
    ]
    assert re.fullmatch(
        r"# To decide: clamp\(1\) gives 0\.\d+\S*, a test expects 7\. Which is right\?", candidate.text.strip()
    )


def test_the_sandbox_can_be_warmed_while_the_model_writes() -> None:
    judge = Judge(CONFIG)
    judge.warm(Task("generate", "x"), Notebook(cells=(Cell("c", "code", "import json\n%matplotlib inline"),)))
    assert judge.verdict(Candidate("1"), Task("generate", "x"), NONE, ()).checks["run"] == "passed"


def test_a_request_has_a_budget_for_all_its_checks() -> None:
    judge = Judge(replace(CONFIG, check_seconds=0.5, check_total_seconds=0.4), namespace={"live": 1})
    first = judge.verdict(Candidate("while True: pass"), Task("generate", "x"), NONE, ())
    second = judge.verdict(Candidate("live"), Task("generate", "x"), NONE, ())
    assert first.checks["run"] == second.checks["run"] == "not-run"
    assert (
        second.ok and evidence_json(second.evidence)["not_run"] == "the 0.4 s for the checks of one request are used up"
    )


def test_in_a_file_without_a_kernel_what_another_cell_made_is_changed_and_not_created() -> None:
    cells = (Cell("a", "code", "total = 1\nimport os"), Cell("b", "code", "rows = [1]"), Cell("c", "code", "total = 0"))
    book, task = Notebook(cells), Task("fix", target=Target("total = 0", "c", position=2))
    found = Judge(CONFIG).verdict(Candidate("total = 2\nmade = 3"), task, book, ())
    assert evidence_json(found.evidence)["changes"] == ["total"] and evidence_json(found.evidence)["creates"] == [
        "made"
    ]
    first = Task("fix", target=Target("total = 1", "a", position=0))
    assert evidence_json(Judge(CONFIG).verdict(Candidate("total = 2"), first, book, ()).evidence)["creates"] == [
        "total"
    ]


def test_a_function_that_does_not_fit_the_variable_of_its_parameters_name_is_not_rejected() -> None:
    """`values` of the notebook may be anything: the call on it is a guess."""
    task = Task("generate", "write mean(values)", grounding=Grounding(head="mean"))
    book = Notebook((Cell("a", "code", "values = None", executed=1),), names=frozenset({"values"}))
    found = Judge(CONFIG).verdict(
        Candidate("def mean(values):\n    return sum(values) / len(values)"), task, book, ["values = None"]
    )
    assert found.ok and found.checks["run"] == "passed"
