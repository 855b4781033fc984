"""The state that a run starts from, and what a Runner says when there is none."""

from __future__ import annotations

import numpy as np
import pytest

from nbcopilot.config import Config
from nbcopilot.errors import SandboxUnavailableError
from nbcopilot.policy import Policy
from nbcopilot.sandbox import start
from nbcopilot.sandbox.report import RunError, RunReport
from nbcopilot.sandbox.runner import Runner, as_finding, preload


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
    assert not report.ran and report.needs == "the cells it depends on are not Python that can be run here"


def test_no_sandbox_is_a_report_and_not_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: object) -> str:
        raise SandboxUnavailableError("win32 has no sandbox")

    monkeypatch.setattr(start.Sandbox, "level", property(none))
    report = Runner().run("1")
    assert not report.ran and report.needs == "there is no sandbox here (win32 has no sandbox)"
    with pytest.raises(SandboxUnavailableError):
        Runner().call("testbench.measure", {}, seconds=1)


def test_a_policy_that_asks_for_more_than_there_is_stops_the_run() -> None:
    report = Runner(level="rlimits", policy=Policy(run_at="landlock")).run("1")
    assert not report.ran and "runs code at level landlock or better; this machine has rlimits" in report.needs


def test_the_limits_are_those_of_the_config() -> None:
    limits = Runner(Config(check_seconds=2, check_memory_mb=100, check_total_seconds=7)).limits()
    assert (limits.seconds, limits.memory_mb, limits.setup_seconds, limits.example_seconds) == (2, 100, 7, 2)


def test_heavy_packages_are_named_for_preloading() -> None:
    assert preload(["import pandas as pd\nfrom sklearn.linear_model import Ridge\nimport os", "not python ("]) == (
        "pandas",
        "sklearn.linear_model",
    )


def test_a_finding_quotes_the_line_that_failed() -> None:
    report = RunReport(ok=False, error=RunError("KeyError", "'b'", 2, hint="`df` has the columns 'a'"))
    finding = as_finding(report, "x = 1\ndf['b']")
    assert finding is not None and finding.line == 2
    assert finding.message == "KeyError: 'b' in line 2: `df['b']`; `df` has the columns 'a'"


def test_a_table_of_nothing_but_nan_is_a_finding() -> None:
    import pandas as pd

    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 1.0]})
    wrong = "c = frame.drop(columns='a').corrwith(frame['a'], axis=1)"
    found = as_finding(Runner(namespace={"frame": frame}).run(wrong), wrong)
    assert found is not None and found.message == "`c` holds nothing but NaN (2)" and found.severity == "error"
    for right in ("c = frame.corrwith(frame['a'])", "c = frame * float('nan')", "c = frame.iloc[:0]"):
        assert as_finding(Runner(namespace={"frame": frame}).run(right), right) is None


@pytest.mark.parametrize(
    "report",
    [RunReport(ok=True), RunReport(ok=False, error=RunError("X", "x"), needs="needs a GPU"), RunReport(ok=False)],
)
def test_what_is_not_the_code_s_fault_is_no_finding(report: RunReport) -> None:
    assert as_finding(report, "x") is None
