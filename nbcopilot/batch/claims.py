"""Sentences that the code plainly refutes ("imports `x`" where nothing imports x) or that nothing ties to it.

No proof that the rest is true. Imports, loops and printing are looked at in Python only.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence

from nbcopilot.notebook.dependencies import names
from nbcopilot.notebook.patterns import word_set
from nbcopilot.notebook.syntax import tree

_IMPORTS = re.compile(r"\bimport(?:s|ed|ing)?\b([^.;]*)", re.I)
_DEFINES = re.compile(
    r"\bdefin(?:es?|ed|ing)\b(?:\s+(?:an?|the|two|three|new|functions?|class(?:es)?|methods?|variables?|called|named|and)\b|\s*,|\s+`[^`]*`)*", re.I
)  # fmt: skip
_CALLABLE = re.compile(r"`([A-Za-z_][\w.]*)(?:\(\))?`\s+(?:function|method|class)\b|\b(?:function|method|class)\s+`([A-Za-z_][\w.]*)(?:\(\))?`", re.I)  # fmt: skip
# Languages that call without brackets.
_NO_BRACKETS = frozenset(
    {"haskell", "scheme", "ocaml", "f#", "bash", "powershell", "lisp", "clojure", "ruby", "idl", "sas"}
)
# Code of fewer words than this (`for f in *; do echo $f; done`) says too little to measure by.
MIN_VOCABULARY = 8
_WORD = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{2,}(?![a-z])")
# A capitalized word in the middle of a sentence.
_PROPER = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{3,}\b")
# "the MNIST dataset", "Iris data set": which data it is, is a claim.
_DATASET = re.compile(r"(?<=[a-z,;(] )((?:[A-Z][\w-]*\s)+)(?:data ?set|database|corpus|benchmark)s?\b")
# Names that describe a computation or a date rather than claim something about the world.
_EPONYMS = word_set(
    "euclidean manhattan gaussian bayesian bayes fourier monte carlo markov newton laplace bernoulli poisson boolean "
    "fibonacci cartesian pythagorean pearson spearman kendall levenshtein hamming jaccard cosine runge kutta euler "
    "lagrange hessian jacobian dirichlet dijkstra huffman mersenne unicode ascii python jupyter javascript latex "
    "markdown excel linux dataframe dataframes series january february march april june july august september october "
    "november december monday tuesday wednesday thursday friday saturday sunday english"
)
# Words that say nothing about which code it is.
_COMMON = word_set(
    "this that these those with from into then each such used uses using which where when while also code data value "
    "values result results function functions variable variables method methods object objects step steps list each "
    "parameter parameters argument arguments input inputs output outputs defines define creates create sets returns "
    "return calls call import imports model cell notebook number numbers name names type types based given different "
    "specified specific following process performs perform provides contains"
)
_LOOPS = re.compile(r"\b(?:loops?|iterat(?:es?|ing))\b", re.I)
_PRINTS = re.compile(r"\b(?:prints?|printed|printing)\b", re.I)
_FIRST_NAME = re.compile(r"`([A-Za-z_][\w.]*)")


def vocabulary(texts: Iterable[str]) -> frozenset[str]:
    """The stems of all words in `texts`, those inside identifiers (`batch_size`, `readCsv`) too."""
    return frozenset(_stem(word) for text in texts for word in _WORD.findall(text))


def is_vague(sentence: str, known: frozenset[str], *, first: bool = False) -> bool:
    """Whether an English sentence holds no name, no number and no word that the code holds: nothing ties it to the code.

    A small model likes to go on about what code of this kind usually does. The first sentence on code of a few words
    is believed.
    """
    if "`" in sentence or re.search(r"\d", sentence) or not sentence.isascii():
        return False
    if first and len(known) < MIN_VOCABULARY:
        return False
    words = [word for word in re.findall(r"[A-Za-z]{4,}", sentence) if word.lower() not in _COMMON]
    return not any(_stem(word) in known for word in words)


def invented(sentence: str, known: frozenset[str]) -> str:
    """The first proper name of an English sentence that the notebook nowhere holds ("Yahoo"); "" when there is none."""
    prose = re.sub(r"`[^`]*`|\"[^\"]*\"|'[^']*'", " ", sentence)
    for match in _PROPER.finditer(prose):
        if match[0].lower() not in _EPONYMS and _stem(match[0]) not in known:
            return match[0]
    for match in _DATASET.finditer(prose):
        for word in match[1].split():
            if word.lower() not in _EPONYMS and _stem(word) not in known:
                return word
    return ""


def wrong(sentence: str, sources: Sequence[str], language: str) -> str:
    """What of `sentence` the code refutes, in words; "" when nothing."""
    text = "\n".join(sources)
    for match in _CALLABLE.finditer(sentence):
        name = (match[1] or match[2]).split(".")[-1]
        if language not in _NO_BRACKETS and not _is_callable(name, text):
            return f"{name} is no function here"
    read = [names(source, language) for source in sources]
    bound = {name for found in read for name in found.defined}
    # Patterns that found nothing in another language prove nothing.
    sure = bool(bound) or (language == "python" and all(found.parsed for found in read))
    for match in _DEFINES.finditer(sentence):
        functions = re.search(r"\bfunctions?\b", match[0], re.I)
        for name in _FIRST_NAME.findall(match[0]):
            if functions and language not in _NO_BRACKETS and not _is_callable(name.split(".")[-1], text):
                return f"{name} is no function here"
            if (
                sure
                and name.split(".")[0] not in bound
                and not re.search(rf"\b(?:def|class)\s+{re.escape(name)}\b", text)
            ):
                return f"{name} is not defined here"
    modules = [tree(source) for source in sources] if language == "python" else [None]
    if None in modules:
        return ""
    nodes = [node for module in modules if module is not None for node in ast.walk(module)]
    imported = _imported(nodes)
    for match in _IMPORTS.finditer(sentence):
        named = [name.split(".")[0] for name in _FIRST_NAME.findall(match[1])]
        if not imported or (named and named[0] not in imported):
            return f"{named[0] if named else 'nothing'} is {'not ' if named else ''}imported"
    loops = any(isinstance(n, (ast.For, ast.AsyncFor, ast.While, ast.comprehension)) for n in nodes)
    if _LOOPS.search(sentence) and not loops and not re.search("loop|iter", text):
        return "there is no loop"
    shown = any(module is not None and module.body and isinstance(module.body[-1], ast.Expr) for module in modules)
    if _PRINTS.search(sentence) and not shown and not re.search("print|echo|write|display|log|show", text):
        return "nothing is printed"
    return ""


def _is_callable(name: str, text: str) -> bool:
    """Whether `name` is called, defined, imported or used as a decorator in `text`."""
    name = re.escape(name)
    return bool(
        re.search(rf"\b{name}\b\s*(?:<[^>]*>)?\(|\b{name}\s*(?:<-|=)\s*(?:function|lambda)|@{name}\b", text)
        or re.search(rf"\b(?:class|import|def|fn|func|function|struct)\b.*\b{name}\b", text)
    )


def _stem(word: str) -> str:
    """The first five letters in lower case: plots, plotted and plotting are one."""
    return word.lower()[:5].removesuffix("s") if len(word) < 6 else word.lower()[:5]


def _imported(nodes: Sequence[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= set(node.module.split("."))
            for alias in node.names:
                found |= {*alias.name.split("."), alias.asname or alias.name}
    return found
