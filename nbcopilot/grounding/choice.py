"""Which tables a request needs: the one that most of its words mean, and those joined to it that the rest is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nbcopilot.grounding.link import STRONG
from nbcopilot.grounding.periods import Period
from nbcopilot.live_state import Column, Join, LastResult, Link, LiveState, Table

# What a table's own name, the newest cell's having made it, a date for a period, its use in many cells, and
# several rows for each of another table's count beside columns and values.
NAMED, NEWEST, DATED, USED, MANY = 0.6, 0.25, 0.6, 0.2, 0.3
# How close another table must come to be an alternative.
CLOSE = 0.25


@dataclass(frozen=True)
class Base:
    """The table to begin with and the joins that bring the rest; `links` are those that it answers."""

    table: Table
    joins: tuple[Join, ...] = ()
    links: tuple[Link, ...] = ()
    score: float = 0.0
    others: tuple[Table, ...] = ()


def bases(
    some: Sequence[Link], units: Sequence[Period], state: LiveState, last: LastResult | None, used: Mapping[str, int]
) -> list[Base]:
    """The tables that a request may be about, best first: one where it is clear, two where it is not."""
    tables = [table for table in state.tables if not table.owner and not _is_part_of_named(table, some, state)]
    ranked = sorted(
        (
            (
                _score(table, some, units, last, state.joins) + USED * min(used.get(table.name, 0), 5) / 5,
                -table.made,
                table,
            )
            for table in tables
        ),
        key=lambda t: t[:2],
        reverse=True,
    )
    if not ranked or ranked[0][0] < NAMED:
        return []
    first = ranked[0]
    close = [one for one in ranked[:2] if one[0] >= first[0] - CLOSE]
    found = [_joined(table, score, some, units, state) for score, _, table in close]
    return found[:1] if len(found) > 1 and found[0].joins else found


def _is_part_of_named(table: Table, some: Sequence[Link], state: LiveState) -> bool:
    """Whether a table that the request does not name has only columns of one that it names: rows taken from that one."""
    named_ones = {link.table for link in some if link.kind == "table" and link.score == 1.0}
    own = {column.label for column in table.columns}
    return table.name not in named_ones and any(
        own <= {column.label for column in other.columns} for other in state.tables if other.name in named_ones
    )


def _score(
    table: Table, some: Sequence[Link], units: Sequence[Period], last: LastResult | None, joins: Sequence[Join] = ()
) -> float:
    phrases: dict[str, float] = {}
    for link in some:
        if link.table == table.name and link.kind in ("column", "value", "table"):
            worth = link.score * (NAMED if link.kind == "table" else 1.0)
            phrases[link.phrase.casefold()] = max(phrases.get(link.phrase.casefold(), 0.0), worth)
    score = sum(worth for worth in phrases.values())
    if any(link.table == table.name and link.kind == "table" and link.score == 1.0 for link in some):
        score += NEWEST
    if last is not None and table.name in last.made and score:
        score += NEWEST
    if units and date_column(table):
        score += DATED
    if score and any(table.name in (join.left, join.right) and not _is_unique_side(table.name, join) for join in joins):
        score += MANY
    return score


def _joined(table: Table, score: float, some: Sequence[Link], units: Sequence[Period], state: LiveState) -> Base:
    """The base with the joins to the tables that hold what it does not."""
    own = [link for link in some if link.table == table.name]
    covered = {link.phrase.casefold() for link in own if link.score >= STRONG}
    meant = {link.phrase.casefold() for link in some if link.score >= STRONG}
    joins: list[Join] = []
    for other in state.tables:
        join = _between(table.name, other.name, state)
        if join is None or other.owner:
            continue
        more = [
            link for link in some
            if link.table == other.name and link.kind in ("column", "value")
            and (link.score >= STRONG or link.phrase.casefold() not in meant)
            and link.phrase.casefold() not in covered and not _is_key(link, join)
            and table.column(link.label) is None  # what it has itself, in a table it was made from, is no reason to join
        ]  # fmt: skip
        dated = bool(units) and not _dates(table) and date_column(other) is not None
        if more or dated:
            joins.append(join)
            own += more
            covered |= {link.phrase.casefold() for link in more}
    joins = joins[:2]
    others = [
        one for one in state.tables if any(one.name in (j.left, j.right) for j in joins) and one.name != table.name
    ]
    return Base(table, tuple(joins), tuple(own), score, tuple(others))


def _is_unique_side(name: str, join: Join) -> bool:
    return join.left_key if join.left == name else join.right_key


def _is_key(link: Link, join: Join) -> bool:
    return (link.table, link.label) in ((join.left, join.left_on), (join.right, join.right_on))


def _between(left: str, right: str, state: LiveState) -> Join | None:
    return next((join for join in state.joins if {join.left, join.right} == {left, right} and left != right), None)


def date_column(table: Table, some: Sequence[Link] = ()) -> Column | None:
    """The column that says when: a linked one, else the only one, else None."""
    dates = _dates(table)
    linked = [link.label for link in some if link.kind == "column" and link.table == table.name]
    return next((c for c in dates if c.label in linked), dates[0] if len(dates) == 1 else None)


def _dates(table: Table) -> list[Column]:
    return [
        c
        for c in table.columns
        if c.label and (c.kind == "date" or (c.disguise is not None and c.disguise.kind == "date"))
    ]


def named(some: Sequence[Link], state: LiveState) -> list[Table]:
    """Tables that the request names."""
    names = [link.table for link in some if link.kind == "table" and link.score >= 0.85]
    return [table for table in state.tables if table.name in names]
