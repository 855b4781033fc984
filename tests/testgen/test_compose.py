"""The choice of cases and how they are written."""

from __future__ import annotations

import pytest

from nbcopilot.testgen import compose
from nbcopilot.testgen.compose import choose, imports_for, module, runner_line
from nbcopilot.testgen.split import SingleTest


def case(args: str, expected: str = "1", kind: str = "value", **more: object) -> dict[str, object]:
    base: dict[str, object] = {
        "args": args, "values": args.split(", "), "kind": kind, "expected": expected, "wrap": "{}", "error": "", "after": {},
        "float": False, "flat": True, "seed": False, "fresh": 0,
    }  # fmt: skip
    return {**base, **more}


def test_the_fewest_simplest_cases_that_notice_most_are_taken() -> None:
    cases = [case("1"), case("22"), case("333"), case("4")]
    kills = [[0, 2], [1, 2], [2], [3]]
    assert set(choose(cases, kills, 2)) == {2, 3}
    assert set(choose(cases, [], 1)) <= {0}


def test_inputs_of_the_user_are_always_shown() -> None:
    assert choose([case("9", seed=True), case("1")], [[1]], 2) == [0, 1]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (case("3", "9"), "    assert f(3) == 9"),
        (case("3", "True"), "    assert f(3) is True"),
        (case("3", "None", "none"), "    assert f(3) is None"),
        (case("3", "1.5", float=True), "    assert f(3) == pytest.approx(1.5)"),
        (case("3", "[[1.5]]", float=True, flat=False), "    assert f(3) == [[1.5]]"),
        (case("3", "[1]", wrap="list({})"), "    assert list(f(3)) == [1]"),
        (case("3", kind="raise", error="KeyError"), "    with pytest.raises(KeyError):\n        f(3)"),
        (
            case("[2, 1]", "None", "none", values=["[2, 1]"], after={"0": "[1, 2]"}),
            "    given_0 = [2, 1]\n    f(given_0)\n    assert given_0 == [1, 2]",
        ),
    ],
)
def test_each_kind_of_case_is_written_in_its_way(given: dict[str, object], line: str) -> None:
    (test,) = compose.tests_of("f", [given], set())
    assert test.source.split('"""\n', 1)[1] == line
    compile(test.source, "t", "exec")


def test_names_are_unique_and_long_lists_are_split() -> None:
    taken = {"test_f_values"}
    tests = compose.tests_of("f", [case(str(n), str(n)) for n in range(10, 30)], taken)
    assert len({t.name for t in tests} | {"test_f_values"}) == len(tests) + 1 == 4


def test_imports_are_those_that_are_needed() -> None:
    assert imports_for([case("1")]) == []
    assert imports_for([case("1", kind="raise", error="KeyError")]) == ["import pytest"]
    assert imports_for([case("np.array([1])")]) == ["import numpy as np"]


def test_a_module_has_its_imports_once_and_first() -> None:
    text = module("import b\nimport a\nX = 1\nimport a", [SingleTest("test_x", "def test_x():\n    assert X")])
    assert text == "import a\nimport b\nX = 1\n\n\ndef test_x():\n    assert X\n"


@pytest.mark.parametrize("count", [1, 3, 12])
def test_the_runner_line_runs_the_tests_where_they_stand(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"test_something_with_a_long_name_{i}" for i in range(count)]
    source = "\n".join(f"def {name}():\n    seen.append({name!r})" for name in names) + "\n" + runner_line(names)
    seen: list[str] = []
    exec(source, {"__name__": "__main__", "seen": seen})
    assert seen == names and f"{count} test" in capsys.readouterr().out
    exec(source, {"__name__": "imported", "seen": seen})
    assert len(seen) == count
