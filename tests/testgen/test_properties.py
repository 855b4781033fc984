"""Property tests: proposed where types allow, refuted claims taken out, the same inputs in every run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nbcopilot.testgen.properties import IMPORTS, propose
from nbcopilot.testgen.report import Budget
from nbcopilot.testgen.strengthen import strengthen

ORDER = "def order(values: list[int]) -> list[int]:\n    return sorted(values)\n"


def case(args: str, expected: str, kind: str = "value") -> dict[str, Any]:
    return {"args": args, "expected": expected, "kind": kind, "wrap": "{}", "after": {}}


ORDERED = [case("[3, 1]", "[1, 3]"), case("[2, 2, 0]", "[0, 2, 2]"), case("[]", "[]"), case("['a']", "['a']")]


def test_claims_that_the_recorded_cases_refute_are_not_proposed() -> None:
    found = propose(ORDER, "order", ORDERED)
    assert found is not None and found.arguments == (("values", "st.lists(st.integers(0, 3), max_size=8)"),)
    assert "result == sorted(result)" in found.claims and "f(result) == result" in found.claims
    assert "len(set(result)) == len(result)" not in found.claims
    text = found.test("test_order_properties").source
    assert "assert sorted(result) == sorted(values)" in text and "assert order(result) == result" in text


def test_a_claim_that_a_run_refutes_goes_and_the_type_alone_is_no_test() -> None:
    found = propose(ORDER, "order", ORDERED)
    assert found is not None
    less = found.without("assert order(values[::-1]) == result")
    assert less is not None and set(found.claims) - set(less.claims) == {"f(x[::-1]) == result"}
    for claim in found.claims:
        less = less and less.without(f"assert {less._written(claim)}")
    assert less is None


@pytest.mark.parametrize(
    ("source", "cases"),
    [
        ("def f(x):\n    return x", [case("1", "1"), case("'a'", "'a'"), case("2", "2")]),  # no one shape
        ("def f(x: int):\n    return x", [case("1", "1")]),  # too little was seen
        ("def f(x: int):\n    return x", [case("1", "", "raise")] * 5),
        ("def f(x, *more):\n    return x", [case(str(n), str(n)) for n in range(5)]),
        ("def f(result: int):\n    return 1", [case(str(n), "1") for n in range(5)]),
        ("def f(x: dict):\n    return 1", [case("{}", "1")] * 5),
        ("def f(a, b, c):\n    return a", [case("1, 2, 3", "1")] * 5),
    ],
)
def test_where_types_allow_none_there_is_none(source: str, cases: list[dict[str, Any]]) -> None:
    assert propose(source, "f", cases) is None


def test_what_is_offered_draws_the_same_inputs_passes_under_pytest_and_notices_a_fault(tmp_path: Path) -> None:
    report = strengthen(
        ORDER, (), "", Budget(test_seconds=60.0, explore_seconds=0.7, mutant_seconds=4.0, total_seconds=120.0)
    )
    assert "test_order_properties" in report.names and "(characterisation)" in report.source and report.plain
    assert report.characterisation == report.passed
    property_test = report.source[report.source.index("@settings") :]

    def status(source: str) -> int:
        path = tmp_path / "test_it.py"
        path.write_text("\n".join([*IMPORTS, source, property_test]))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
        return subprocess.run(command, capture_output=True, cwd=tmp_path, check=False).returncode

    assert status(ORDER) == status(ORDER) == 0
    assert status(ORDER.replace("sorted(values)", "sorted(set(values))")) == 1
