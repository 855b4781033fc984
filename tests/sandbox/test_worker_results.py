"""Whatever comes out of a sandbox is read as values: a forged answer can lie, it cannot harm."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbcopilot.execution import Limits
from nbcopilot.sandbox.worker import plain
from nbcopilot.sandbox.worker_results import read_report, reports

LIMITS = Limits(seconds=3, processes=5, memory_mb=100, disk_mb=10)


@pytest.mark.parametrize("value", [None, 1, "text", [], {}, [1], {"a": 1}, 1e999, True])
@pytest.mark.parametrize("key", ["ok", "error", "needs", "stdout", "result", "created", "changed", "deleted", "imported", "plots", "seconds", "warnings", "examples", "timed_out"])  # fmt: skip
def test_a_field_of_any_shape_is_read_or_left_out(key: str, value: object) -> None:
    report = read_report({key: value}, {"level": "rlimits"})
    assert isinstance(report.stdout, str) and isinstance(report.created, dict) and isinstance(report.deleted, tuple)
    assert report.ok in (True, False) and report.level == "rlimits"


def test_long_texts_are_cut() -> None:
    report = read_report({"stdout": "x" * 10**6, "created": {f"n{i}": {"repr": "y" * 10**5} for i in range(1000)}}, {})
    assert len(report.stdout) <= 200_000 and len(report.created) == 200
    assert all(len(shown.repr) <= 4000 for shown in report.created.values())


@pytest.mark.parametrize(
    ("reply", "message", "late", "memory"),
    [
        ({"died": "time"}, "did not finish in 3 s", True, False),
        ({"died": "processes"}, "started more than 5 processes", False, False),
        ({"died": "memory"}, "used more than 100 MB of memory", False, True),
        ({"died": "disk"}, "wrote more than 10 MB", False, False),
        ({"died": "ended", "signal": 11}, "the process was killed by SIGSEGV", False, False),
        ({"died": "ended", "signal": 24}, "the process was killed by SIGXCPU", True, False),
        ({"died": "ended", "status": 3}, "the process ended by itself (exit code 3)", False, False),
        ({}, "the process ended by itself (exit code 0)", False, False),
        ({"answer": "nonsense"}, "the process ended by itself (exit code 0)", False, False),
    ],
)
def test_an_end_without_an_answer_says_why(reply: dict[str, object], message: str, late: bool, memory: bool) -> None:
    (report,) = reports(reply, "landlock", 1, LIMITS)
    assert report.error is not None and report.error.message == message
    assert (report.ok, report.timed_out, report.memory_exceeded, report.level) == (False, late, memory, "landlock")


def test_missing_runs_are_filled_up_and_surplus_ones_dropped() -> None:
    reply = {"answer": {"setup": {}, "runs": [{"ok": True}]}}
    assert [r.ok for r in reports(reply, "rlimits", 3, LIMITS)] == [True, False, False]
    reply = {"answer": {"setup": {"seconds": "x", "skipped": 3}, "runs": 7}, "files": 5}
    assert [r.ok for r in reports(reply, "rlimits", 1, LIMITS)] == [False]
    reply = {"answer": {"setup": None, "runs": [{"ok": True}] * 5}, "files": ["x", {"path": 1}]}
    assert [r.ok for r in reports(reply, "rlimits", 2, LIMITS)] == [True, True]


# What JSON can say, also where Python's own reader says more than a number or a text can hold.
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**400), st.just(-(10**30)), st.floats(), st.text(),
    st.text(st.characters(categories=["Cs"]), min_size=1),
)  # fmt: skip
NAMES = (
    "answer setup runs ok error needs stdout result created changed deleted imported plots seconds warnings examples steps "
    "elsewhere kind line left rows matched how before after of lost type repr shape digest epoch_nanoseconds frame text column "
    "name message traceback suggestions names owner files path bytes new skipped died signal status timed_out"
)
FIELDS = st.sampled_from(NAMES.split())
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS | st.text(), inner, max_size=6)
)


def harmless(reports_: Any) -> None:
    """A report can be written, formatted and counted with."""
    text = json.dumps([asdict(report) for report in reports_], ensure_ascii=False, allow_nan=False)
    assert text.encode("utf-8")


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(FIELDS, VALUES, max_size=8))
def test_no_answer_breaks_its_reader(raw: dict[str, Any]) -> None:
    for run in (raw, {"runs": [raw]}, {"setup": raw, "runs": [{"steps": [raw], "elsewhere": [raw], "result": raw}]}):
        harmless(reports({"answer": run, "files": [raw]}, "landlock", 2, LIMITS))
        harmless(reports(raw, "landlock", 2, LIMITS))
    harmless([read_report({"error": raw, "created": raw, "examples": [raw], "needs": raw, **raw}, {})])


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_what_is_read_from_the_pipe_is_plain(value: Any) -> None:
    read = plain.loads(json.dumps(value))
    assert json.dumps(read, ensure_ascii=False, allow_nan=False).encode("utf-8")
    assert plain.loads(json.dumps(read)) == read


@pytest.mark.parametrize("depth", [plain.MAX_DEPTH + 1, 900, 960, 100_000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_deep_nesting_is_no_answer(depth: int, brackets: str) -> None:
    opening = brackets[0] if brackets == "[]" else '{"a":'
    with pytest.raises(ValueError):
        plain.loads(opening * depth + "1" + brackets[1] * depth)


@pytest.mark.parametrize(
    "text", ["1" + "0" * 400, "1" + "0" * 5000, "-9223372036854775809", "1e999", "NaN", "-Infinity"]
)
def test_numbers_that_no_reader_holds_are_none(text: str) -> None:
    assert plain.loads(f'{{"seconds": {text}}}') == {"seconds": None}
