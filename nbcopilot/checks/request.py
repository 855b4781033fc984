"""What a request says of the value it wants, read from names and types alone: the words around them may be of any language.

A type counts where it stands as Python spells it; whose type it is follows from what the notebook holds and what the
answer made. Guesses all the same: what is read here never rejects an answer (rules NB208, NB210).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from nbcopilot.execution import Shown
from nbcopilot.notebook.source_edit import Code

# Types by their names in Python, and the classes that are of each. The value of any other class is of no known type.
_TYPES = {
    "DataFrame": r"\w*DataFrame|LazyFrame",
    "Series": r"\w*Series",
    "ndarray": r"ndarray|matrix|\w*Array",  # the arrays of pandas, too
    "tuple": r"tuple",
    "dict": r"\w*dict|Counter|OrderedDict",
    "list": r"list",
    "set": r"set|frozenset",
}
_KNOWN = re.compile(
    "|".join(_TYPES.values()) + r"|u?int\d*|float\d*|bool_?|str_?|\w*Index|\w*GroupBy|range|map|filter|zip|dict_\w+"
)
_WORDLIKE = frozenset({"list", "set"})  # words of English, too: types where they stand as code
_CLAUSE = re.compile(r"[.,;:!?()\n]+")
_TOKEN = re.compile(r"(?P<code>`)?(?P<word>[^\W\d]\w*)(?(code)`)")
_NAME_AS_CODE = re.compile(r"`(?P<a>[^\W\d]\w*)`")
_BETWEEN = 3  # words at most between a type and the name of its value: "a DataFrame with the name x"


class WantedType(NamedTuple):
    """A type that is asked for; `name` is the variable, "" for the value that the cell shows."""

    type: str
    name: str


def types(instruction: str, made: Collection[str], present: Sequence[str] | None) -> Iterator[WantedType]:
    """The types that the instruction asks for.

    made: names that the answer created. A type just before one of them, in one clause, is that name's. present: the types of the
    variables that there are, None when they are not known; any other type that is named must be the result's.
    """
    free: dict[str, None] = {}
    for clause in _CLAUSE.split(instruction):
        kind, since = "", 0
        for token in _TOKEN.finditer(clause):
            word, since = token["word"], since + 1
            if word in _TYPES and (token["code"] or word not in _WORDLIKE):
                kind, since = word, 0
                free[word] = None
            elif kind and word in made and since <= _BETWEEN + 1:
                free.pop(kind, None)
                yield WantedType(kind, word)
                kind = ""
    if present is not None:
        yield from (WantedType(kind, "") for kind in free if not any(is_of(kind, one) for one in present))


def is_of(kind: str, type_name: str) -> bool:
    """Whether a class, by its name with or without its module, is of a type."""
    return re.fullmatch(_TYPES[kind], type_name.rpartition(".")[2]) is not None


def fits(kind: str, value: Shown) -> bool:
    """False where the value is for certain of another type."""
    return is_of(kind, value.type) or _KNOWN.fullmatch(value.type.rpartition(".")[2]) is None


def names_as_code(instruction: str) -> list[str]:
    """The plain names that an instruction sets in backticks, each once."""
    return list(dict.fromkeys(match["a"] for match in _NAME_AS_CODE.finditer(instruction)))


# (what is asked for, what the value is) -> how the one is made of the other.
CONVERSIONS = (
    ("DataFrame", r"Series", "{}.to_frame()"),
    ("list", r"\w*Index|Series|ndarray|\w*Array", "{}.tolist()"),
    ("list", r"tuple|set|frozenset|range|map|filter|zip|dict_\w+", "list({})"),
    ("tuple", r"list|ndarray|Series|\w*Index|range|map|filter|zip|dict_\w+", "tuple({})"),
    ("ndarray", r"Series|DataFrame|\w*Index", "{}.to_numpy()"),
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
