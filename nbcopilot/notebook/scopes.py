"""The names of one cell: bound, needed, changed and deleted at module level, by Python's scoping rules.

`dependencies` puts cells together; this module reads one source and knows nothing of notebooks. Never raises.
"""

from __future__ import annotations

import ast
import builtins
import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nbcopilot.notebook import language as languages
from nbcopilot.notebook.patterns import rough_names, statements, word_set
from nbcopilot.notebook.syntax import PYTHON_CELL_MAGICS, PYTHON_LINE_MAGICS, cell_magic, statement_of, tree

BUILTINS = frozenset(dir(builtins)) | {"__file__", "__name__", "get_ipython", "display", "In", "Out", "_", "__", "___"}

_LANGUAGE_MAGICS = word_set("R r octave julia matlab bash sh script perl ruby sql cypher bigquery")
# Methods that change their object, and functions that change their first argument.
_MUTATORS = word_set(
    "append extend insert pop remove clear update sort reverse add discard setdefault popitem appendleft "
    "popleft extendleft rotate fill put resize fit fit_transform partial_fit train eval compile step backward "
    "zero_grad load_state_dict requires_grad_ register register_buffer write writelines seek truncate add_edge "
    "add_node add_edges_from add_nodes_from create_index commit execute executemany to_sql difference_update "
    "intersection_update symmetric_difference_update move_to_end sort_index_ build cuda half"
)
_MUTATOR_PREFIXES = ("set_", "add_", "register_", "remove_")
_CHANGES_ARGUMENT = word_set("shuffle heappush heappop heapify heapreplace insort setattr delattr fill_diagonal")


@dataclass(frozen=True)
class Names:
    """What a source does to module-level names.

    `used` are those it needs from before (also by function bodies, which look them up late: `late`); `defined` are
    bound here (`maybe`: only on some paths; `imported`: by an import); `modified` are changed in place
    (`df["x"] = 1`, `items.append(1)`, `total += 1`); `stars` are modules of star imports and the like.
    `parsed` is False when the source is no valid syntax and patterns were used instead.
    """

    defined: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()
    modified: frozenset[str] = frozenset()
    deleted: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()
    maybe: frozenset[str] = frozenset()
    imported: frozenset[str] = frozenset()
    stars: tuple[str, ...] = ()
    parsed: bool = True


@functools.lru_cache(maxsize=2048)
def read_names(source: str, language: str = languages.DEFAULT) -> Names:
    """The Names of one cell in the notebook's `language`; cell magics may switch it."""
    reader = _Reader()
    try:
        _read_cell(reader, source, language)
        return reader.names()
    except RecursionError:  # an expression nested deeper than the interpreter's stack
        reader = _Reader()
        reader.rough(source, languages.DEFAULT)
        return reader.names()


def _read_cell(reader: _Reader, source: str, language: str) -> None:
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


class _Scope:
    """A function, class or comprehension that the reader is inside of."""

    def __init__(self, kind: str, local: set[str]) -> None:
        self.kind = kind
        self.local = local


