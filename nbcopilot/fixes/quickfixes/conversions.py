"""Values of another kind than the request names: a Series where a DataFrame is asked for, an index where a list is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nbcopilot.fixes.quickfixes.cell import Code, Edit
from nbcopilot.fixes.quickfixes.names import Rule
from nbcopilot.sandbox.report import RunError

# (what is asked for, what the value is) -> how the one is made of the other.
_MADE = (
    ("DataFrame", r"Series", "{}.to_frame()"),
    ("list", r"\w*Index|Series|ndarray|\w*Array", "{}.tolist()"),
    ("list", r"tuple|set|frozenset|range|map|filter|zip|dict_\w+", "list({})"),
    ("tuple", r"list|ndarray|Series|\w*Index|range|map|filter|zip|dict_\w+", "tuple({})"),
    ("NumPy array", r"Series|DataFrame|\w*Index", "{}.to_numpy()"),
    ("dict", r"Series", "{}.to_dict()"),
)


def _other_kind(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """the request asks for a DataFrame, and `vol` is a Series with 100 rows"""
    value = _given(code, match["name"])
    for wanted, is_, made in _MADE:
        if value is not None and wanted == match["wanted"] and re.fullmatch(is_, match["is"]):
            new = made.format(code.text(value) if made.endswith("({})") else code.operand(value))
            yield Edit([code.replaced(value, new)], f"a {wanted} is made of the {match['is']}", sure=False)


def _given(code: Code, name: str | None) -> ast.expr | None:
    """The value that the last statement gives: to this name, or as what the cell shows."""
    last = code.tree.body[-1] if code.tree.body else None
    if name is None:
        return last.value if isinstance(last, ast.Expr) else None
    given = [
        s.value
        for s in code.tree.body
        if isinstance(s, ast.Assign) and [t.id for t in s.targets if isinstance(t, ast.Name)] == [name]
    ]
    return given[-1] if given else None


RULES: tuple[tuple[re.Pattern[str], Rule], ...] = (
    (re.compile(r"the request asks for an? (?P<wanted>[\w ]+?)(?: with 1 column)?, and (?:the result|`(?P<name>\w+)`) is an? (?P<is>\w+)"), _other_kind),
)  # fmt: skip
