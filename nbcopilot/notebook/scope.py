"""Names of a piece of Python: what it defines at the top level, and what it needs from elsewhere.

Scopes are read by pyflakes (comprehensions, class bodies, `global`, conditional definitions, deferred function
bodies, star imports), so that the rules are those that people know from their editor. Nothing is executed.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass

from pyflakes import checker, messages

# What IPython puts into every namespace, besides the builtins.
SHELL_NAMES = frozenset(
    {"get_ipython", "display", "In", "Out", "exit", "quit", "_", "__", "___", "_i", "_ii", "_iii", "_ih", "_oh", "_dh"}
)
KNOWN = frozenset(dir(builtins)) | SHELL_NAMES | {"__file__", "__builtins__", "__annotations__", "__name__", "__doc__"}


@dataclass(frozen=True)
class Missing:
    """A name that is used and not defined. `line` is 1-based; `certain` is False below a star import."""

    name: str
    line: int
    certain: bool = True


def undefined(tree: ast.Module, known: frozenset[str] = frozenset()) -> tuple[Missing, ...]:
    """Names that are used but neither defined in the tree before their use nor in `known` or the builtins.

    A star import makes every finding uncertain. Uses inside functions count as later than all of the top level.
    """
    try:
        found = checker.Checker(tree, filename="cell", builtins=KNOWN | known).messages
    except RecursionError:
        return ()
    missing: dict[str, Missing] = {}
    for message in found:
        if isinstance(message, (messages.UndefinedName, messages.UndefinedLocal)):
            name, certain = str(message.message_args[0]), True
        elif isinstance(message, messages.ImportStarUsage):
            name, certain = str(message.message_args[0]), False
        else:
            continue
        if not _is_history(name):
            missing.setdefault(name, Missing(name, message.lineno, certain))
    return tuple(missing.values())


def defined(tree: ast.Module, *, imports: bool = True) -> frozenset[str]:
    """Names that running the tree would bind at the top level; in branches and loops too. `*` for a star import."""
    names: set[str] = set()
    stack: list[ast.AST] = list(tree.body)
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            names |= _declared_global(node)
            stack += node.decorator_list
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if imports:
                names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            continue
        if isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            names |= {n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr)}
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        for field in ("name", "rest"):  # except ... as e; match patterns
            value = getattr(node, field, None)
            if isinstance(value, str) and not isinstance(node, ast.alias):
                names.add(value)
        stack += list(ast.iter_child_nodes(node))
    return frozenset(names)


def _declared_global(node: ast.AST) -> set[str]:
    return {name for child in ast.walk(node) if isinstance(child, ast.Global) for name in child.names}


def _is_history(name: str) -> bool:
    # _3, _i3, __12: IPython's numbered history.
    return name.startswith("_") and name.strip("_i").isdigit()
