"""Guesses about what was asked for: from the steps that tables go through, the data's end, the links of the request."""

from __future__ import annotations

import ast
from datetime import date, timedelta
from typing import Any

import pytest

from nbcopilot.checking import usage_of
from nbcopilot.checks import registry
from nbcopilot.checks.rule import Subject
from nbcopilot.execution import DataStep, RunReport, Shown
from nbcopilot.live_state import Grounding, Link, LiveState
from nbcopilot.sandbox.worker import data_steps
from nbcopilot.sandbox.worker.describe_value import describe
from nbcopilot.types import Notebook, Task

pd = pytest.importorskip("pandas")
CODES = [f"NB22{n}" for n in range(9)]


def steps_of(code: str, **names: Any) -> list[dict[str, Any]]:
    """What is recorded while the code runs on the tables."""
    found: list[dict[str, Any]] = []
    with data_steps.recorded("<cell>", found):
        exec(compile(code, "<cell>", "exec"), {"pd": pd, **names})
    return found


def told(subject: Subject) -> set[str]:
    return {d.code for phase in ("static", "run") for d in registry.detect(subject, phase) if d.code in CODES}


def after(*steps: DataStep) -> set[str]:
    return told(Subject("x", report=RunReport(ok=True, steps=steps)))


LEFT = pd.DataFrame({"k": [1, 1, 2, 3], "v": [1.0, 2.0, 3.0, 4.0], "t": ["1.5", "x", " ", "2"]})
RIGHT = pd.DataFrame({"k": [1, 1, 2], "id": [10, 11, 12], "w": [5, 6, 7]})


@pytest.mark.parametrize(
    ("code", "kind", "numbers"),
    [
        ("a.merge(b, on='k')", "join", (4, 3, 5, True)),
        ("pd.merge(a, b, on='k', how='left')", "join", (4, 3, 6, True)),
        ("a.merge(b)", "join", (4, 3, 5, True)),
        ("a.merge(b, left_on='k', right_on='id', how='left')", "join", (4, 0, 4, False)),
        ("a.merge(b.drop_duplicates('k'), on='k', how='left')", "join", (4, 3, 4, False)),
    ],
)
def test_joins_are_recorded_with_rows_partners_and_repeats(code: str, kind: str, numbers: tuple[Any, ...]) -> None:
    (step,) = steps_of(code, a=LEFT, b=RIGHT)
    repeats = step["left_repeats"] and step["right_repeats"]
    assert (step["kind"], step["left"], step["matched"], step["rows"], repeats) == (kind, *numbers)


def test_conversions_count_what_was_readable_text_and_is_lost() -> None:
    (step,) = steps_of("pd.to_numeric(a['t'], errors='coerce')", a=LEFT)
    assert (step["of"], step["lost"], step["examples"]) == (3, 1, ["x"])


def test_filters_count_rows_and_columns_are_no_filter() -> None:
    assert [(s["before"], s["after"]) for s in steps_of("b = a[a['v'] > 9]\na['v']\na[['k']]", a=LEFT)] == [(4, 0)]


def test_values_and_errors_pass_through_and_nothing_stays_wrapped() -> None:
    before = (pd.merge, pd.DataFrame.merge, pd.DataFrame.__getitem__, pd.to_numeric)
    with pytest.raises(KeyError, match="nowhere"):
        steps_of("a['nowhere']", a=LEFT)
    with pytest.raises(ValueError, match="Unable to parse"):
        steps_of("pd.to_numeric(a['t'])", a=LEFT)
    assert before == (pd.merge, pd.DataFrame.merge, pd.DataFrame.__getitem__, pd.to_numeric)


