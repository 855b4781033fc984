"""Links: which words of the request mean which tables, columns, values, functions and files, each with a score.

Follows schema linking as text-to-SQL does it (RAT-SQL: exact and partial matches of word groups; CHESS: values
retrieved from the data; DIN-SQL: joins from keys). Everything is compared with everything; nothing here knows a domain.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from nbcopilot.grounding.periods import is_unit
from nbcopilot.grounding.words import Word, alike, fold, initials, parts, words
from nbcopilot.live_state import Column, Link, LiveState, Table

# From here on a link may shape the answer; below WEAK it is not kept.
STRONG, WEAK = 0.7, 0.55
# Longest group of words that is compared as one.
GROUP = 4
MAX_LINKS = 40
# What a word that is the name of a calendar unit is worth as the name of a column.
UNIT = 0.7
# What a name is worth of which the request says nothing but its number: "week 6" may be `w6`, or a value.
DIGITS = 0.9


def links(request: str, state: LiveState) -> tuple[Link, ...]:
    """The links of a request, best first for each thing; several things may share a word."""
    said = words(request)
    folded = [parts(word.text) for word in said]
    found: dict[tuple[str, str, str, str], Link] = {}
    for link in (*_names(said, folded, state), *_columns(said, folded, request, state), *_values(said, request, state)):
        if link.kind in ("column", "table") and is_unit(link.phrase) and not _tells_time(link, state):
            link = replace(link, score=UNIT * link.score)  # "per day" seldom means a column of that name
        key = (link.kind, link.table, link.label, link.value)
        if link.score >= WEAK and (key not in found or found[key].score < link.score):
            found[key] = link
    return _without_shadows(sorted(found.values(), key=lambda link: (-link.score, link.kind)))[:MAX_LINKS]


def _tells_time(link: Link, state: LiveState) -> bool:
    column = column_of(link, state)
    return column is not None and (
        column.kind == "date" or (column.disguise is not None and column.disguise.kind == "date")
    )


def _without_shadows(ranked: Sequence[Link]) -> tuple[Link, ...]:
    """Without weaker links of the same words to a thing of the same kind that matches them much worse."""
    best: dict[tuple[str, str], float] = {}
    for link in ranked:
        key = (link.kind, link.phrase.casefold())
        best[key] = max(best.get(key, 0.0), link.score)
    exact = {(link.kind, link.table, link.phrase.casefold()) for link in ranked if link.score == 1.0}
    kept = [
        link
        for link in ranked
        if link.score >= best[link.kind, link.phrase.casefold()] - 0.12
        and (link.score == 1.0 or (link.kind, link.table, link.phrase.casefold()) not in exact)
    ]
    return tuple(link for link in kept if not any(_covers(other, link) for other in kept))


def _covers(other: Link, link: Link) -> bool:
    """Whether another link of the same table says the same words and more, and says them better."""
    mine, more = set(link.phrase.casefold().split()), set(other.phrase.casefold().split())
    return mine < more and other.score >= link.score and (other.kind, other.table) == (link.kind, link.table)


# --------------------------------------------------------------------------- names of things


def _names(said: Sequence[Word], folded: Sequence[tuple[str, ...]], state: LiveState) -> Iterator[Link]:
    for table in state.tables:
        yield from _of_name("table", table.name, said, folded, table=table.name)
    for thing in state.things:
        if thing.kind in ("module", "class") or len(thing.name) < 2:
            continue
        kind = "function" if thing.kind == "function" else "variable"
        if any(word.text == thing.name for word in said):
            yield Link(thing.name, kind, 1.0, label=thing.name)
        elif thing.kind != "function":
            yield from _of_name(kind, thing.name, said, folded)
    for file in state.files:
        if any(word.text.casefold() == file.name.casefold() for word in said):
            yield Link(file.name, "file", 1.0, label=file.name)


def _of_name(
    kind: str, name: str, said: Sequence[Word], folded: Sequence[tuple[str, ...]], table: str = ""
) -> Iterator[Link]:
    for word in said:
        if word.text == name:
            yield Link(word.text, kind, 1.0, table=table, label=name)
            return
    phrase, score = _best_group(parts(name), said, folded)
    if score >= WEAK:
        yield Link(phrase, kind, 0.95 * score, table=table, label=name)


# --------------------------------------------------------------------------- columns


def _columns(said: Sequence[Word], folded: Sequence[tuple[str, ...]], request: str, state: LiveState) -> Iterator[Link]:
    shared = Counter(part for table in state.tables for column in table.columns for part in set(parts(column.text)))
    for table, column in state.columns():
        for word in said:
            if word.text == column.text and (len(word.text) > 1 or f"`{word.text}`" in request):
                yield Link(word.text, "column", 1.0, table.name, column.label)
        own = parts(column.text)
        if not own or len(column.text) > 80 or len(column.text) < 2:
            continue
        phrase, score = _best_group(own, said, folded, shared, table)
        if score >= WEAK:
            yield Link(phrase, "column", min(score, 0.97), table.name, column.label)


def _best_group(
    own: tuple[str, ...],
    said: Sequence[Word],
    folded: Sequence[tuple[str, ...]],
    shared: Counter[str] | None = None,
    table: Table | None = None,
) -> tuple[str, float]:
    """The words of the request that fit a name best, and how well: parts that few names have weigh more."""
    flat = [(i, part) for i, some in enumerate(folded) for part in some]
    weights = {
        part: (0.25 if part.isdigit() or len(part) < 2 else 1.0) / (shared[part] ** 0.5 if shared else 1.0)
        for part in own
    }
    hit: dict[str, tuple[float, int]] = {}
    for part in own:
        scores = [(alike(part, other), i) for i, other in flat]
        best = max(scores, key=lambda pair: (pair[0], -pair[1]), default=(0.0, 0))
        if best[0] and (len(part) > 1 or best[0] == 1.0):
            hit[part] = best
    total = sum(weights.values())
    covered = sum(weights[part] * hit[part][0] for part in hit)
    score = covered / total if total else 0.0
    if hit and score < 0.75:  # one rare part of several is a partial match, as "revenue" of net_revenue_eur
        strongest = max(hit, key=lambda part: hit[part][0] * len(part))
        score = max(score, (0.78 if len(strongest) > 3 else 0.72) * hit[strongest][0] if len(strongest) > 2 else 0.0)
    if hit and all(part.isdigit() for part in hit):
        score *= DIGITS
    phrase, by_initials = _by_initials(own, said, folded)
    if by_initials > score:
        return phrase, by_initials
    places = sorted({i for _, i in hit.values()})
    return " ".join(said[i].text for i in places[:GROUP]), score


def _by_initials(own: tuple[str, ...], said: Sequence[Word], folded: Sequence[tuple[str, ...]]) -> tuple[str, float]:
    """`los` for "length of stay": a part made of the first letters of words that follow each other."""
    heads = [some[0] if some else "" for some in folded]
    for part in own:
        if 3 <= len(part) <= 5 and part.isalpha():
            for i in range(len(heads) - len(part) + 1):
                some = heads[i : i + len(part)]
                if initials(some) == part and len(some[0]) > 3 and len(some[-1]) > 3:
                    return " ".join(word.text for word in said[i : i + len(part)]), 0.82
    return "", 0.0


# --------------------------------------------------------------------------- values


def _values(said: Sequence[Word], request: str, state: LiveState) -> Iterator[Link]:
    whole = fold(request)
    for table, column in state.columns():
        if column.kind != "text" or column.disguise is not None:
            continue
        for literal in column.values:
            try:
                value = ast.literal_eval(literal)
            except (ValueError, SyntaxError):
                continue
            text = fold(str(value).strip())
            if len(text) < 2 or text.isdigit() or (text not in whole and not _near(text, said)):
                continue
            # Codes of two or three letters are words of some language: they count as they are written.
            exact = len(text) > 3 or any(word.text == str(value).strip() for word in said)
            score = _value_score(text, said) if exact else 0.0
            if score:
                yield Link(str(value).strip(), "value", score, table.name, column.label, literal)


def _near(text: str, said: Sequence[Word]) -> bool:
    return len(text) > 4 and any(alike(text, fold(word.text)) >= 0.85 for word in said)


def _value_score(text: str, said: Sequence[Word]) -> float:
    """1.0 for the value as words of the request, less for nearly that."""
    own = text.split()
    heads = [fold(word.text) for word in said]
    for i in range(len(heads) - len(own) + 1):
        if heads[i : i + len(own)] == own:
            return 0.95
    if len(own) == 1:
        return 0.8 * max((alike(text, head) for head in heads), default=0.0)
    return 0.8 if all(any(alike(part, head) >= 0.9 for head in heads) for part in own) else 0.0


def strong(some: Sequence[Link], kind: str = "") -> list[Link]:
    """The links that may shape the answer."""
    return [link for link in some if link.score >= STRONG and kind in ("", link.kind)]


def column_of(link: Link, state: LiveState) -> Column | None:
    """The column that a link means."""
    table = state.table(link.table)
    return table.column(link.label) if table is not None else None
