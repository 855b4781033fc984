"""The names of one cell, whatever it holds: Python, magics, shell lines, other languages, half-typed code.

`dependencies` puts cells together; this module reads one source and knows nothing of notebooks. Never raises.
"""

from __future__ import annotations

import ast
import functools
import re

from nbcopilot.notebook import language as languages
from nbcopilot.notebook.patterns import rough_names, statements, word_set
from nbcopilot.notebook.scopes import Names, ScopeReader
from nbcopilot.notebook.syntax import (
    PYTHON_CELL_MAGICS,
    PYTHON_LINE_MAGICS,
    cell_magic,
    is_magic_call,
    statement_of,
    tree,
)

_LANGUAGE_MAGICS = word_set("R r octave julia matlab bash sh script perl ruby sql cypher bigquery")


@functools.lru_cache(maxsize=2048)
def read_names(source: str, language: str = languages.DEFAULT) -> Names:
    """The Names of one cell in the notebook's `language`; cell magics may switch it."""
    reader = _CellReader()
    try:
        _read_cell(reader, source, language)
        return reader.names()
    except RecursionError:  # an expression nested deeper than the interpreter's stack
        reader = _CellReader()
        reader.rough(source, languages.DEFAULT)
        return reader.names()


@functools.lru_cache(maxsize=1024)
def read_statements(source: str, language: str = languages.DEFAULT) -> tuple[Names, ...] | None:
    """The Names of each top-level statement of a Python cell, in order; None for anything else."""
    module = tree(source) if language == languages.DEFAULT else None
    if module is None:
        return None
    found = []
    try:
        for statement in module.body:
            reader = _CellReader()
            reader.visit(statement)
            found.append(reader.names())
    except RecursionError:
        return None
    return tuple(found)


def _read_cell(reader: _CellReader, source: str, language: str) -> None:
    magic = cell_magic(source)
    if magic is None:
        if language == languages.DEFAULT:
            reader.read(source)
        else:
            reader.rough(source, language)
        return
    reader.magic_options(magic.name, magic.line)
    body = languages.cell_language(source, language)
    if magic.name in PYTHON_CELL_MAGICS:
        if magic.name == "timeit":
            reader.uses_of(f"{statement_of(magic.line)}\n{magic.body}")
        else:
            reader.read(magic.body)
    elif body == languages.DEFAULT and magic.name not in ("explain", "fix", "document"):
        reader.read(magic.body)
    elif body == "cython":
        reader.rough(magic.body, body)
    else:
        reader.interpolated(magic.body if body in ("sql", "bash") else "")


class _CellReader(ScopeReader):
    """Reads sources; magics and shell lines stand in their trees as IPython rewrites them."""

    def read(self, source: str) -> None:
        """Python or IPython source; what cannot be parsed is read statement by statement, then by patterns."""
        module = tree(source)
        if module is not None:
            self.visit_all(module.body)
            return
        self.parsed = False
        for chunk in statements(source):
            module = tree(chunk)
            if module is not None:
                self.visit_all(module.body)
            else:
                self.rough(chunk, languages.DEFAULT)

    def uses_of(self, source: str) -> None:
        """Only what `source` needs: its own bindings stay inside (%timeit)."""
        inner = _CellReader()
        inner.read(source)
        found = inner.names()
        for name in found.used:
            self.use(name)
        self.modified |= found.modified - found.defined

    def rough(self, source: str, language: str) -> None:
        """Names by patterns, for other languages and for source that is no valid syntax."""
        self.parsed = False
        bound, words = rough_names(source, language)
        self.certain |= bound
        self.used |= words - self.certain

    def interpolated(self, text: str) -> None:
        """`{expression}` and `$name` in a shell line or query are names that it needs."""
        for match in re.finditer(r"(?<!\{)\{([^{}\n]{1,200})\}(?!\})|(?<!\\)\$([A-Za-z_]\w*)", text):
            module = tree(match[1] or match[2])
            if module is not None and len(module.body) == 1 and isinstance(module.body[0], ast.Expr):
                self.visit_all(module.body)

    def magic_options(self, name: str, line: str) -> None:
        """Names that a magic's own line defines or needs: `%%capture out`, `%R -i df -o model`, `rows << select`."""
        words = line.split()
        if name == "capture":
            for word in words:
                if word.isidentifier():
                    self.bind(word)
        for flag, value in zip(words, [*words[1:], ""], strict=False):
            if flag in ("-i", "--input") and name in _LANGUAGE_MAGICS:
                for one in value.split(","):
                    self.use(one)
            elif flag in ("-o", "--output", "--out", "--err", "--to") and name in _LANGUAGE_MAGICS:
                for one in value.split(","):
                    if one.isidentifier():
                        self.bind(one)
        match = re.search(r"\b([A-Za-z_]\w*)\s*<<", line)
        if match and "sql" in name:
            self.bind(match[1])

    def call(self, node: ast.Call) -> None:
        if is_magic_call(node):
            self._magic_call(node)
        else:
            super().call(node)

    def _magic_call(self, node: ast.Call) -> None:
        assert isinstance(node.func, ast.Attribute)
        texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if node.func.attr in ("system", "getoutput"):
            self.interpolated(texts[0] if texts else "")
            return
        name, line = (*texts, "", "")[:2]
        self.magic_options(name, line)
        if name in PYTHON_LINE_MAGICS:
            if name == "timeit":
                self.uses_of(statement_of(line))
            else:
                self.read(statement_of(line))
        elif name in ("pinfo", "pinfo2", "psource", "pdoc", "pdef", "explain", "testgen"):
            for word in line.replace(",", " ").split():
                self.use(word.split(".")[0])
        elif name in ("run", "pylab", "load", "recall", "rerun"):
            self.stars.append(f"%{name} {line}".strip())
        elif name == "store" and line.startswith("-r"):
            for word in line.split()[1:]:
                self.bind(word)
        else:
            self.interpolated(line)
