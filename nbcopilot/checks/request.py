"""What the sentence of a request says of the value it wants: its kind ("a list of", "as a tuple") and its name.

English, and guesses: what is read here never rejects an answer (rules NB208, NB210). It claims little: what is not
understood says nothing, and a value of a class that is not known here fits everything.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from nbcopilot.execution import Shown
from nbcopilot.notebook.source_edit import Code

_NUMBER = r"(?:u?int|float|complex)\d*|Decimal|Fraction"
# What a request calls a kind of value, and the classes that are of it.
_KINDS = {
    "DataFrame": (r"data ?frames?", r"\w*DataFrame|LazyFrame"),
    "Series": (r"(?-i:Series)|pandas series", r"\w*Series"),  # a series of numbers may be anything
    "NumPy array": (r"(?:numpy|np) (?:nd)?arrays?|ndarrays?", r"ndarray|matrix"),
    "array": (r"arrays?", r"ndarray|matrix|list|\w*Series|\w*Array"),
    "list": (r"lists?", r"list"),
    "tuple": (r"tuples?", r"tuple"),
    "dict": (r"dict(?:ionar(?:y|ies)|s)?", r"\w*dict|Counter|OrderedDict"),
    "number": (r"(?:single |one )?(?:number|scalar|integer|float)|single value", _NUMBER),
    "string": (r"strings?", r"str_?"),
}
# Kinds of values that can be told from the ones above; of others it is not said that they are wrong.
_KNOWN = re.compile(
    "|".join([of for _, of in _KINDS.values()])
    + r"|bool_?|set|frozenset|\w*Index|\w*GroupBy|range|map|filter|zip|dict_\w+"
)
_WORD = "|".join(f"(?P<k{i}>{word})" for i, (word, _) in enumerate(_KINDS.values()))
# "a boolean array", "a list column": the kind is that of the word that follows; "a number for each row" are many.
_KIND = (
    rf"(?:{_WORD})\b(?!\s+(?:mask|arrays?|series|columns?|rows?|index|vector|matrix|list|dtype|type|comprehension)\b)"
    r"(?!\s+(?:(?:for|in|of|at)\s+(?:each|every)|per)\b)"
)
_THING = rf"(?:an?|one|the|new)\s+(?:(?!(?:and|of|from|with|in|to|for|or)\b)[\w-]+\s+){{0,3}}?{_KIND}"
_NAME = r"(?:called|named)\s+[`\"']?(?P<name>[A-Za-z_]\w*)[`\"']?"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_FUNCTION = _pattern(r"\b(?:functions?|class|method|def|lambda)\b")
# "a DataFrame called vol"; "return a list of ..."; "show the answers as a tuple".
_CALLED = _pattern(rf"\b{_THING}\s+{_NAME}")
_RETURNED = _pattern(rf"\breturn\s+(?:only\s+)?{_THING}")
_AS = _pattern(rf"\b(?:return|give|show|present|get|output)\b[^.\n]{{0,60}}?\bas\s+{_THING}")
_VARIABLE = r"(?:variable|data ?frame|frame|series|list|array|dict(?:ionary)?|table|function|class)s?"
_NAMED = _pattern(
    rf"\b{_VARIABLE}\s+(?:called|named)\s+(?P<a>[`\"']?[A-Za-z_]\w*)"
    r"|\b(?:call|name)\s+(?:it|them|this|that|the result)\s+(?P<b>[`\"']?[A-Za-z_]\w*)"
    r"|\b(?:assign|store|save|keep|put)\b[^.\n]{0,60}?\b(?:as|in|into|to)\s+(?P<c>`[A-Za-z_]\w*)`"
)
_NO_NAME = _pattern(r"the|an?|as|by|after|before|with|in|on|of|it|that|this|from|to|and")


class WantedKind(NamedTuple):
    """A kind of value that is asked for; `name` is the variable, "" for the value that the cell shows."""

    kind: str
    name: str


def kinds(instruction: str) -> tuple[WantedKind, ...]:
    """The kinds that the instruction names for its values; () for one that asks for a function."""
    if _FUNCTION.search(instruction):
        return ()
    return tuple(dict.fromkeys(_found(instruction)))


def _found(text: str) -> Iterator[WantedKind]:
    for pattern in (_CALLED, _RETURNED, _AS):
        for match in pattern.finditer(text):
            said = match.groupdict()
            kind = next(kind for i, kind in enumerate(_KINDS) if said.get(f"k{i}") is not None)
            yield WantedKind(kind, said.get("name") or "")


def named(instruction: str) -> list[str]:
    """The names that an instruction gives to what shall be made: "a variable called total", "store it in `total`"."""
    found = [(m["a"] or m["b"] or m["c"]).strip("`\"'") for m in _NAMED.finditer(instruction)]
    return [name for name in dict.fromkeys(found) if not _NO_NAME.fullmatch(name)]


def fits(kind: str, value: Shown) -> bool:
    """False where the value is for certain of another kind."""
    own = value.type.rpartition(".")[2]
    return re.fullmatch(_KINDS[kind][1], own) is not None or _KNOWN.fullmatch(own) is None


# (what is asked for, what the value is) -> how the one is made of the other.
CONVERSIONS = (
    ("DataFrame", r"Series", "{}.to_frame()"),
    ("list", r"\w*Index|Series|ndarray|\w*Array", "{}.tolist()"),
    ("list", r"tuple|set|frozenset|range|map|filter|zip|dict_\w+", "list({})"),
    ("tuple", r"list|ndarray|Series|\w*Index|range|map|filter|zip|dict_\w+", "tuple({})"),
    ("NumPy array", r"Series|DataFrame|\w*Index", "{}.to_numpy()"),
    ("dict", r"Series", "{}.to_dict()"),
)


def given(code: Code, name: str) -> ast.expr | None:
    """The value that the code gives to a name, or with "" the one that its last statement shows."""
    last = code.tree.body[-1] if code.tree.body else None
    if not name:
        return last.value if isinstance(last, ast.Expr) else None
    values = [
        s.value
        for s in code.tree.body
        if isinstance(s, ast.Assign) and [t.id for t in s.targets if isinstance(t, ast.Name)] == [name]
    ]
    return values[-1] if values else None
