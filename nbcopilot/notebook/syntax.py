"""IPython source as a Python syntax tree: magics, `!shell`, `?help`, cell magics and top-level await understood.

The one place that parses: everything else asks here, so that all parts agree on what a cell is. `parse` and
`transform` raise SyntaxError for whatever the parser cannot take (also NUL bytes, nesting beyond its stack); `tree`,
`plain_tree` and `expression` give None. Nothing is run, and nothing is imported but IPython's input transformer, and
that only for text that is not plain Python.
"""

from __future__ import annotations

import ast
import functools
import re
import warnings
from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple, TypeVar

from nbcopilot.notebook.patterns import word_set

T = TypeVar("T")

# What kernels and code fences call Python.
PYTHON_NAMES = word_set("python python3 ipython ipython3 py py3 pycon jupyter sage")
# Cell magics whose body is Python that runs in the notebook's namespace: every reader looks through them.
PYTHON_CELL_MAGICS = word_set(
    "time timeit capture prun memit mprun lprun debug py py3 python python3 pypy3 heat scalene snakeviz testgen"
)
# Line magics that run the Python on the rest of the line.
PYTHON_LINE_MAGICS = word_set("time timeit prun memit mprun lprun debug")

_OPTION = re.compile(r"(?:\s*-{1,2}[\w-]+(?:[= ]\d+)?)+(?=\s|$)")
# `%%time?` asks for help and is no cell magic.
_CELL_MAGIC = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*%%(!|[A-Za-z_][\w.]*)(?![\w.?])([^\n]*)(?:\n|\Z)", re.ASCII)
# Lines that only IPython reads. Its transformer takes much more (`What is this?` becomes a call for help with `this`),
# so that it is asked only about text that has such a line.
_IPYTHON_LINE = re.compile(
    r"^([ \t]*)(?P<magic>%{1,2}[A-Za-z_]|%%!|!{1,2}(?!=)\s*[^\s=!]|\?{1,2}[\w.*%]+\s*$|%{0,2}[\w.*]+(?:\[-?\d+\])?\?{1,2}\s*$"
    r"|(?:[^\s#'\"=][^\n#'\"=]*=\s*)(?=%[A-Za-z_]|![^=\s]))[^\n]*",
    re.M,
)
_PROMPT = re.compile(r"^[ \t]*(?:>>>|In \[\d*\]:) ", re.M)  # a session that was pasted: IPython takes the prompts off
_CALLS = ("run_line_magic", "run_cell_magic", "system", "getoutput")


class CellMagic(NamedTuple):
    """`%%name line` and the body below it; `offset` is the count of lines above the body."""

    name: str
    line: str
    body: str
    offset: int


def is_python(language: str) -> bool:
    """Whether a kernel or fence language means Python; an empty one does."""
    return not language or language.strip().lower() in PYTHON_NAMES


def cell_magic(source: str) -> CellMagic | None:
    """The cell magic that heads `source`, or None."""
    match = _CELL_MAGIC.match(source)
    if match is None:
        return None
    return CellMagic(match[1], match[2].strip(), source[match.end() :], match[0].count("\n"))


def look_through(source: str) -> str:
    """The source with leading cell magics whose body is Python blanked out, line numbers kept."""
    magic = cell_magic(source)
    if magic is not None and magic.name in PYTHON_CELL_MAGICS:
        return "\n" * magic.offset + look_through(magic.body)
    return source


def foreign_magic(source: str) -> str | None:
    """Name of the cell magic that makes the cell another language or a file (`bash`, `html`, `writefile`), or None."""
    magic = cell_magic(look_through(source))
    return magic.name if magic is not None else None


def statement_of(line: str) -> str:
    """The Python of a magic's line, without its options: `-n 5 f(x)` is `f(x)`."""
    match = _OPTION.match(line)
    return (line[match.end() :] if match else line).strip()


# --------------------------------------------------------------------------- IPython


def transform(source: str) -> str:
    """Plain Python for a cell: itself when it is that already, else what IPython makes of it.

    Magics and shell lines become `get_ipython().run_line_magic(...)`, `.system(...)` and `.getoutput(...)`; line
    numbers are those of the cell. The result may still be no Python where a single line of the cell is not.
    Raises SyntaxError when neither Python nor IPython can read it.
    """
    source = look_through(source)
    try:
        parse_plain(source)
    except SyntaxError as exc:
        # IPython also takes a cell that is indented as a whole.
        if not (_IPYTHON_LINE.search(source) or _PROMPT.search(source) or isinstance(exc, IndentationError)):
            raise
    else:
        return source
    from IPython.core.inputtransformer2 import TransformerManager

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # A manager of our own: the shell's would run the transforms of its user's extensions.
            return str(TransformerManager().transform_cell(source))  # type: ignore[no-untyped-call]
        except SyntaxError:
            raise
        except Exception as exc:  # the transformer meets half-typed lines: any fault of its means "not readable"
            raise SyntaxError(f"IPython cannot read it: {exc}") from exc


