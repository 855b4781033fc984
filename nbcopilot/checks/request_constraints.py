"""What a request promises of the values that a cell makes or shows: their names, kinds and sizes ("a DataFrame called vol").

Reads plain sentences and claims little: what it does not understand promises nothing, and a value of a kind that it does
not know breaks nothing. The judge of step 6 holds the promises against what a run left behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nbcopilot.sandbox.report import RunReport, Shown
from nbcopilot.types import Finding

# How a broken promise is told.
ASKS = "the request asks for"
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
_COUNTS = {"one": 1, "single": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}  # fmt: skip
_N = rf"(?:\d{{1,3}}(?:,\d{{3}})+|\d+|{'|'.join(_COUNTS)})"
_NAME = r"(?:called|named)\s+[`\"']?(?P<name>[A-Za-z_]\w*)[`\"']?"
_MAKE = r"\b(?:creat|mak|build|construct|generat|produc|initiali[sz]|defin)(?:e|ing)?\b"
# "a 3x4 array", "a one column DataFrame"; "a DataFrame with 5 rows and 2 columns", "a Series of length 5", "an array of 10 numbers".
_SIZED = rf"(?:(?P<rows>\d+)\s*(?:x|×|by)\s*(?P<columns>\d+)\s+|(?P<wide>{_N})[- ]columns?\s+)?"
_OF = (
    rf"(?:\s*,?\s+(?:with|of|having)\s+(?:only\s+|just\s+|exactly\s+)?(?:(?P<more_rows>{_N})\s+rows\b(?:\s+and\s+(?P<beside>{_N})"
    rf"\s+columns?\b)?|(?P<more_columns>{_N})\s+columns?\b|(?:length|size)\s+(?P<length>{_N})\b|(?P<items>{_N})\s+(?!by\b|x\b)[a-z]))?"
)
_ADJECTIVES = r"(?:(?!(?:and|of|from|with|in|to|for|or)\b)[\w-]+\s+){0,3}?"
_THING = rf"{_ADJECTIVES}{_SIZED}{_ADJECTIVES}{_KIND}"
_FUNCTION = re.compile(r"\b(?:functions?|class|method|def|lambda)\b", re.IGNORECASE)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


# "a DataFrame called vol, with …"; "create a Series with … and assign it to `s`".
_CALLED = _pattern(rf"\b(?:an?|one|the|new)\s+{_THING}\s+{_NAME}{_OF}")
_ASSIGNED = _pattern(
    rf"{_MAKE}\s+(?:an?|one|the|new)\s+{_THING}{_OF}(?:(?!\band\b)[^.,;\n]){{0,80}}(?:,?\s+and|[.,;]|\n)\s+(?:assign|save|store)\s+"
    r"(?:it|this)\s+(?:as|in|into|to)\s+(?:(?:an?|the)\s+)?(?:variable\s+)?(?:(?:called|named)\s+)?[`\"']?(?P<name>[A-Za-z_]\w*)"
)
# "return a list of …", "show the answers as a tuple"; "create three Series …".
_SHOWN = (
    _pattern(rf"\breturn\s+(?:only\s+)?(?:an?|one)\s+{_THING}{_OF}"),
    _pattern(rf"\b(?:return|give|show|present|get|output)\b[^.\n]{{0,60}}?\bas\s+(?:an?|one)\s+{_THING}{_OF}"),
)
_MADE = _pattern(rf"{_MAKE}\s+(?:an?|one|(?:the\s+)?(?P<count>{_N}))\s+{_THING}(?:\s+{_NAME})?{_OF}")
# "select the first 7 columns": of what is shown.
_FIRST = _pattern(
    r"^\W*(?:(?:now|then|next|please|and)\W+)*(?:select|show|view|display|give me|get|present|see|print|take|look at)\s+(?:me\s+)?(?:only\s+)?"
    rf"(?:the\s+)?(?:first|last)\s+(?P<columns>{_N})\s+columns\b(?!\s+(?:of|for|in|per)\s+(?:each|every))"
)
_HOW_MANY = _pattern(r"^\W*(?:(?:and|so|now|then)\W+)?how\s+(?:many|much)\b")
_EACH = _pattern(r"\b(?:per|each|every|by|all the|respectively|column|groups?)\b")

_VARIABLE = r"(?:variable|data ?frame|frame|series|list|array|dict(?:ionary)?|table|function|class)s?"
_NAMED = _pattern(
    rf"\b{_VARIABLE}\s+(?:called|named)\s+(?P<a>[`\"']?[A-Za-z_]\w*)"
    r"|\b(?:call|name)\s+(?:it|them|this|that|the result)\s+(?P<b>[`\"']?[A-Za-z_]\w*)"
    r"|\b(?:assign|store|save|keep|put)\b[^.\n]{0,60}?\b(?:as|in|into|to)\s+(?P<c>`[A-Za-z_]\w*)`"
    # "into one combined DataFrame df_all": without a word that says so, only what can be no word of a sentence.
    rf"|\b(?:into|create|make|build)\s+(?:an?|one|the)\s+(?:[\w-]+\s+){{0,3}}?{_VARIABLE}\s+(?P<d>df\w*|[A-Za-z]\w*[_\d]\w*)\b"
)
_NO_NAME = _pattern(r"the|an?|as|by|after|before|with|in|on|of|it|that|this|from|to|and")


@dataclass(frozen=True)
class Promise:
    """What is said of one value. `name` is the variable, "" for the value that the cell shows, None for any new one.

    shape: rows and columns, None where nothing is said. count: how many such values.
    """

    name: str | None
    kind: str
    shape: tuple[int | None, int | None] = (None, None)
    count: int = 1

    def __str__(self) -> str:
        """In words: "a DataFrame with 2 columns", "3 lists"."""
        if self.count > 1:
            return f"{self.count} {self.kind}" + ("" if self.kind.endswith("s") else "s")
        return _with_article(self.kind) + _sizes(self.shape)


def named(instruction: str) -> list[str]:
    """The names that an instruction gives to what shall be made: "a variable called total", "store it in `total`"."""
    found = [(m["a"] or m["b"] or m["c"] or m["d"]).strip("`\"'") for m in _NAMED.finditer(instruction)]
    return [name for name in dict.fromkeys(found) if not _NO_NAME.fullmatch(name)]


def promised(instruction: str) -> tuple[Promise, ...]:
    """What the instruction says of the values to be made; () for one that asks for a function."""
    if _FUNCTION.search(instruction):
        return ()
    return tuple(dict.fromkeys(_found(instruction)))


def _found(text: str) -> Iterator[Promise]:
    assigned = {match.start(): match for match in _ASSIGNED.finditer(text)}
    for match in (*_CALLED.finditer(text), *assigned.values()):
        yield _promise(match, match["name"])
    for pattern in _SHOWN:
        for match in pattern.finditer(text):
            yield _promise(match, "")
    for match in _FIRST.finditer(text):
        yield Promise("", "DataFrame", (None, _number(match["columns"])))
    for match in _MADE.finditer(text):
        if match["name"] is None and match.start() not in assigned:
            yield _promise(match, None, _number(match["count"]) or 1)


def _promise(match: re.Match[str], name: str | None, count: int = 1) -> Promise:
    said = {key: value for key, value in match.groupdict().items() if value is not None}
    kind = next(kind for i, kind in enumerate(_KINDS) if f"k{i}" in said)
    items = said.get("items") if kind in ("Series", "array", "NumPy array") else None
    rows = said.get("rows") or said.get("more_rows") or said.get("length") or items
    columns = said.get("columns") or said.get("wide") or said.get("more_columns") or said.get("beside")
    return Promise(name, kind, (_number(rows), _number(columns)), count)


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    return _COUNTS.get(text.lower()) or int(text.replace(",", ""))


def broken(instruction: str, report: RunReport) -> tuple[Finding, ...]:
    """Errors for the promises that the values of a run do not keep.

    Warnings for a table where one number is asked for, or where "a list" may be meant in the everyday sense.
    """
    there = {**report.created, **report.changed}
    found: dict[str, Finding] = {}
    for promise in promised(instruction):
        if promise.name is None:
            values = [*there.values(), *([report.result] if report.result is not None else [])]
            for text in _missing(promise, values):
                found[text] = Finding("tests", "error", text)
            continue
        value = there.get(promise.name) if promise.name else report.result
        if value is not None and not _keeps(promise, value):
            text = f"{ASKS} {promise}, and {f'`{promise.name}`' if promise.name else 'the result'} is {_told(value)}"
            table = not promise.name and promise.kind == "list" and _class(value) in ("Series", "DataFrame")
            found[text] = Finding("intent", "warning", text) if table else Finding("tests", "error", text)
    findings = list(found.values())
    shown = report.result
    if (
        shown is not None
        and max(shown.shape or (0,)) > 1
        and _HOW_MANY.search(instruction)
        and not _EACH.search(instruction)
    ):
        findings.append(Finding("intent", "warning", f"the request asks how many, and the result is {_told(shown)}"))
    return tuple(findings)


def _missing(promise: Promise, values: list[Shown]) -> list[str]:
    """Of what shall be made under no name that is known: said only where something like it was made, and not that."""
    if promise.shape == (None, None) and promise.count == 1:
        return []
    like = [value for value in values if _is(promise.kind, value) or (promise.count > 1 and value.shape)]
    kept = [value for value in like if _keeps(promise, value)]
    if len(kept) >= promise.count or len(like) < promise.count:
        return []
    return [f"{ASKS} {promise}, and what is made is {_told(next(v for v in like if v not in kept))}"]


def _is(kind: str, value: Shown) -> bool:
    return re.fullmatch(_KINDS[kind][1], _class(value)) is not None


def _keeps(promise: Promise, value: Shown) -> bool:
    """False where the value is for certain of another kind or shape."""
    if not _is(promise.kind, value):
        return _KNOWN.fullmatch(_class(value)) is None
    shape = value.shape or ()
    return all(wanted is None or is_ == wanted for wanted, is_ in zip(promise.shape, shape, strict=False))


def _class(value: Shown) -> str:
    return value.type.rpartition(".")[2]


def _told(value: Shown) -> str:
    return _with_article(_class(value)) + _sizes(value.shape or ())


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"


def _sizes(shape: Sequence[int | None]) -> str:
    told = [
        f"{n:,} {what}{'s' if n != 1 else ''}"
        for n, what in zip(shape, ("row", "column"), strict=False)
        if n is not None
    ]
    return f" with {' and '.join(told)}" if told else ""
