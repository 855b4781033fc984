"""An edit keeps what it needs and nothing else."""

from __future__ import annotations

import pytest

from nbcopilot.fixes.minimal import same_program, smallest

BEFORE = '''# mean of the values
def mean(values):
    """The mean."""
    total = 0

    for v in values:
        total += v   # one by one
    return total / len(value)
'''


def fixed(text: str) -> bool:
    """Whether the program gives what is asked."""
    names: dict[str, object] = {}
    try:
        exec(text, names)
        return names["mean"]([1, 3]) == 2  # type: ignore[operator]
    except Exception:
        return False


def test_comments_and_layout_that_the_model_dropped_come_back_without_a_run() -> None:
    answer = 'def mean(values):\n    """The mean."""\n    total = 0\n    for v in values:\n        total += v\n    return total / len(values)\n'
    assert smallest(BEFORE, answer) == BEFORE.replace("len(value)", "len(values)").rstrip("\n")


def test_blank_lines_and_comments_beside_a_changed_line_stay() -> None:
    before = "def f(x):\n    if x:\n        return 1 + x\n\n    # else\n    return 0"
    answer = "def f(x):\n    if x:\n        return x\n    return 0"
    assert smallest(before, answer) == before.replace("1 + x", "x")


def test_changes_that_are_not_needed_are_put_back_when_it_passes_without_them() -> None:
    answer = BEFORE.replace("len(value)", "len(values)").replace("total = 0", "total = 0.0").replace("The mean", "Mean")
    assert smallest(BEFORE, answer, fixed) == BEFORE.replace("len(value)", "len(values)").rstrip("\n")
    assert "0.0" in smallest(BEFORE, answer), "what changes the program is only put back after a run"


def test_two_changes_that_need_each_other_both_stay() -> None:
    before = "def mean(values):\n    a = sum(value)\n    b = len(value)\n    return a / b\n"
    answer = before.replace("(value)", "(values)")
    assert smallest(before, answer, fixed) == answer.rstrip("\n")


def test_a_cell_that_is_no_python_is_compared_line_by_line() -> None:
    assert (
        smallest("x = (\ny = 1\nz = 2", "x = ()\ny = 1\nz = 3", lambda t: t.startswith("x = ()"))
        == "x = ()\ny = 1\nz = 2"
    )


@pytest.mark.parametrize(
    ("after", "same"), [("x = 1  # one\n\n", True), ("x = (1)", True), ("x = 2", False), ("x = (", False)]
)
def test_what_means_the_same_is_told(after: str, same: bool) -> None:
    assert same_program("x = 1", after) is same
