"""Names that are near one another: what a misspelled name may stand for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


def nearest_name(name: str, known: Iterable[str]) -> str:
    """The public name of `known` that `name` may be a slip for; "" when none is near."""
    public = sorted(other for other in known if not other.startswith("_"))
    found = difflib.get_close_matches(name, public, n=1, cutoff=0.75)
    return found[0] if found else ""


def same_but_for_digits(name: str, other: str) -> bool:
    """Whether two names differ by digits alone: `data2` is no slip for `data1`."""
    return re.sub(r"\d", "", name) == re.sub(r"\d", "", other)
