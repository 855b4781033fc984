"""The state that a run starts from, and what a Runner says when there is none."""

from __future__ import annotations

import numpy as np
import pytest
from diagnosing import after, codes

from nbcopilot.checks.registry import hint, message
from nbcopilot.config import Config
from nbcopilot.errors import SandboxUnavailableError
from nbcopilot.execution import RunError, RunReport, Suggestion
from nbcopilot.policy import Policy
from nbcopilot.sandbox import start
from nbcopilot.sandbox.runner import Runner, preload
from nbcopilot.verdict import NotRun


def test_without_a_namespace_the_cells_above_run_again() -> None:
    report = Runner().run(
        "x + y", setup=["%matplotlib inline\nx = 1", "%%time\ny = 2", "%%html\n<b>x</b>", "%%generate\nmake z"]
    )
    assert report.result is not None and report.result.repr == "3"


def test_with_a_namespace_the_live_values_count_and_cells_do_not_run() -> None:
    report = Runner(namespace={"x": np.arange(3)}).run("x.sum()", setup=["x = undefined_name"])
    assert report.result is not None and report.result.repr == "np.int64(3)"


def test_an_import_changes_what_was_no_module() -> None:
    import math

    (again, other) = (Runner().run("import math as m\nx = m.pi", namespace={"m": value}) for value in (math, 3))
    assert again.changed == {} and list(other.changed) == ["m"]


def test_names_that_did_not_travel_are_still_known_as_the_notebook_s() -> None:
    report = Runner(namespace={"x": 1, "other": 2}).run("other = x\nfresh = x")
    assert list(report.changed) == ["other"] and list(report.created) == ["fresh"]


def test_the_shell_s_own_names_do_not_travel() -> None:
    report = Runner(namespace={"get_ipython": lambda: 1 / 0, "In": ["a"], "x": 1}).run(
        "get_ipython().run_line_magic('matplotlib', 'inline')\nx"
    )
    assert report.ok, report


def test_cells_that_are_no_python_are_said() -> None:
    report = Runner().run("x", setup=["this is no python ("])
    assert not report.ran and report.needs == NotRun("upstream")


def test_no_sandbox_is_a_report_and_not_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: object) -> str:
        raise SandboxUnavailableError("win32 has no sandbox")

    monkeypatch.setattr(start.Sandbox, "level", property(none))
    report = Runner().run("1")
    assert not report.ran and report.needs == NotRun("sandbox", "win32 has no sandbox")
    with pytest.raises(SandboxUnavailableError):
        Runner().call("testbench.measure", {}, seconds=1)


def test_a_policy_that_asks_for_more_than_there_is_stops_the_run() -> None:
    report = Runner(level="rlimits", policy=Policy(run_at="landlock")).run("1")
    assert not report.ran and report.needs == NotRun("policy-level", "landlock", "rlimits")


def test_the_limits_are_those_of_the_config() -> None:
    limits = Runner(Config(check_seconds=2, check_memory_mb=100, check_total_seconds=7)).limits()
    assert (limits.seconds, limits.memory_mb, limits.setup_seconds, limits.example_seconds) == (2, 100, 7, 2)


def test_heavy_packages_are_named_for_preloading() -> None:
    assert preload(["import pandas as pd\nfrom sklearn.linear_model import Ridge\nimport os", "not python ("]) == (
        "pandas",
        "sklearn.linear_model",
    )


def test_an_error_quotes_the_line_that_failed_and_says_what_may_have_been_meant() -> None:
    error = RunError("KeyError", "'b'", 2, suggestions=(Suggestion("columns", ("a",), "df"),))
    (found,) = after(RunReport(ok=False, error=error), "x = 1\ndf['b']")
    assert (found.code, found.line) == ("NB201", 2)
    assert message(found) == "KeyError: 'b' in `df['b']`" and hint(found) == "`df` has the columns 'a'"


def test_a_table_of_nothing_but_nan_is_told() -> None:
    import pandas as pd

    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 1.0]})
    wrong = "c = frame.drop(columns='a').corrwith(frame['a'], axis=1)"
    (found,) = after(Runner(namespace={"frame": frame}).run(wrong), wrong)
    assert message(found) == "`c` holds nothing but missing values (2)" and found.severity == "warning"
    for right in ("c = frame.corrwith(frame['a'])", "frame['b'] = [None, 2]"):
        assert "NB204" not in codes(after(Runner(namespace={"frame": frame}).run(right), right))


@pytest.mark.parametrize(
    "report",
    [RunReport(ok=True), RunReport(ok=False, error=RunError("X", "x"), needs=NotRun("gpu")), RunReport(ok=False)],
)
def test_what_is_not_the_fault_of_the_code_is_not_told(report: RunReport) -> None:
    assert after(report, "x") == []
