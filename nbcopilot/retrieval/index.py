"""The passages of a project folder, kept by modification time, and the search over them.

Bounded: at most 2,000 files, and no more than SECONDS for a first look at a cold folder; what was not reached is read
at the next request. Silent when nothing fits: a passage must define what the code imports, or share several telling
words with the request, to be shown.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from nbcopilot.retrieval import passages
from nbcopilot.retrieval.lexical import Lexical, is_telling, terms
from nbcopilot.retrieval.passages import Passage

# Wall time of one update of the index.
SECONDS = 0.3
_FOLDERS = 4
# A passage found by words must hold this share of the request's telling words, and at least this many.
_SHARE, _WORDS = 0.5, 3


@dataclass(frozen=True)
class Hit:
    """A passage that bears on the request: `label` is "utils.py:12 clean", `score` from 0 to 9."""

    label: str
    text: str
    reason: str
    score: float


class ProjectIndex:
    """The passages below one folder. Thread-safe."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: dict[Path, tuple[tuple[int, int], tuple[Passage, ...]]] = {}
        self._passages: list[Passage] = []
        self._lexical = Lexical([])
        self._lock = threading.Lock()

    def update(self, seconds: float = SECONDS) -> None:
        """Read what is new or changed, forget what is gone, within `seconds`."""
        deadline = time.monotonic() + seconds
        with self._lock:
            seen: set[Path] = set()
            changed = False
            for path, found in passages.files(self.root, deadline):
                seen.add(path)
                stamp = (found.st_mtime_ns, found.st_size)
                if path not in self._files or self._files[path][0] != stamp:
                    self._files[path] = (stamp, passages.split(path, self.root))
                    changed = True
            if time.monotonic() <= deadline:  # else the walk was cut short: what was not seen may still be there
                gone = set(self._files) - seen
                changed = changed or bool(gone)
                for path in gone:
                    del self._files[path]
            if changed:
                self._passages = [passage for _, group in self._files.values() for passage in group]
                self._lexical = Lexical(
                    [terms(f"{one.path.stem} {one.name} {one.name}\n{one.text}") for one in self._passages]
                )

    def search(self, query: str, wanted: frozenset[tuple[str, str]], limit: int) -> tuple[Hit, ...]:
        """Passages that define a `wanted` (module, name), then those that share the telling words of `query`."""
        with self._lock:
            found, lexical = self._passages, self._lexical
        hits: dict[int, Hit] = {}
        for i, passage in enumerate(found):
            if any(
                name == passage.name.partition(".")[0] and self._is_module(passage.path, module)
                for module, name in wanted
            ):
                hits[i] = self._hit(passage, f"defines {passage.name}, which is imported", 9.0)
        words = [word for word in dict.fromkeys(terms(query)) if is_telling(word) and lexical.rarity(word) > 0.5]
        asked = [word for word in dict.fromkeys(terms(query)) if is_telling(word)]
        for i, score, matched in lexical.search(words, limit * 2):
            if i not in hits and len(matched) >= max(_WORDS, _SHARE * len(asked)):
                hits[i] = self._hit(found[i], f"shares the words {', '.join(sorted(matched)[:4])}", min(score, 8.0))
        return tuple(sorted(hits.values(), key=lambda hit: (-hit.score, hit.label))[:limit])

    def _hit(self, passage: Passage, reason: str, score: float) -> Hit:
        place = passage.path.relative_to(self.root).as_posix()
        return Hit(f"{place}:{passage.line} {passage.name}", passage.text, reason, score)

    def _is_module(self, path: Path, module: str) -> bool:
        """Whether `import module` from below the root can mean this file."""
        parts = path.relative_to(self.root).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        wanted = tuple(part for part in module.split(".") if part)
        return bool(wanted) and parts[-len(wanted) :] == wanted


_indexes: OrderedDict[Path, ProjectIndex] = OrderedDict()
_indexes_lock = threading.Lock()


def search(
    folder: Path, query: str, *, wanted: frozenset[tuple[str, str]] = frozenset(), limit: int = 3
) -> tuple[Hit, ...]:
    """Passages of the project around `folder` that bear on `query`; () when nothing does. Never raises on files."""
    root = passages.project_root(folder.resolve())
    with _indexes_lock:
        index = _indexes.pop(root, None) or ProjectIndex(root)
        _indexes[root] = index
        while len(_indexes) > _FOLDERS:
            _indexes.popitem(last=False)
    index.update()
    return index.search(query, wanted, limit)
