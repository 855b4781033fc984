"""A model's tests taken apart by what they assert."""

from __future__ import annotations

from nbcopilot.testgen.atoms import apart, claims_a_value, together, without_repeats
from nbcopilot.testgen.split import SingleTest


def test_of(body: str, name: str = "test_a") -> SingleTest:
    return SingleTest(name, f"def {name}():\n" + "\n".join(f"    {line}" for line in body.split("\n")))


test_of.__test__ = False  # type: ignore[attr-defined]

WHOLE = test_of("x = [1, 2]\ny = 3\nassert f(x) == 1\nassert f(y) == 2\nwith pytest.raises(ValueError):\n    f(None)")


def test_each_assertion_is_a_test_with_what_it_rests_on() -> None:
    first, second, third = apart(WHOLE)
    assert "x = [1, 2]" in first.source and "y = 3" not in first.source and first.source.count("assert") == 1
    assert "y = 3" in second.source and "pytest.raises" in third.source


def test_the_assertions_that_hold_are_kept_and_those_that_do_not_are_gone() -> None:
    names = [atom.name for atom in apart(WHOLE)]
    kept = together(WHOLE, dict(zip(names, (True, False, True), strict=True)))
    assert kept is not None and "f(y)" not in kept.source and "y = 3" not in kept.source and "f(None)" in kept.source
    assert together(WHOLE, dict.fromkeys(names, True)) == WHOLE
    assert together(WHOLE, dict.fromkeys(names, False)) is None


def test_what_cannot_be_taken_apart_stays_whole() -> None:
    for body in ("for x in [1]:\n    assert f(x)", "assert f(1) == 1"):
        assert apart(test_of(body)) == [test_of(body)]
    marked = SingleTest("test_m", "@mark\ndef test_m(x):\n    assert f(x)\n    assert f(1)")
    assert apart(marked) == [marked]


def test_a_plain_claim_about_one_call_is_told_from_others() -> None:
    assert claims_a_value(test_of("assert f(1) == 2"), ["f"])
    assert claims_a_value(test_of("with pytest.raises(ValueError):\n    f(0)"), ["f"])
    for body in ("assert len(f(1)) == 2", "x = f(1)\nassert x == 2", "assert f(1) == f(2)", "assert g(1) == 2"):
        assert not claims_a_value(test_of(body), ["f"])


def test_rambling_ends_at_the_first_test_that_says_the_same_again() -> None:
    tests = [
        test_of("assert f(1) == 2"),
        test_of("assert f(2) == 3", "test_b"),
        test_of("assert f(1) == 2", "test_c"),
        test_of("assert f(9) == 9", "test_d"),
    ]
    assert [test.name for test in without_repeats(tests)] == ["test_a", "test_b"]