@pytest.mark.parametrize(
    ("step", "codes"),
    [
        (DataStep("join", 1, 100, 400, 100, "left", repeats=True), {"NB220"}),
        (DataStep("join", 1, 100, 400, 100, "left", repeats=False), set()),
        (DataStep("join", 1, 100, 80, 80, "inner"), {"NB221"}),
        (DataStep("join", 1, 100, 100, 80, "left"), set()),
        (DataStep("join", 1, 100, 100, 3, "left"), {"NB222"}),
        (DataStep("conversion", 1, 100, 60, examples=("12 €",)), {"NB223"}),
        (DataStep("conversion", 1, 100, 98, examples=("?",)), set()),
        (DataStep("filter", 1, 50, 0), {"NB224"}),
        (DataStep("filter", 1, 50, 50), {"NB228"}),
        (DataStep("filter", 1, 10, 10), set()),
        (DataStep("filter", 1, 50, 1), set()),
        (DataStep("filter", 1, 0, 0), set()),
    ],
)
def test_steps_that_change_what_is_counted_are_told(step: DataStep, codes: set[str]) -> None:
    assert after(step) == codes


def dated(days: int) -> Notebook:
    return Notebook(state=LiveState(now=(date.today() - timedelta(days=days)).isoformat()))


@pytest.mark.parametrize(
    ("code", "days", "is_told"),
    [
        ("df[df['d'] > pd.Timestamp.now() - pd.Timedelta(days=90)]", 200, True),
        ("from datetime import date\ndate.today()", 200, True),
        ("pd.to_datetime('today')", 200, True),
        ("df['d'].max()", 200, False),
        ("pd.Timestamp.now()", 1, False),
        ("now = df['d'].max()", 200, False),
    ],
)
def test_todays_clock_is_told_where_the_data_end_before(code: str, days: int, is_told: bool) -> None:
    assert ("NB225" in told(Subject(code, notebook=dated(days)))) is is_told


def linked(*links: Link, head: str = "") -> Task:
    return Task("generate", "…", grounding=Grounding(links=links, head=head))


@pytest.mark.parametrize(
    ("code", "is_told"),
    [
        ("df.groupby('region').size()", True),
        ("df.groupby('segment').size()", False),
        ("df.segment.value_counts()", False),
        ("df.query('segment > 1')", False),
        ("df.agg(n=('segment', 'size'))", False),
    ],
)
def test_a_column_that_was_named_must_be_used_somehow(code: str, is_told: bool) -> None:
    task = linked(Link("segment", "column", 1.0, "df", "'segment'"), Link("size", "column", 0.6, "df", "'size_eu'"))
    assert ("NB226" in told(Subject(code, task))) is is_told


@pytest.mark.parametrize(
    ("value", "is_nan"), [(float("nan"), True), (0.0, False), (LEFT["v"].sum() * float("nan"), True)]
)
def test_a_number_that_is_none_is_told(value: float, is_nan: bool) -> None:
    assert describe(value)["all_nan"] is is_nan
    shown = Shown("float", repr(value), all_nan=is_nan)
    codes = {d.code for d in registry.detect(Subject("x", report=RunReport(ok=True, result=shown)), "run")}
    assert ("NB204" in codes) is is_nan


def test_one_of_several_columns_for_a_word_will_do() -> None:
    task = linked(Link("id", "column", 1.0, "a", "'a_id'"), Link("id", "column", 1.0, "b", "'b_id'"))
    assert "NB226" not in told(Subject("b['b_id']", task))


def test_the_function_that_was_named_must_be_there() -> None:
    assert "NB227" in told(Subject("rate = 3", linked(head="rate")))
    assert "NB227" not in told(Subject("def rate(df): return 3", linked(head="rate")))
    assert "NB227" not in told(Subject("rate = 3", linked()))


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("def f(df, n=3):\n    return df", "f(df)"),
        ("def f(df, other):\n    return df", ""),
        ("def f(df):\n    return df\n\nf(df)", ""),
        ("def g(df):\n    return df", ""),
        ("def f(*, df):\n    return df", ""),
        ("class f:\n    pass", ""),
        ("def f(", ""),
    ],
)
def test_a_function_that_is_only_defined_is_called_on_the_variables_of_its_parameters(code: str, call: str) -> None:
    found = usage_of(code, "f", frozenset({"df", "x"}))
    assert found.strip() == call
    assert not found or ast.parse(code + found)
