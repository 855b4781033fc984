"""IPython source as a Python syntax tree: magics, `!shell`, `?help`, cell magics and top-level await understood.

The one place that knows how IPython rewrites a cell. Nothing is run and nothing raises.
"""

from __future__ import annotations

import ast
import functools
import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from nbcopilot.notebook.patterns import word_set

T = TypeVar("T")

# Cell magics whose body is Python that runs in the notebook's namespace.
PYTHON_CELL_MAGICS = word_set(
    "time timeit capture prun memit mprun lprun debug python python3 pypy3 heat scalene snakeviz testgen"
)
# Line magics that run the Python on the rest of the line.
PYTHON_LINE_MAGICS = word_set("time timeit prun memit mprun lprun debug")
_OPTION = re.compile(r"(?:\s*-{1,2}[\w-]+(?:[= ]\d+)?)+(?=\s|$)")
_CELL_MAGIC = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*%%(\w+)([^\n]*)(?:\n|\Z)")


class CellMagic(NamedTuple):
    """`%%name line` and the body below it; `offset` is the count of lines above the body."""

    name: str
    line: str
    body: str
    offset: int


def cell_magic(source: str) -> CellMagic | None:
    """The cell magic that heads `source`, or None."""
    match = _CELL_MAGIC.match(source)
    if match is None:
        return None
    return CellMagic(match[1], match[2].strip(), source[match.end() :], match[0].count("\n"))


def tree(source: str) -> ast.Module | None:
    """The syntax tree of an IPython cell without a cell magic, or None when it cannot be parsed.

    Magics and shell lines stand in it as `get_ipython().run_line_magic(...)`, `.system(...)` and `.getoutput(...)`.
    Line numbers are those of `source`.
    """
    return _tree(source)


@functools.lru_cache(maxsize=256)
def _tree(source: str) -> ast.Module | None:
    plain = _parse(source)
    if plain is not None:
        return plain
    from IPython.core.inputtransformer2 import TransformerManager

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # A manager of our own: the shell's would run the transforms of its user's extensions.
            return _parse(TransformerManager().transform_cell(source))  # type: ignore[no-untyped-call]
        except Exception:  # the transformer meets half-typed lines: any fault of its means "not parsable"
            return None


def _parse(source: str) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in the user's strings are the user's
        try:
            module: ast.Module = steadily(ast.parse, source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    return module


def steadily(step: Callable[..., T], *args: Any, **options: Any) -> T:
    """What `step` (`ast.parse`, `compile`) gives; asked again where another thread that parses too confused CPython's
    count of the depth of the tree (a SystemError, seen in 3.11)."""
    try:
        return step(*args, **options)
    except SystemError:
        return step(*args, **options)


def parses(source: str) -> bool:
    """Whether `source` is Python or IPython syntax; a cell magic counts when its body does or is not Python."""
    magic = cell_magic(source)
    if magic is not None:
        return magic.name not in PYTHON_CELL_MAGICS or parses(magic.body)
    return tree(source) is not None


def statement_of(line: str) -> str:
    """The Python of a magic's line, without its options: `-n 5 f(x)` is `f(x)`."""
    match = _OPTION.match(line)
    return (line[match.end() :] if match else line).strip()