class _Reader(ast.NodeVisitor):
    def __init__(self) -> None:
        self.certain: set[str] = set()
        self.possible: set[str] = set()
        self.used: set[str] = set()
        self.late: set[str] = set()
        self.modified: set[str] = set()
        self.deleted: set[str] = set()
        self.imported: set[str] = set()
        self.stars: list[str] = []
        self.scopes: list[_Scope] = []
        self.parsed = True

    def names(self) -> Names:
        bound = self.certain | self.possible
        late = {name for name in self.late if name not in bound}
        return Names(
            defined=frozenset(bound),
            used=frozenset((self.used | late) - BUILTINS),
            modified=frozenset(self.modified),
            deleted=frozenset(self.deleted),
            late=frozenset(late - self.used - BUILTINS),
            maybe=frozenset(self.possible - self.certain),
            imported=frozenset(self.imported),
            stars=tuple(self.stars),
            parsed=self.parsed,
        )

    # ------------------------------------------------------------------ sources

    def read(self, source: str) -> None:
        """Python or IPython source; what cannot be parsed is read statement by statement, then by patterns."""
        module = tree(source)
        if module is not None:
            self._all(module.body)
            return
        self.parsed = False
        for chunk in statements(source):
            module = tree(chunk)
            if module is not None:
                self._all(module.body)
            else:
                self.rough(chunk, languages.DEFAULT)

    def uses_of(self, source: str) -> None:
        """Only what `source` needs: its own bindings stay inside (%timeit)."""
        inner = _Reader()
        inner.read(source)
        found = inner.names()
        for name in found.used:
            self._use(name)
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
                self._all(module.body)

    def magic_options(self, name: str, line: str) -> None:
        """Names that a magic's own line defines or needs: `%%capture out`, `%R -i df -o model`, `rows << select`."""
        words = line.split()
        if name == "capture":
            for word in words:
                if word.isidentifier():
                    self._bind(word)
        for flag, value in zip(words, [*words[1:], ""], strict=False):
            if flag in ("-i", "--input") and name in _LANGUAGE_MAGICS:
                for one in value.split(","):
                    self._use(one)
            elif flag in ("-o", "--output", "--out", "--err", "--to") and name in _LANGUAGE_MAGICS:
                for one in value.split(","):
                    if one.isidentifier():
                        self._bind(one)
        match = re.search(r"\b([A-Za-z_]\w*)\s*<<", line)
        if match and "sql" in name:
            self._bind(match[1])

    # ------------------------------------------------------------------ events

    def _use(self, name: str) -> None:
        if not name.isidentifier():
            return
        late = False
        for i, scope in enumerate(reversed(self.scopes)):
            # A class's names are seen by its own body only, not by the functions and comprehensions inside it.
            if name in scope.local and (scope.kind != "class" or i == 0):
                return
            late = late or scope.kind == "function"
        if late:
            self.late.add(name)
        elif name not in self.certain and name not in self.possible:
            self.used.add(name)

    def _bind(self, name: str) -> None:
        """Bind in the innermost scope that is not a comprehension."""
        for scope in reversed(self.scopes):
            if scope.kind != "comprehension":
                if scope.kind == "class":
                    scope.local.add(name)
                return  # a function's locals are known from the start
        self.certain.add(name)
        self.deleted.discard(name)

    def _modify(self, node: ast.expr) -> None:
        """`node` is changed in place: so is the object that its leftmost name refers to."""
        while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
            node = node.func if isinstance(node, ast.Call) else node.value
        late = any(scope.kind == "function" for scope in self.scopes)
        if isinstance(node, ast.Name) and not late and not any(node.id in scope.local for scope in self.scopes):
            self.modified.add(node.id)

    # ------------------------------------------------------------------ statements

    def _all(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._use(node.id)
        elif isinstance(node.ctx, ast.Store):
            self._bind(node.id)
        else:
            self._delete(node.id)

    def _delete(self, name: str) -> None:
        if self.scopes:
            return
        if name in self.certain | self.possible:
            self.certain.discard(name)
            self.possible.discard(name)
        else:
            self.used.add(name)
        self.deleted.add(name)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._target(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            self._target(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self._use(node.target.id)
        self._modify(node.target)
        self._target(node.target)

    def _target(self, node: ast.expr) -> None:
        if isinstance(node, (ast.Tuple, ast.List)):
            for element in node.elts:
                self._target(element)
        elif isinstance(node, ast.Starred):
            self._target(node.value)
        else:
            if isinstance(node, (ast.Attribute, ast.Subscript)):
                self._modify(node)
            self.visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._target(target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._bind(node.target.id)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._import(alias.asname or alias.name.split(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(node.module or ".")
            else:
                self._import(alias.asname or alias.name)

    def _import(self, name: str) -> None:
        self._bind(name)
        if not self.scopes:
            self.imported.add(name)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self._target(node.target)
        self._all(node.body)
        self._all(node.orelse)

    visit_AsyncFor = visit_For  # noqa: N815

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        if _is_main_guard(node.test):
            self._all(node.body)
            return
        self._branches([node.body, node.orelse])

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        branches: list[Sequence[ast.AST]] = [
            [case.pattern, *([case.guard] if case.guard else []), *case.body] for case in node.cases
        ]
        self._branches([*branches, []])

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self.generic_visit(node)
        if node.name:
            self._bind(node.name)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self._bind(node.rest)

    def _try(self, node: ast.Try) -> None:
        self._all(node.body)
        for handler in node.handlers:
            if handler.type:
                self.visit(handler.type)
            before = set(self.certain)
            if handler.name:
                self._bind(handler.name)
            self._branches([handler.body, []])
            if handler.name and handler.name not in before:
                self.certain.discard(handler.name)  # Python unbinds it at the end of the handler
                self.possible.discard(handler.name)
        self._all(node.orelse)
        self._all(node.finalbody)

    def visit_Try(self, node: ast.Try) -> None:
        self._try(node)

    def visit_TryStar(self, node: Any) -> None:  # `except*` of Python 3.11
        self._try(node)

    def _branches(self, branches: Sequence[Sequence[ast.AST]]) -> None:
        """Names bound in every branch are certain afterwards, the others possible."""
        before = set(self.certain)
        after: list[set[str]] = []
        for branch in branches:
            self.certain = set(before)
            self._all(branch)
            after.append(self.certain)
        self.certain = set.intersection(*after)
        self.possible |= set.union(*after) - self.certain

    # ------------------------------------------------------------------ scopes

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._all(node.decorator_list)
        self._bind(node.name)
        self.scopes.append(_type_parameters(node))
        self._signature(node.args)
        if node.returns:
            self.visit(node.returns)
        local, outer = _locals(node)
        for name in outer:
            if not any(scope.kind == "function" for scope in self.scopes) and name not in self.certain:
                self.possible.add(name)
        self.scopes.append(_Scope("function", local))
        self._all(node.body)
        del self.scopes[-2:]

    visit_FunctionDef = _function  # noqa: N815
    visit_AsyncFunctionDef = _function  # noqa: N815

    def _signature(self, args: ast.arguments) -> None:
        self._all([default for default in (*args.defaults, *args.kw_defaults) if default is not None])
        self._all([one.annotation for one in _arguments(args) if one.annotation is not None])

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._signature(node.args)
        self.scopes.append(_Scope("function", {one.arg for one in _arguments(node.args)}))
        self.visit(node.body)
        self.scopes.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._all(node.decorator_list)
        self.scopes.append(_type_parameters(node))
        self._all(node.bases)
        self._all(node.keywords)
        self.scopes.append(_Scope("class", set()))
        self._all(node.body)
        del self.scopes[-2:]
        self._bind(node.name)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)
        local = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        self.scopes.append(_Scope("comprehension", local))
        for i, generator in enumerate(node.generators):
            if i:
                self.visit(generator.iter)
            self._all(generator.ifs)
        self._all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self.scopes.pop()

    visit_ListComp = _comprehension  # noqa: N815
    visit_SetComp = _comprehension  # noqa: N815
    visit_DictComp = _comprehension  # noqa: N815
    visit_GeneratorExp = _comprehension  # noqa: N815

    # ------------------------------------------------------------------ calls

    def visit_Call(self, node: ast.Call) -> None:
        if _is_shell_call(node):
            self._magic_call(node)
            return
        function = node.func
        if isinstance(function, ast.Attribute):
            inplace = any(
                k.arg == "inplace" and isinstance(k.value, ast.Constant) and k.value.value is True
                for k in node.keywords
            )
            if inplace or function.attr in _MUTATORS or function.attr.startswith(_MUTATOR_PREFIXES):
                self._modify(function.value)
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in _CHANGES_ARGUMENT and node.args:
            self._modify(node.args[0])
        self.generic_visit(node)

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
                self._use(word.split(".")[0])
        elif name in ("run", "pylab", "load", "recall", "rerun"):
            self.stars.append(f"%{name} {line}".strip())
        elif name == "store" and line.startswith("-r"):
            for word in line.split()[1:]:
                self._bind(word)
        else:
            self.interpolated(line)


def _is_shell_call(node: ast.Call) -> bool:
    """`get_ipython().run_line_magic(...)` and its kin, as IPython rewrites them."""
    function = node.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr in ("run_line_magic", "run_cell_magic", "system", "getoutput")
        and isinstance(function.value, ast.Call)
        and isinstance(function.value.func, ast.Name)
        and function.value.func.id == "get_ipython"
    )


def _is_main_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _arguments(args: ast.arguments) -> list[ast.arg]:
    rest = [one for one in (args.vararg, args.kwarg) if one is not None]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *rest]


def _type_parameters(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> _Scope:
    """The scope of `[T]` behind a name (Python 3.12)."""
    return _Scope("comprehension", {one.name for one in getattr(node, "type_params", [])})


def _locals(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[set[str], set[str]]:
    """The names local to a function, and those that it declares global."""
    local = {one.arg for one in _arguments(node.args)}
    outer: set[str] = set()
    free: set[str] = set()
    for inner in _own(node):
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            local.add(inner.id)
        elif isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            local.add(inner.name)
        elif isinstance(inner, (ast.Import, ast.ImportFrom)):
            local |= {(alias.asname or alias.name).split(".")[0] for alias in inner.names}
        elif isinstance(inner, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and inner.name:
            local.add(inner.name)
        elif isinstance(inner, ast.MatchMapping) and inner.rest:
            local.add(inner.rest)
        elif isinstance(inner, ast.Global):
            outer |= set(inner.names)
        elif isinstance(inner, ast.Nonlocal):
            free |= set(inner.names)
    return local - outer - free, outer


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function's own body, without those of functions and classes inside it.

    Targets of comprehensions count too: a name that is only a loop variable there is never looked up outside.
    """
    stack = list(ast.iter_child_nodes(node))
    while stack:
        inner = stack.pop()
        yield inner
        if not isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            stack.extend(ast.iter_child_nodes(inner))
