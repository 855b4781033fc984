"""Which calls become tests: the fewest, likeliest and shortest that notice most mutants, each path of the code once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

Case = Mapping[str, Any]

# What one more case must bring, by where its input is from: calls of the notebook cost nothing, searched ones must kill.
_PRICE = (0.0, 0.0, 0.05, 0.3, 0.45, 0.6)
_OF_MUTANT = (1.0, 0.3)  # the first case that notices it, and the second
_OF_PATH = 0.5
_BORNE_OUT = 2.0
LONG = 40  # characters of an argument that is given a name
SEARCHED = 5


def choose(
    cases: Sequence[Case],
    kills: Sequence[Sequence[int]],
    limit: int,
    avoid: Collection[int] = (),
    prefer: Collection[int] = (),
) -> list[int]:
    """Indices of at most `limit` cases, most useful first. kills: for each mutant the cases that notice it.

    avoid: cases to take only where nothing else notices a mutant. prefer: cases whose outcome somebody bears out.
    """
    by_case: dict[int, set[int]] = {place: set() for place in range(len(cases))}
    for mutant, told in enumerate(kills):
        for place in told:
            if place >= 0:
                by_case[place].add(mutant)
    cover = [0] * len(kills)
    paths: set[Any] = set()
    known: set[str] = set()
    chosen: list[int] = []
    left = set(by_case)

    def gain(place: int) -> float:
        case = cases[place]
        worth = sum(_OF_MUTANT[cover[m]] for m in by_case[place] if cover[m] < len(_OF_MUTANT))
        if case["origin"] >= SEARCHED or place in avoid:
            worth = sum(cover[m] == 0 for m in by_case[place])
        elif _path(case) not in paths:
            worth += _OF_PATH
        return (
            worth
            - _cost(case, known)
            - (0.5 if place in avoid else 0.0)
            + (_BORNE_OUT if place in prefer and worth else 0.0)
        )

    while left and len(chosen) < limit:
        made_up = [place for place in chosen if cases[place]["origin"] > 3]
        if any(case["origin"] <= 3 for case in cases) and len(made_up) >= max(2, len(chosen) - len(made_up)):
            left = {place for place in left if cases[place]["origin"] <= 3} or left
        best = max(sorted(left), key=gain)
        if gain(best) <= 0:
            break
        left.discard(best)
        chosen.append(best)
        paths.add(_path(cases[best]))
        known |= set(_long(cases[best]))
        for mutant in by_case[best]:
            cover[mutant] += 1
    return chosen


def _path(case: Case) -> Any:
    return (tuple(case["path"]), case["outcome"])


def _long(case: Case) -> list[str]:
    return [text for text in case["sources"] if text and len(text) > LONG]


def _cost(case: Case, known: Collection[str]) -> float:
    """What reading the case costs: its length, and each long argument that no case before it has."""
    new = [text for text in _long(case) if text not in known]
    short = sum(len(text) for text in case["sources"] if text and len(text) <= LONG)
    expected = sum(len(check[1]) for check in case["checks"])
    return _PRICE[case["origin"]] + (short + 0.5 * expected) / 400 + 0.25 * len(new) + 0.05 * len(case["lines"])
