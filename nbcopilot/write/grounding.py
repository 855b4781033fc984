"""Which sentences of a text the notebook bears out: names in backticks and numbers must occur, or the sentence goes.

Used by batch documentation and by %%explain. Pure text work: it knows nothing of models and does not judge meaning;
a sentence without a name, number, quotation or address always passes. markdown.py cuts the text into sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from nbcopilot.write.harmless import ADDRESS
from nbcopilot.write.markdown import Block, blocks, joined, sentences

_NAME = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"(?<![\w.])(?:\d{1,3}(?:[,_]\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)*)(?:[eE][-+]?\d+\b)?")
_SPAN = re.compile(r"(`+)(.+?)\1")
# Words, paths and calls that may be written otherwise than in the code: `read_csv`, `f(x, y)`, `sales 2021`.
_LOOSE = re.compile(r"[\w.:/\s-]+(?:\([\w,.\s]*\))?")
_QUOTED = re.compile(r"[\"“]([^\"“”\n]{1,80})[\"”]")
# A word that can only be meant as code: snake_case, a call, or a dotted path such as np.mean or data.csv.
_CODE_WORD = re.compile(
    r"(?<![\w`'\"./\\-])([^\W\d]\w*(?:\.[^\W\d]\w*)*\(\)|[^\W\d]\w*(?:\.\w{2,})+|\w*[^\W_]_\w+)(?![\w`(-])"
)
_MIXED = re.compile(r"\b(?=\w*\d)(?=\w*[^\W\d_])\w+\b")
_CARDINALS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_WORDS = {word: str(value) for value, word in enumerate(_CARDINALS, start=2)} | {
    "twice": "2",
    "thrice": "3",
    "dozen": "12",
    "hundred": "100",
    "thousand": "1000",
    "million": "1000000",
}
_NUMBER_WORD = re.compile(r"\b(" + "|".join(_WORDS) + r")s?\b", re.I)


@dataclass(frozen=True)
class Facts:
    """What the notebook says. `names` are all identifiers, `numbers` all number literals as written and without
    separators, `words` all words in lower case; `counts` are numbers that are true without being written
    (how many functions a cell defines), `squeezed` is the text without white space."""

    text: str = ""
    names: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    counts: frozenset[int] = frozenset()
    squeezed: str = ""


@dataclass(frozen=True)
class Grounded:
    """The text that is left, and the sentences that went, each with what was not found."""

    text: str
    dropped: tuple[tuple[str, str], ...] = field(default=())


def facts(texts: Iterable[str], *, names_from: Iterable[str] = (), counts: Iterable[int] = ()) -> Facts:
    """The Facts of `texts` (code and outputs). `names_from`: more sources that names, not numbers, may come from."""
    body = "\n".join(texts)
    everything = "\n".join([body, *names_from])
    numbers: set[str] = set()
    for match in _NUMBER.finditer(body):
        numbers |= _forms(match.group())
    # 100ms, 3x, 2D: the number before the unit counts as written.
    numbers |= set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?=[^\W\d_])", body))
    return Facts(
        everything,
        frozenset(_NAME.findall(everything)),
        frozenset(numbers),
        frozenset(word.lower() for word in re.findall(r"\w+", everything)),
        frozenset(counts),
        _plain(everything),
    )


def ground(text: str, known: Facts) -> Grounded:
    """`text` (markdown) without the sentences that `known` does not bear out; lists and headings stay well formed."""
    kept: list[Block] = []
    dropped: list[tuple[str, str]] = []
    for block in blocks(text):
        if block.kind in ("blank", "rule"):
            kept.append(block)
            continue
        if block.kind in ("fence", "table"):
            missing = _missing_lines(block.text, known) if block.kind == "fence" else unsupported(block.text, known)
            if missing:
                dropped.append((block.text, missing))
            else:
                kept.append(block)
            continue
        good = []
        for sentence in sentences(block.text):
            missing = unsupported(sentence, known)
            if missing:
                dropped.append((sentence, missing))
            else:
                good.append(sentence)
        kept.append(block.with_sentences(good) if len(good) < len(sentences(block.text)) else block)
    if not dropped:
        return Grounded(text)
    return Grounded(joined(kept), tuple(dropped))


def unsupported(sentence: str, known: Facts) -> str:
    """The first name, number, quotation or address of `sentence` that the notebook does not hold; "" when all occur."""
    return next(_problems(sentence, known), "")


def _problems(sentence: str, known: Facts) -> Iterator[str]:
    for match in _SPAN.finditer(sentence):
        if not _span_occurs(match.group(2).strip(), known):
            yield match.group()
    prose = _SPAN.sub(" ` ", sentence)
    for match in ADDRESS.finditer(prose):
        if match.group().rstrip(".,;:") not in known.text:
            yield match.group()
    prose = ADDRESS.sub(" ", prose)
    for match in _QUOTED.finditer(prose):
        if match.group(1).strip(" .,;:!?").lower() not in known.text.lower():
            yield match.group()
    for match in _CODE_WORD.finditer(prose):
        if any(name not in known.names for name in _NAME.findall(match.group())):
            yield match.group()
    for match in _MIXED.finditer(prose):
        digits = re.findall(r"\d+", match.group())
        # "2D" is a claim of its own; "100ms" is a number with its unit.
        same_number = all(number in known.numbers for number in digits) and not re.fullmatch(r"\d[dD]", match.group())
        if match.group().lower() not in known.words and not same_number:
            yield match.group()
    for match in _NUMBER.finditer(prose):
        if match.group() not in known.numbers:
            yield match.group()
    for match in _NUMBER_WORD.finditer(prose):
        value = _WORDS[match.group(1).lower()]
        if value not in known.numbers and int(value) not in known.counts and match.group().lower() not in known.words:
            yield match.group()


def code_words(text: str) -> list[tuple[int, int]]:
    """Spans of words outside backticks that can only be meant as code (`snake_case`, `call()`, `np.mean`)."""
    hidden = _SPAN.sub(lambda m: "`" * len(m.group()), text)
    hidden = ADDRESS.sub(lambda m: "`" * len(m.group()), hidden)
    return [match.span(1) for match in _CODE_WORD.finditer(hidden)]


def _span_occurs(span: str, known: Facts) -> bool:
    if _NAME.fullmatch(span):
        return span in known.names  # `a` is in every text: a bare name must be a name of its own
    if _plain(span) in known.squeezed:
        return True
    if not _LOOSE.fullmatch(span):
        return False  # an expression is quoted or made up
    names, numbers = _NAME.findall(span), [m.group() for m in _NUMBER.finditer(span)]
    return (
        bool(names or numbers)
        and all(name in known.names for name in names)
        and all(number in known.numbers for number in numbers)
    )


def _plain(text: str) -> str:
    """`text` without white space and with one kind of quotation mark: what two spellings of the same code share."""
    return re.sub(r"\s+", "", text).replace('"', "'")


def _missing_lines(fence: str, known: Facts) -> str:
    """The first line inside a code fence that is not a line of the notebook."""
    lines = [line.strip() for line in fence.split("\n")[1:] if not line.lstrip().startswith(("```", "~~~"))]
    return next((line for line in lines if line and line not in known.text), "")


def _forms(number: str) -> set[str]:
    """A literal as written, without separators, and the leading parts of a version (3.11.7: 3.11, 3)."""
    plain = number.replace(",", "").replace("_", "")
    parts = plain.split(".")
    versions = {".".join(parts[:count]) for count in range(1, len(parts))} if len(parts) > 2 else set()
    return {number, plain, *versions}
