"""How chosen calls are written."""

from __future__ import annotations

import pytest

from nbcopilot.testgen import compose
from nbcopilot.testgen.compose import imports_for, module, runner_lines
from nbcopilot.testgen.split import SingleTest


def case(sources: list[str | None], expected: str = "1", how: str = "==", **more: object) -> dict[str, object]:
    given = [
        f"{name}={text}" if name == "n" else text for name, text in zip("xn", sources, strict=False) if text is not None
    ]
    base: dict[str, object] = {
        "place": 0, "parameters": ["x", "n"][: len(sources)], "sources": sources, "names": {}, "lines": [], "call": f"f({', '.join(given)})",
        "checks": [["{}", expected, how]], "origin": 2, "traits": [], "outcome": "", "seed": -1, "path": [], "message": "",
    }  # fmt: skip
    return {**base, **more}


def written(cases: list[dict[str, object]], sure: dict[int, str] | None = None) -> list[str]:
    tests, helpers = compose.tests_of("f", cases, range(len(cases)), sure or {}, set(), "")
    return [*helpers, *(one.test.source for one in tests)]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (case(["3"], "9"), "    assert f(3) == 9"),
        (case(["3"], "True", "is"), "    assert f(3) is True"),
        (case(["3"], "1.5", "approx"), "    assert f(3) == pytest.approx(1.5)"),
        (case(["3"], "math.nan", "nan"), "    assert math.isnan(f(3))"),
        (case(["3"], checks=[["list({})", "[1]", "=="]]), "    assert list(f(3)) == [1]"),
        (case(["3"], checks=[["raise", "KeyError", "=="]]), "    with pytest.raises(KeyError):\n        f(3)"),
        (
            case(["3"], checks=[["{}.a", "1", "=="], ["{}.b", "2", "=="]]),
            "    result = f(3)\n    assert result.a == 1\n    assert result.b == 2",
        ),
        (
            case(["[2, 1]"], names={"0": "x"}, lines=["x = [2, 1]"], call="f(x)", checks=[["x", "[1, 2]", "=="]]),
            "    x = [2, 1]\n    f(x)\n    assert x == [1, 2]",
        ),
    ],
)
def test_each_kind_of_case_is_written_in_its_way(given: dict[str, object], line: str) -> None:
    (source,) = written([given], {0: "a test"})
    assert source.split(":\n", 1)[1] == line
    compile(source, "t", "exec")


def test_three_alike_cases_are_parameters_of_one_test() -> None:
    (source,) = written([case([str(n)], str(n * n)) for n in (2, 3, 4)])
    assert source.startswith('@pytest.mark.parametrize("x, expected", [(2, 4), (3, 9), (4, 16)])\ndef test_f')
    assert source.endswith("(x, expected):\n" + compose._doc([case(["1"])], True)[0] + "\n    assert f(x) == expected")


def test_a_table_that_several_cases_have_is_a_function() -> None:
    table = "pd.DataFrame({'shop': ['Rome', 'Oslo', 'Rome', 'Bern'], 'amount': [1, 2, 3, 4]})"
    helper, source = written([case([table, None], "3"), case([table, "2"], "7")])
    assert helper == f"def some_x():\n    return {table}"
    assert "assert f(some_x()) == 3" in source and "assert f(some_x(), n=2) == 7" in source


def test_outcomes_of_different_kinds_are_different_tests_with_names_of_their_own() -> None:
    cases = [
        case(["''"], "None", "is", outcome="gives_none", traits=["empty_x"]),
        case(["'a'"], "3", traits=["x_with_no_digits"]),
        case(["5"], checks=[["raise", "ValueError", "=="]], outcome="raises_value_error", traits=["given_x"]),
    ]
    names = [one.split("def ")[1].split("(")[0] for one in written(cases)]
    assert names == [
        "test_f_gives_none_for_empty_x",
        "test_f_for_x_with_no_digits",
        "test_f_raises_value_error_with_other_x",
    ]


def test_what_only_records_is_labelled_and_what_a_test_bears_out_is_not() -> None:
    recorded, agreed = written([case(["1"])])[0], written([case(["1"])], {0: "a test"})[0]
    assert "characterisation" in recorded and "characterisation" not in agreed
    assert "Found by search" in written([case(["1"], origin=5)])[0]


def test_imports_are_those_that_are_needed() -> None:
    assert imports_for("assert f(1) == 1") == []
    assert imports_for("pytest.raises(KeyError)") == ["import pytest"]
    assert imports_for("f(np.array([1]), dt.date(2024, 1, 2))") == ["import datetime as dt", "import numpy as np"]


def test_a_module_has_its_imports_once_and_first() -> None:
    text = module("import b\nimport a\nX = 1\nimport a", [SingleTest("test_x", "def test_x():\n    assert X")])
    assert text == "import a\nimport b\nX = 1\n\n\ndef test_x():\n    assert X\n"


@pytest.mark.parametrize("count", [1, 3, 12])
def test_the_last_lines_run_the_tests_where_they_stand(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"test_something_with_a_long_name_{i}" for i in range(count)]
    tests = [SingleTest(name, f"def {name}():\n    seen.append({name!r})") for name in names]
    source = "\n".join(test.source for test in tests) + "\n" + runner_lines(tests)
    seen: list[str] = []
    exec(source, {"__name__": "__main__", "seen": seen})
    assert seen == names and f"{count} test" in capsys.readouterr().out
    exec(source, {"__name__": "imported", "seen": seen})
    assert len(seen) == count


def test_the_last_lines_run_every_row_of_a_parametrised_test_and_need_only_pytest() -> None:
    rows = SingleTest(
        "test_r", '@pytest.mark.parametrize("a, b", [(1, 2), (3, 4)])\ndef test_r(a, b):\n    seen.append((a, b))'
    )
    one = SingleTest("test_o", '@pytest.mark.parametrize("a", [5, 6])\ndef test_o(a):\n    seen.append(a)')
    seen: list[object] = []
    source = f"import pytest\n{rows.source}\n{one.source}\n{runner_lines([rows, one])}"
    exec(source, {"__name__": "__main__", "seen": seen})
    assert seen == [(1, 2), (3, 4), 5, 6]


def test_tests_with_fixtures_are_left_to_pytest() -> None:
    assert runner_lines([SingleTest("test_a", "def test_a(tmp_path):\n    assert tmp_path")]) == ""
