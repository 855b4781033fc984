"""Names of tests from what they show: the outcome, and what its inputs have that others have not.

test_parse_amount_gives_none_for_empty_text   test_working_days_raises_value_error_when_end_below_start
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Sequence
from typing import Any

from nbcopilot.testgen.choosing import Case
from nbcopilot.testgen.split import SingleTest

MOST = 76  # characters of a name
_RELATIONS = ("_below_", "_above_", "_equal_to_", "_of_different_")


def name_of(subject: str, group: Sequence[Case], others: Sequence[Case], promise: str, taken: Collection[str]) -> str:
    """A name for a test of the cases in `group`, told from the other cases. promise: the first words of the docstring."""
    outcomes = {case["outcome"] for case in group}
    outcome = outcomes.pop() if len(outcomes) == 1 else ""
    if outcome == "leaves_alone":
        return f"test_{_plain(subject)}_leaves_{next(iter(group[0]['names'].values())).strip('_')}_alone"
    common = [trait for trait in group[0]["traits"] if all(trait in case["traits"] for case in group)]
    apart = [trait for trait in common if not any(trait in case["traits"] for case in others)]
    often = sorted(common, key=lambda trait: sum(trait in case["traits"] for case in others))
    best = min(apart, key=_rank) if apart else often[0] if outcome and often else ""
    stem = _plain(subject)
    tries: list[tuple[str, ...]] = []
    if promise and not outcome and not apart:
        tries.append((promise,))
    elif outcome or best:
        tries.append((stem, outcome, _with(best)))
    ranked = sorted(common, key=lambda trait: (trait not in apart, _rank(trait)))
    tries += [(stem, outcome, _with(trait)) for trait in ranked]
    tries += [(stem, outcome, _with(one), _with(two)) for one in ranked[:3] for two in ranked[:4] if one != two]
    tries += [(stem, outcome, f"for_typical_{_argument(group[0])}")]
    for words in tries:
        name = "_".join(["test", *filter(None, words)])
        if name not in taken and len(name) <= MOST and not re.search(r"\d$", name):
            return name
    return _other("_".join(["test", *filter(None, tries[-1])]), taken)


def _rank(trait: str) -> tuple[bool, bool, int]:
    """Relations and absences say most, that an argument was given says least."""
    return (trait.startswith(("given_", "default_")), "_with_" in trait and not trait.startswith("gaps"), len(trait))


def _with(trait: str) -> str:
    if not trait:
        return ""
    if any(relation in trait for relation in _RELATIONS):
        return f"when_{trait}"
    if trait.startswith("without_"):
        return trait
    if trait.startswith("given_"):
        return f"with_other_{trait.removeprefix('given_')}"
    return f"with_{trait}" if trait.startswith(("default_", "gaps_", "no_")) else f"for_{trait}"


def _argument(case: Case) -> str:
    return str(next(iter(case["parameters"]), "call"))


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_").lower()


def _cut(name: str) -> str:
    """The name within its length, between words, and never ending in a number or a short word."""
    while len(name) > MOST or re.search(r"_\d+$|_[a-z]{1,3}$", name):
        name = name.rpartition("_")[0]
    return name


def _other(name: str, taken: Collection[str]) -> str:
    for word in ("again", "too", "likewise", "also", "further"):
        if f"{name}_{word}" not in taken:
            return f"{name}_{word}"
    return f"{name}_{len(taken)}_more"


def promise_of(source: str, subject: str) -> str:
    """The first words of the docstring of a function or method as part of a name: `amount_as_float_from_texts`."""
    node: Any = ast.parse(source)
    for part in subject.split("."):
        node = next((n for n in getattr(node, "body", ()) if getattr(n, "name", "") == part), None)
    text = ast.get_docstring(node) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) else None
    first = re.split(r"[.:;,(>\n]", text.strip(), maxsplit=1)[0] if text else ""
    found = re.findall(r"[^\W\d_]+", first.lower())
    words = found[:4] if len(found) > 4 and len(found[4]) < 5 else found[:5]
    return _cut("_".join(w for w in words if w.isascii())) if len(words) > 1 else ""


def is_telling(name: str, subjects: Collection[str], known: Collection[str]) -> bool:
    """Whether a model's name says something: one word of it, beside those of the subject, is a word of the code or its data."""
    own = {word for subject in subjects for word in _words(subject)}
    said = [word for word in _words(name.removeprefix("test")) if word not in own]
    return not re.search(r"\d+$", name) and any(len(word) > 2 and word in known for word in said)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text).lower())


def vocabulary(*texts: str) -> set[str]:
    """The words of texts and identifiers, in lower case."""
    return {word for text in texts for word in _words(text)}


def of_source(test: SingleTest, subjects: Sequence[str], taken: Collection[str]) -> str:
    """A name for a test from the words of what it asserts."""
    tree = ast.parse(test.source)
    asserted = [ast.unparse(n.test) for n in ast.walk(tree) if isinstance(n, ast.Assert)] or [test.source]
    own = {word for subject in subjects for word in _words(subject)}
    words = [word for word in dict.fromkeys(_words(asserted[0])) if len(word) > 2 and word not in own][:4]
    name = _cut("_".join(["test", _plain(subjects[0]), *words]))
    return name if name not in taken else _other(name, taken)
