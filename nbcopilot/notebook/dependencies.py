"""Which names a cell defines, uses and changes, and which earlier cells a piece of code stands on.

Static and approximate on purpose: nothing is run, and a call such as `prepare(df)` is not followed into to see
whether it changes `df`. IPython syntax, top-level await and cell magics with Python bodies are understood
(syntax.py, scopes.py, cellnames.py); other languages get a rough reading by patterns.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nbcopilot.notebook import conventions
from nbcopilot.notebook import language as languages
from nbcopilot.notebook.cellnames import read_names, read_statements
from nbcopilot.notebook.scopes import BUILTINS, Names
from nbcopilot.notebook.syntax import PYTHON_CELL_MAGICS, cell_magic, tree
from nbcopilot.types import Cell, Notebook

__all__ = [
    "BUILTINS",
    "Definition",
    "Names",
    "ancestry",
    "definitions",
    "execution_order",
    "find_definition",
    "names",
    "upstream",
]


def names(source: str, language: str = languages.DEFAULT) -> Names:
    """What `source`, a cell of a notebook in `language`, defines, uses, changes and deletes. Never raises."""
    return read_names(source, language)


# --------------------------------------------------------------------------- the slice


def execution_order(notebook: Notebook, position: int | None = None) -> list[Cell]:
    """The code cells in the order in which their names came to be, oldest first.

    Cells that ran, by their execution count; then those above `position` that have not run, in document order (they
    would run next). Sources of `notebook.history` that are in no cell any more (deleted or edited) come as cells with
    the id "In[N]" in their place among the others. Without any count the order is that of the document.
    """
    end = len(notebook.cells) if position is None else position
    code = [(i, cell) for i, cell in enumerate(notebook.cells) if cell.kind == "code"]
    ran = [(cell.executed, cell) for _, cell in code if cell.executed is not None]
    present = {cell.source.strip() for _, cell in code}
    counts = {count for count, _ in ran}
    for n, source in enumerate(notebook.history, 1):
        if source.strip() and source.strip() not in present and n not in counts:
            ran.append((n, Cell(f"In[{n}]", "code", source, executed=n)))
    ran.sort(key=lambda pair: pair[0])
    due = [cell for i, cell in code if cell.executed is None and i < end]
    return [cell for _, cell in ran] + [cell for cell in due if not conventions.is_skipped(cell.source, cell.metadata)]


def upstream(notebook: Notebook, source: str, position: int | None = None) -> tuple[Cell, ...]:
    """The cells that must run for `source` to run, in execution order: those that bind or change what it needs.

    Whole cells count: what another statement of a cell needs is needed to run it. `position` counts the cells above
    `source`; None is the end of the notebook. A cell at `position` with this very source is `source` itself: it is
    left out, and cells that ran after it do not count unless they stand above it.
    """
    order = _before(notebook, source, position)
    slicer = _Slicer(order, notebook.language)
    return tuple(order[i] for i in sorted(slicer.run(names(source, notebook.language).used, whole=True)))


def ancestry(
    notebook: Notebook, needed: Iterable[str], source: str = "", position: int | None = None
) -> tuple[tuple[Cell, int], ...]:
    """The cells that the names `needed` come from, in execution order, each with its distance in steps.

    1 binds or changes one of them; 2 does so for what the statements in question of such a cell need, and so on.
    For showing where things come from, precise to the statement; `upstream` says what must run. `source` and
    `position` as there.
    """
    order = _before(notebook, source, position)
    found = _Slicer(order, notebook.language).run(needed, whole=False)
    return tuple((order[i], found[i]) for i in sorted(found))


def _before(notebook: Notebook, source: str, position: int | None) -> list[Cell]:
    order = execution_order(notebook, position)
    if position is None or not 0 <= position < len(notebook.cells):
        return order
    own = notebook.cells[position]
    if own.source != source:
        return order
    above = {cell.id for cell in notebook.cells[:position]}
    kept = [cell for cell in order if cell.id != own.id]
    if own.executed is None:
        return kept
    return [cell for cell in kept if cell.id in above or (cell.executed is not None and cell.executed < own.executed)]


class _Slicer:
    """Walks back from needed names to the cells that bind or change them."""

    def __init__(self, order: Sequence[Cell], language: str) -> None:
        self.order = order
        self.language = language
        self.spoken = [languages.cell_language("", language, cell.metadata) for cell in order]
        self.reads = [read_names(cell.source, spoken) for cell, spoken in zip(order, self.spoken, strict=True)]
        self.binds: dict[str, list[int]] = defaultdict(list)
        self.changes: dict[str, list[int]] = defaultdict(list)
        self.stars: list[int] = []
        for i, read in enumerate(self.reads):
            for name in read.defined:
                self.binds[name].append(i)
            for name in read.modified | read.deleted:
                self.changes[name].append(i)
            if read.stars:
                self.stars.append(i)

    def run(self, needed: Iterable[str], *, whole: bool) -> dict[int, int]:
        """The cells by their index in the order, with the steps that lead to them."""
        found: dict[int, int] = {}
        seen: set[tuple[str, int]] = set()
        todo = deque((name, len(self.reads), 1) for name in needed)
        while todo:
            name, before, step = todo.popleft()
            if (name, before) in seen:
                continue
            seen.add((name, before))
            for i in self._makers(name, before):
                if whole and i in found:
                    continue
                found.setdefault(i, step)
                late = self.reads[i].late
                uses = self.reads[i].used if whole else self._uses(i, name)
                # Names in function bodies are looked up when called: anything bound by then will do.
                todo.extend((used, len(self.reads) if used in late else i, step + 1) for used in uses)
        return found

    def _uses(self, i: int, name: str) -> frozenset[str]:
        """What the statements of cell `i` that make `name` need from before the cell."""
        statements = read_statements(self.order[i].source, self.spoken[i])
        if statements is None:
            return self.reads[i].used
        need, late = {name}, set[str]()
        for _ in range(4):  # functions of one cell may call each other, in any order
            before = set(late)
            need |= late
            for statement in reversed(statements):
                if need & (statement.defined | statement.modified | statement.deleted):
                    need -= statement.defined - statement.maybe
                    need |= statement.used
                    late |= statement.late
            if late == before:
                break
        return self.reads[i].used & need

    def _makers(self, name: str, before: int) -> list[int]:
        """Cells before `before` that made `name` what it is there: its last binding and the changes since."""
        binds = self.binds[name][: bisect_left(self.binds[name], before)]
        makers: list[int] = []
        while binds:
            makers.append(binds.pop())
            if name not in self.reads[makers[-1]].maybe:
                break
        if not makers:
            # A count that was lost (cleared, restarted) must not hide the one cell that can have bound it.
            return self.binds[name][-1:] or self.stars[: bisect_left(self.stars, before)]
        return makers + [i for i in self.changes[name] if makers[-1] < i < before]


# --------------------------------------------------------------------------- definitions


@dataclass(frozen=True)
class Definition:
    """A function or class that a source defines at its top level.

    `signature` is "def f(x: int = 1) -> str" or "class C(Base)"; `line` is its first line in the cell, counted from 1,
    decorators included; `cell_id` the cell, when it was looked up in a notebook.
    """

    name: str
    kind: str
    source: str
    signature: str
    docstring: str = ""
    line: int = 1
    cell_id: str | None = None


def definitions(source: str) -> tuple[Definition, ...]:
    """The functions and classes at the top level of a Python cell (also under `if` and `try`), in order.

    Empty for source that cannot be parsed. Methods are found by `find_definition(notebook, "Class.method")`.
    """
    magic = cell_magic(source)
    offset = 0
    if magic is not None:
        if magic.name not in PYTHON_CELL_MAGICS:
            return ()
        source, offset = magic.body, magic.offset
    module = tree(source)
    if module is None:
        return ()
    lines = source.split("\n")
    return tuple(_definition(node, lines, offset) for node in _defined(module.body))


def _defined(body: Sequence[ast.stmt]) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    found: list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef] = []
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.append(node)
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            found += _defined(node.body)
            found += _defined(getattr(node, "orelse", []))
    return found


def _definition(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, lines: Sequence[str], offset: int, owner: str = ""
) -> Definition:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    segment = lines[first - 1 : node.end_lineno]
    indent = len(segment[0]) - len(segment[0].lstrip()) if segment else 0
    docstring = ast.get_docstring(node, clean=True) or ""
    return Definition(
        name=f"{owner}.{node.name}" if owner else node.name,
        kind="class" if isinstance(node, ast.ClassDef) else "function",
        source="\n".join(line[indent:] if not line[:indent].strip() else line for line in segment),
        signature=_signature(node),
        docstring=docstring,
        line=first + offset,
    )


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join([*(ast.unparse(base) for base in node.bases), *(ast.unparse(k) for k in node.keywords)])
        return f"class {node.name}({bases})" if bases else f"class {node.name}"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    return f"{word} {node.name}({ast.unparse(node.args)}){returns}"


def find_definition(notebook: Notebook, name: str) -> Definition | None:
    """The function, class or method ("Class.method") called `name` that ran last, with its cell; None if there is none."""
    first, _, rest = name.partition(".")
    for cell in reversed(execution_order(notebook)):
        if first not in cell.source:
            continue
        for found in reversed(definitions(cell.source)):
            if found.name == first:
                inner = _member(found, rest) if rest else found
                return replace(inner, cell_id=cell.id) if inner else None
    return None


def _member(owner: Definition, name: str) -> Definition | None:
    module = tree(owner.source)
    if module is None or not module.body or not isinstance(module.body[0], ast.ClassDef):
        return None
    lines = owner.source.split("\n")
    for node in module.body[0].body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == name:
            return _definition(node, lines, owner.line - 1, owner.name)
    return None
