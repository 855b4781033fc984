"""Test source taken apart."""

from __future__ import annotations

import pytest

from nbcopilot.testgen.split import split


def test_tests_helpers_and_imports_are_told_apart() -> None:
    found = split(
        "import math\nfrom solution import f\nX = 1\ndef helper():\n    return X\n\n@mark\ndef test_a():\n    assert f(1)\n\nclass TestB:\n    def test_c(self):\n        assert f(2)\n",
        ["f"],
    )
    assert [t.name for t in found.tests] == ["test_a", "TestB"]
    assert found.tests[0].source.startswith("@mark\ndef test_a")
    assert "def helper" in found.preamble and "import math" in found.preamble and "solution" not in found.preamble


def test_the_code_under_test_is_not_taken_twice() -> None:
    found = split("def f(x):\n    return 0\n\ndef test_a():\n    assert f(1) == 1\n", ["f"])
    assert "def f" not in found.preamble


def test_loose_asserts_become_a_test() -> None:
    (test,) = split("assert f(1) == 1\nassert f(2) == 2\n", ["f"]).tests
    assert test.name == "test_f_asserts" and test.source.count("assert f(") == 2


def test_missing_usual_imports_are_added() -> None:
    found = split("def test_a():\n    with pytest.raises(ValueError):\n        f(math.pi)\n", ["f"])
    assert found.preamble.split("\n") == ["import pytest", "import math"]


@pytest.mark.parametrize(
    ("body", "idle"),
    [
        ("f(1)", "it asserts nothing"),
        ("assert True", "it holds whatever the code does"),
        ("assert 1 == 1", "it holds whatever the code does"),
        ("assert f(1) == f(1)", "it holds whatever the code does"),
        ("assert f(1) == 1", ""),
        ("with pytest.raises(ValueError):\n        f(1)", ""),
        ("np.testing.assert_allclose(f(1), 1)", ""),
        ("self.assertEqual(f(1), 1)", ""),
    ],
)
def test_tests_that_show_nothing_are_told(body: str, idle: str) -> None:
    assert split(f"def test_a():\n    {body}\n", ["f"]).tests[0].idle == idle


def test_a_test_that_is_there_twice_counts_once() -> None:
    source = "def test_a():\n    assert f(1)\n\ndef test_a():\n    assert f(2)\n\ndef test_b():\n    assert f(2)\n"
    assert [t.name for t in split(source, ["f"]).tests] == ["test_a"]


def test_what_is_no_python_is_said() -> None:
    assert split("def test(:\n", ["f"]).problem.startswith("the tests are not valid Python")


def test_an_answer_that_was_cut_keeps_the_tests_before_the_cut() -> None:
    found = split(
        "import math\n\ndef test_a():\n    assert f(1) == 1\n\n@mark\ndef test_b():\n    assert f([1, 2", ["f"]
    )
    assert [t.name for t in found.tests] == ["test_a"] and found.problem == "the last test was not whole"
