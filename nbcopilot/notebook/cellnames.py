"""The names of one cell, whatever it holds: Python, magics, shell lines, other languages, half-typed code.

`dependencies` puts cells together; this module reads one source and knows nothing of notebooks. Never raises.
Everything that asks which names are defined, needed or missing asks here.
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Missing:
    """A name that is used and not defined. `line` is 1-based.

    `certain` is False where a star import, `%run` or the like may bind it: then nobody knows.
    """

    name: str
    line: int
    certain: bool = True


def undefined(tree: ast.Module, known: frozenset[str] = frozenset()) -> tuple[Missing, ...]:
    """Names that a cell's tree uses and neither defines before their use nor has in `known` or the builtins, by line.

    Uses inside functions count as later than all of the top level. Names in a `try` that catches NameError may be
    missing. () for an expression nested deeper than the interpreter's stack.
    """
    found = _read_tree(tree)
    if found is None:
        return ()
    names, lines = found
    missing = sorted((line, name) for name, line in lines.items() if name not in known and not _is_history(name))
    return tuple(Missing(name, line, not names.stars) for line, name in missing)


def defined(tree: ast.Module, *, imports: bool = True) -> frozenset[str]:
    """Names that running a cell's tree binds at the top level, on some paths too; `*` among them for a star import."""
    found = _read_tree(tree)
    if found is None:
        return frozenset()
    names = found[0]
    bound = names.defined if imports else names.defined - names.imported
    return bound | {"*"} if names.stars and imports else bound


def defined_in(source: str, language: str = languages.DEFAULT) -> frozenset[str]:
    """As `defined`, for a whole cell with its cell magic: `%%capture out`, `%%sql rows <<` bind names too."""
    names = read_names(source, language)
    return names.defined | {"*"} if names.stars else names.defined


def _read_tree(tree: ast.Module) -> tuple[Names, dict[str, int]] | None:
    reader = _CellReader()
    try:
        reader.visit_all(tree.body)
    except RecursionError:
        return None
    return reader.names(), reader.missing()


def _runs_python(call: ast.Call) -> bool:
    first = call.args[0] if call.args else None
    return isinstance(first, ast.Constant) and first.value in PYTHON_LINE_MAGICS


def _is_history(name: str) -> bool:
    # _3, _i3, __12: IPython's numbered history.
    return name.startswith("_") and name.strip("_i").isdigit()


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
            self.line = self.above + inner.missing().get(name, 1)
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
        outer, self.above = self.above, self.above + node.lineno - 1  # the magic's own source counts from line 1
        # Of these, only a magic that runs Python minds a name that is missing.
        forgiving, self.forgiving = self.forgiving, self.forgiving or not _runs_python(node)
        self._read_magic(node.func.attr, node)
        self.above, self.forgiving = outer, forgiving

    def _read_magic(self, kind: str, node: ast.Call) -> None:
        texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if kind in ("system", "getoutput"):
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


def mentioned(tree: ast.Module) -> set[str]:
    """Everything in the code that can name a variable or a column: identifiers, numbers, texts and words in them.

    Docstrings and comments do not count.
    """
    texts = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            if id(node) not in texts:
                found.add(str(node.value))
                found.update(re.findall(r"\w+", node.value) if isinstance(node.value, str) else ())
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, (ast.arg, ast.keyword)) and node.arg:
            found.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.update((node.asname or node.name).split("."))
    return found