def parse(source: str) -> ast.Module:
    """The syntax tree of a cell, IPython syntax and top-level await included; line numbers are those of the cell.

    Raises SyntaxError for all else.
    """
    return parse_plain(transform(source))


@functools.lru_cache(maxsize=256)
def tree(source: str) -> ast.Module | None:
    """The syntax tree of a cell's Python; None when it cannot be parsed, or is another language by its cell magic.

    Shared between callers: read it, do not change it.
    """
    if foreign_magic(source) is not None:
        return None
    try:
        return parse(source)
    except SyntaxError:
        return None


def parses(source: str) -> bool:
    """Whether `source` is Python or IPython syntax; the body of a cell magic for another language is not looked at."""
    return foreign_magic(source) is not None or tree(source) is not None


def is_magic_call(node: ast.AST) -> bool:
    """Whether a call (or a statement that is one) is a magic, a shell line or a call for help as `transform` writes it."""
    call = node.value if isinstance(node, ast.Expr) else node
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr not in _CALLS:
        return False
    owner = call.func.value
    return isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "get_ipython"


def is_ipython_line(line: str) -> bool:
    """Whether a line looks like a magic, a shell line or a call for help: for source that cannot be parsed."""
    return bool(_IPYTHON_LINE.match(line))


def blank_magics(source: str) -> str:
    """The source with `pass` for each magic, shell and help line and 0 for a magic behind `=`; every other character
    keeps its place."""
    return _IPYTHON_LINE.sub(_blank, source)


def _blank(row: re.Match[str]) -> str:
    kept = row[1]
    if "=" in row["magic"] and row["magic"].rstrip().endswith("="):
        kept += row["magic"]
        return kept + "0".ljust(len(row[0]) - len(kept))
    return kept + "pass".ljust(len(row[0]) - len(kept))


# --------------------------------------------------------------------------- plain Python


def parse_plain(source: str) -> ast.Module:
    """The syntax tree of plain Python, without IPython's additions. Raises SyntaxError."""
    module = _guarded(ast.parse, source, "cell")
    assert isinstance(module, ast.Module)
    return module


def plain_tree(source: str) -> ast.Module | None:
    """The syntax tree of plain Python, a new one each time; None when it cannot be parsed."""
    try:
        return parse_plain(source)
    except SyntaxError:
        return None


def expression(source: str) -> ast.expr | None:
    """The syntax tree of one expression; None when the text is none."""
    try:
        found = _guarded(ast.parse, source.strip(), "cell", "eval")
    except SyntaxError:
        return None
    assert isinstance(found, ast.Expression)
    return found.body


def literal(source: str) -> Any:
    """The value of a literal, as `ast.literal_eval` gives it. Raises SyntaxError for all else."""
    return _guarded(ast.literal_eval, source)


def bytecode(module: ast.Module) -> CodeType:
    """The code object of a module as a file would have it (no top-level await). Raises SyntaxError."""
    return _guarded(compile, module, "cell", "exec", dont_inherit=True, optimize=0)


def compiles(module: ast.Module) -> None:
    """Raise SyntaxError for what only the compiler sees: `return` outside a function, `break` outside a loop."""
    _guarded(compile, module, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def steadily(step: Callable[..., T], *args: Any, **options: Any) -> T:
    """What `step` (`ast.parse`, `compile`) gives; asked again where another thread that parses too confused CPython's
    count of the depth of the tree (a SystemError, seen in 3.11)."""
    try:
        return step(*args, **options)
    except SystemError:
        return step(*args, **options)


def _guarded(step: Callable[..., T], *args: Any, **options: Any) -> T:
    """`step` with all its ways to fail as SyntaxError: NUL bytes, lone surrogates, nesting beyond the parser's stack."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in the user's strings are the user's
        try:
            return steadily(step, *args, **options)
        except SyntaxError:
            raise
        except (ValueError, TypeError) as exc:
            raise SyntaxError(f"not readable as source: {exc}") from exc
        except (RecursionError, MemoryError) as exc:
            raise SyntaxError("nested too deeply for the parser") from exc
        except SystemError as exc:
            raise SyntaxError(f"the parser failed: {exc}") from exc
