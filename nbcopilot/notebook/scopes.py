"""Names in a Python syntax tree, by Python's scoping rules: bound, needed, changed and deleted at module level.

Pure syntax: magics and other languages are read by cellnames.py, which builds on this.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nbcopilot.notebook.bindings import arguments, catches_name_error, is_main_guard, locals_of
from nbcopilot.notebook.mutators import changed_by
from nbcopilot.notebook.patterns import word_set

# What IPython puts into every namespace, besides the builtins.
SHELL_NAMES = word_set("get_ipython display In Out exit quit _ __ ___ _i _ii _iii _ih _oh _dh")
BUILTINS = frozenset(dir(builtins)) | SHELL_NAMES | word_set("__file__ __name__ __doc__ __builtins__ __annotations__")


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


class _Scope:
    """A function, class, comprehension or list of type parameters that the reader is inside of."""

    def __init__(self, kind: str, local: set[str]) -> None:
        self.kind = kind
        self.local = local


class ScopeReader(ast.NodeVisitor):
    """Walks the statements of a module in order and collects what they do to its names."""

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
        # The line where each name is first needed (now, or when a function is called), but not where a missing name is no error (`forgiving`: inside a
        # `try` that catches NameError). Lines count from 1; `above` are added to those of the tree.
        self.first_lines: dict[str, int] = {}
        self.late_lines: dict[str, int] = {}
        self.above = 0
        self.line = 0
        self.forgiving = False

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

    def missing(self) -> dict[str, int]:
        """The names that are needed and neither bound here nor builtins, with the line of their first use."""
        bound = self.certain | self.possible
        late = {name: line for name, line in self.late_lines.items() if name not in bound}
        return {name: line for name, line in {**late, **self.first_lines}.items() if name not in BUILTINS}

    # ------------------------------------------------------------------ events

    def use(self, name: str) -> None:
        if not name.isidentifier():
            return
        late = inside = False
        for scope in reversed(self.scopes):
            # A class's names are seen by its own body only, not by the functions and comprehensions inside it.
            if name in scope.local and not (scope.kind == "class" and inside):
                return
            late = late or scope.kind == "function"
            inside = inside or scope.kind != "types"
        if not late and (name in self.certain or name in self.possible):
            return
        (self.late if late else self.used).add(name)
        if not self.forgiving:
            (self.late_lines if late else self.first_lines).setdefault(name, self.line)

    def bind(self, name: str) -> None:
        """Bind in the innermost scope that is not a comprehension."""
        for scope in reversed(self.scopes):
            if scope.kind not in ("comprehension", "types"):
                if scope.kind == "class":
                    scope.local.add(name)
                return  # a function's locals are known from the start
        self.certain.add(name)
        self.deleted.discard(name)

    def modify(self, node: ast.expr) -> None:
        """`node` is changed in place: so is the object that its leftmost name refers to."""
        while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
            node = node.func if isinstance(node, ast.Call) else node.value
        late = any(scope.kind == "function" for scope in self.scopes)
        if isinstance(node, ast.Name) and not late and not any(node.id in scope.local for scope in self.scopes):
            self.modified.add(node.id)

    # ------------------------------------------------------------------ statements

    def visit_all(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self.line = self.above + node.lineno
        if isinstance(node.ctx, ast.Load):
            self.use(node.id)
        elif isinstance(node.ctx, ast.Store):
            self.bind(node.id)
        else:
            self._delete(node.id)

    def _delete(self, name: str) -> None:
        if self.scopes:
            return
        if name in self.certain | self.possible:
            self.certain.discard(name)
            self.possible.discard(name)
        else:
            self.use(name)
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
            self.use(node.target.id)
        self.modify(node.target)
        self._target(node.target)

    def _target(self, node: ast.expr) -> None:
        if isinstance(node, (ast.Tuple, ast.List)):
            for element in node.elts:
                self._target(element)
        elif isinstance(node, ast.Starred):
            self._target(node.value)
        else:
            if isinstance(node, (ast.Attribute, ast.Subscript)):
                self.modify(node)
            self.visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._target(target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.bind(node.target.id)

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
        self.bind(name)
        if not self.scopes:
            self.imported.add(name)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self._target(node.target)
        self.visit_all(node.body)
        self.visit_all(node.orelse)

    visit_AsyncFor = visit_For  # noqa: N815

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        if is_main_guard(node.test):
            self.visit_all(node.body)
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
            self.bind(node.name)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self.bind(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self.bind(node.rest)

    def _try(self, node: ast.Try) -> None:
        outer, self.forgiving = self.forgiving, self.forgiving or any(map(catches_name_error, node.handlers))
        self.visit_all(node.body)
        self.forgiving = outer
        for handler in node.handlers:
            if handler.type:
                self.visit(handler.type)
            before = set(self.certain)
            if handler.name:
                self.bind(handler.name)
            self._branches([handler.body, []])
            if handler.name and handler.name not in before:
                self.certain.discard(handler.name)  # Python unbinds it at the end of the handler
                self.possible.discard(handler.name)
        self.visit_all(node.orelse)
        self.visit_all(node.finalbody)

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
            self.visit_all(branch)
            after.append(self.certain)
        self.certain = set.intersection(*after)
        self.possible |= set.union(*after) - self.certain

    # ------------------------------------------------------------------ scopes

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.visit_all(node.decorator_list)
        self.bind(node.name)
        self.scopes.append(_type_parameters(node))
        self._signature(node.args)
        if node.returns:
            self.visit(node.returns)
        local, outer = locals_of(node)
        local |= {"__class__"} if any(scope.kind == "class" for scope in self.scopes) else set()
        for name in outer:
            if not any(scope.kind == "function" for scope in self.scopes) and name not in self.certain:
                self.possible.add(name)
        self.scopes.append(_Scope("function", local))
        self.visit_all(node.body)
        del self.scopes[-2:]

    visit_FunctionDef = _function  # noqa: N815
    visit_AsyncFunctionDef = _function  # noqa: N815

    def _signature(self, args: ast.arguments) -> None:
        self.visit_all([default for default in (*args.defaults, *args.kw_defaults) if default is not None])
        self.visit_all([one.annotation for one in arguments(args) if one.annotation is not None])

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._signature(node.args)
        self.scopes.append(_Scope("function", {one.arg for one in arguments(node.args)}))
        self.visit(node.body)
        self.scopes.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.visit_all(node.decorator_list)
        self.scopes.append(_type_parameters(node))
        self.visit_all(node.bases)
        self.visit_all(node.keywords)
        self.scopes.append(_Scope("class", {"__module__", "__qualname__"}))
        self.visit_all(node.body)
        del self.scopes[-2:]
        self.bind(node.name)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)
        local = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        self.scopes.append(_Scope("comprehension", local))
        for i, generator in enumerate(node.generators):
            if i:
                self.visit(generator.iter)
            self.visit_all(generator.ifs)
        self.visit_all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self.scopes.pop()

    visit_ListComp = _comprehension  # noqa: N815
    visit_SetComp = _comprehension  # noqa: N815
    visit_DictComp = _comprehension  # noqa: N815
    visit_GeneratorExp = _comprehension  # noqa: N815

    # ------------------------------------------------------------------ calls

    def visit_Call(self, node: ast.Call) -> None:
        self.call(node)

    def call(self, node: ast.Call) -> None:
        """A call: methods and functions known to change things do so."""
        for changed in changed_by(node):
            self.modify(changed)
        self.generic_visit(node)


def _type_parameters(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> _Scope:
    """The scope of `[T]` behind a name (Python 3.12)."""
    return _Scope("types", {one.name for one in getattr(node, "type_params", [])})
