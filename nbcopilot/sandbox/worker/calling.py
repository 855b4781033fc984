"""A function made callable from its source, and arguments from theirs."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from nbcopilot.sandbox.worker import guess, observe
from nbcopilot.sandbox.worker.execute import Session
from nbcopilot.sandbox.worker.forms import definition
from nbcopilot.sandbox.worker.observe import TARGET
from nbcopilot.sandbox.worker.source import execute
from nbcopilot.sandbox.worker.written import modules


def load(source: str, name: str, session: Session, base: Mapping[str, Any]) -> Callable[..., Any]:
    """The callable that `name` means after `source` was executed on a copy of the base namespace."""
    session.namespace.clear()
    session.namespace.update(base)
    execute(source, TARGET, session.namespace)
    owner, _, method = name.partition(".")
    if not method:
        return session.namespace[owner]  # type: ignore[no-any-return]  # a name of the source
    made = session.namespace[owner]
    count = len(_parameters_of(made.__init__)) if "__init__" in vars(made) else 0

    def construct_and_call(*arguments: Any) -> Any:
        instance = made(*arguments[:count])
        value = getattr(instance, method)(*arguments[count:])
        return observe.State(vars(instance)) if value is None and hasattr(instance, "__dict__") else value

    return construct_and_call


def _parameters_of(function: Any) -> tuple[str, ...]:
    code = function.__code__
    return tuple(code.co_varnames[1 : code.co_argcount])


def guesses(tree: ast.Module, name: str) -> list[list[tuple[Any, float]]]:
    owner, _, method = name.partition(".")
    node = definition(tree, owner)
    if isinstance(node, ast.ClassDef):
        methods = {n.name: n for n in node.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
        first = guess.guess(methods["__init__"]) if "__init__" in methods else []
        return [*first, *guess.guess(methods[method])] if method else first
    return guess.guess(node) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else []


def evaluate(text: str, namespace: Mapping[str, Any]) -> list[Any] | None:
    """The arguments that a piece of source stands for; None when it needs names that are not there."""
    try:
        scope = {k: v for k, v in namespace.items() if k in ("np", "pd", "numpy", "pandas")}
        return list(eval(compile(f"[{text}]", "seed", "eval"), {**modules(), **scope}))
    except Exception:
        return None
