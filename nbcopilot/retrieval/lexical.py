"""BM25 over identifiers and words: `loadCSVFile`, `load_csv_file` and "load csv file" meet.

Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond", with their usual k1 and b.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

_WORD = re.compile(r"[^\W\d_][\w]*")
_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[^\W\d_A-Z]+|[A-Z]+|\d+")
_K1, _B = 1.2, 0.75
# Words of requests and of Python that say nothing about which passage is meant.
_STOP = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by can class code def do does each else for from function get give given has have how "
        "if import in into is it its make me my new none not of on or out print python return returns self should "
        "show so some that the their them then there these this to true false up use used using value values was what "
        "when where which will with write you your list dict str int float number string all any add create one two "
        "first last name data file",
    )
)


def terms(text: str) -> list[str]:
    """The search terms of a text: each identifier in lower case, and its parts where it has several."""
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match[0]
        parts = [part.lower() for part in _PARTS.findall(word)]
        if len(parts) > 1:
            found.append(word.lower())
        found += [part for part in parts if len(part) > 1]
    return found


def is_telling(term: str) -> bool:
    """Whether a term can tell passages apart: not a word of every request."""
    return len(term) > 2 and term not in _STOP


class Lexical:
    """BM25 scores for a fixed list of documents, each given as its terms."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        self.lengths = [len(document) for document in documents]
        self.average = sum(self.lengths) / len(self.lengths) if self.lengths else 1.0
        self.postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for i, document in enumerate(documents):
            for term, count in Counter(document).items():
                self.postings[term].append((i, count))

    def rarity(self, term: str) -> float:
        """The share of documents without the term, 0 for one that is nowhere."""
        found = len(self.postings.get(term, ()))
        return 1 - found / max(len(self.lengths), 1) if found else 0.0

    def search(self, query: Sequence[str], limit: int = 10) -> list[tuple[int, float, frozenset[str]]]:
        """(document, score, telling terms found in it), best first; the earlier document wins a tie."""
        scores: dict[int, float] = defaultdict(float)
        matched: dict[int, set[str]] = defaultdict(set)
        total = len(self.lengths)
        for term in dict.fromkeys(term for term in query if is_telling(term)):
            postings = self.postings.get(term, [])
            weight = math.log(1 + (total - len(postings) + 0.5) / (len(postings) + 0.5))
            for i, count in postings:
                norm = count + _K1 * (1 - _B + _B * self.lengths[i] / self.average)
                scores[i] += weight * count * (_K1 + 1) / norm
                matched[i].add(term)
        best = sorted(scores, key=lambda i: (-scores[i], i))[:limit]
        return [(i, scores[i], frozenset(matched[i])) for i in best]
