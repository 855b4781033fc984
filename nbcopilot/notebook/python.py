"""What counts as Python here: plain Python, IPython syntax (magics, `!`, `?`) and top-level await.

Shared by extract, static, policy and check. Parses only; nothing is executed and nothing imported but IPython's
input transformer, and that only for text that is not plain Python.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any

from nbcopilot.notebook.syntax import steadily

PYTHON_NAMES = frozenset({"python", "python3", "ipython", "ipython3", "py", "py3", "pycon", "jupyter", "sage"})

# Cell magics whose body is Python that runs in the namespace: looked through by every check.
TRANSPARENT_MAGICS = frozenset(
    {"time", "timeit", "capture", "prun", "memit", "mprun", "lprun", "debug", "py", "python", "testgen"}
)

_CELL_MAGIC = re.compile(r"\s*%%(\w[\w.]*)([^\n]*)\n?", re.ASCII)
_MAGIC_LINE = re.compile(
    r"^\s*(%{1,2}[A-Za-z_]\w*|![\w./~$(\[]|!!\w|[\w.*]+\?{1,2}\s*$|\?{1,2}[\w.*]+\s*$|[\w, ]+=\s*[!%])", re.M
)


def is_python(language: str) -> bool:
    """Whether a kernel or fence language means Python; an empty one does."""
    return not language or language.strip().lower() in PYTHON_NAMES


def cell_magic(code: str) -> tuple[str, str, str] | None:
    """(name, rest of the line, body) when the cell starts with a cell magic, else None."""
    found = _CELL_MAGIC.match(code)
    return (found[1], found[2].strip(), code[found.end() :]) if found else None


def look_through(code: str) -> str:
    """The code with a leading transparent cell magic blanked out, line numbers kept."""
    found = cell_magic(code)
    if found and found[0] in TRANSPARENT_MAGICS:
        gap = code.index(found[2]) if found[2] else len(code)
        return "\n" * code[:gap].count("\n") + look_through(found[2])
    return code


def foreign_magic(code: str) -> str | None:
    """Name of the cell magic that makes the cell another language or a file (`bash`, `html`, `writefile` ...), or None."""
    found = cell_magic(look_through(code).lstrip("\n"))
    return found[0] if found else None


def has_ipython_syntax(code: str) -> bool:
    """Whether a line looks like a magic, a shell escape or a help request."""
    return bool(_MAGIC_LINE.search(code))


def transform(code: str) -> str:
    """Plain Python for a cell: itself when it is that already, else what IPython makes of it.

    Line numbers are those of the cell. Raises SyntaxError when IPython cannot read it either.
    """
    code = look_through(code)
    try:
        _parse(code)
    except SyntaxError as exc:
        # IPython also takes a cell that is indented as a whole.
        if not (has_ipython_syntax(code) or isinstance(exc, IndentationError)):
            raise
    else:
        return code
    from IPython.core.inputtransformer2 import TransformerManager

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        manager: Any = TransformerManager  # untyped in IPython
        return str(manager().transform_cell(code))


def parse(code: str) -> ast.Module:
    """The syntax tree of a cell, IPython syntax and top-level await included. Raises SyntaxError for all else."""
    return _parse(transform(code))


def parses(code: str) -> bool:
    """Whether `parse` succeeds."""
    try:
        parse(code)
    except SyntaxError:
        return False
    return True


def compiles(tree: ast.Module) -> None:
    """Raise SyntaxError for what only the compiler sees: `return` outside a function, `break` outside a loop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _guarded(compile, tree, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def _parse(code: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes are the author's business
        tree = _guarded(ast.parse, code, "cell")
    assert isinstance(tree, ast.Module)
    return tree


def _guarded(step: Any, *args: Any, **options: Any) -> Any:
    # The parser has more ways to fail than SyntaxError: NUL bytes, lone surrogates, nesting beyond its stack.
    try:
        return steadily(step, *args, **options)
    except SyntaxError:
        raise
    except (ValueError, UnicodeError) as exc:
        raise SyntaxError(f"not readable as source: {exc}") from exc
    except (RecursionError, MemoryError) as exc:
        raise SyntaxError("nested too deeply for the parser") from exc
