"""Sentences that say nothing new, or speak of what the notebook does not hold: by words, without a list of wordings.

No proof that the rest is true: second_look.py asks the model once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from nbcopilot.notebook.patterns import word_set

_WORD = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{2,}(?![a-z])")
# Words that carry what a sentence says, in any script with blanks between words.
_CONTENT = re.compile(r"[^\W\d_]{4,}")
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
# Code of fewer words than this (`for f in *; do echo $f; done`) says too little to measure by.
MIN_VOCABULARY = 8
# Words of its own that a sentence needs beside those of the code, and the share of them among all.
MIN_OWN_WORDS = 3
MIN_OWN_SHARE = 0.5


def vocabulary(texts: Iterable[str]) -> frozenset[str]:
    """The stems of all words in `texts`, those inside identifiers (`batch_size`, `readCsv`) too."""
    return frozenset(_stem(word) for text in texts for word in _WORD.findall(text))


def restates(sentence: str, known: frozenset[str]) -> bool:
    """Whether a sentence only says in words what stands in the code: few of its words are its own.

    known: the vocabulary of the code. The first word counts for nothing, it is what any sentence on code begins with.
    """
    words = _CONTENT.findall(re.sub(r"`[^`]*`", lambda m: f" {m[0].strip('`')} ", sentence))[1:]
    own = [word for word in words if _stem(word) not in known]
    return len(own) < MIN_OWN_WORDS or len(own) < MIN_OWN_SHARE * len(words)


def is_tied(sentence: str, known: frozenset[str]) -> bool:
    """Whether a sentence shares any word or name with the code: else it fits every notebook. Code of few words ties all."""
    if len(known) < MIN_VOCABULARY or not sentence.isascii() or "`" in sentence:
        return True
    return any(_stem(word) in known for word in _CONTENT.findall(sentence))


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


def _stem(word: str) -> str:
    """The first five letters in lower case: plots, plotted and plotting are one."""
    return word.lower()[:5].removesuffix("s") if len(word) < 6 else word.lower()[:5]
