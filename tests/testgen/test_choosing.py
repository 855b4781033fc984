"""Which calls become tests."""

from __future__ import annotations

from nbcopilot.testgen.choosing import choose


def case(text: str, origin: int = 2, path: int = 0, outcome: str = "") -> dict[str, object]:
    return {
        "sources": [text],
        "checks": [["{}", "1", "=="]],
        "origin": origin,
        "path": [str(path)],
        "outcome": outcome,
        "lines": [],
    }


def test_the_fewest_that_notice_most_are_taken() -> None:
    cases = [case("1"), case("22"), case("333"), case("4")]
    assert set(choose(cases, [[0, 2], [1, 2], [2], [3]], 2)) == {2, 3}


def test_a_call_that_notices_nothing_is_taken_only_for_a_path_of_its_own() -> None:
    assert choose([case("1"), case("2")], [[0]], 5) == [0]
    assert set(choose([case("1"), case("2", path=1)], [[0]], 5)) == {0, 1}


def test_a_searched_call_is_taken_only_where_nothing_else_notices_the_fault() -> None:
    cases = [case("'a sentence'"), case("'x'", origin=5, path=1)]
    assert choose(cases, [[0, 1]], 5) == [0]
    assert set(choose(cases, [[0], [1]], 5)) == {0, 1}


def test_what_a_test_disputes_is_recorded_only_where_nothing_else_notices_the_fault() -> None:
    cases = [case("1"), case("2")]
    assert choose(cases, [[0, 1]], 5, avoid={0}) == [1]
    assert set(choose(cases, [[0], [1]], 5, avoid={0})) == {0, 1}


def test_a_table_that_is_there_already_costs_less_than_a_new_one() -> None:
    table, other = repr(list(range(30))), repr(list(range(1, 31)))
    assert choose([case(table), case(other, path=1), case(table, path=1)], [[0], [1, 2]], 2) == [0, 2]
