"""How the code under test is called: its steps and their parameters, run on values and written as source.

A function is one step. A method is two, the constructor first; between them other methods that change the object may
stand, because what a method does depends on what was done before. Static and class methods need no object, properties
no arguments, coroutines an event loop.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbcopilot.sandbox.worker.written import modules

OMITTED = type("Omitted", (), {"__repr__": lambda self: "omitted", "__deepcopy__": lambda self, memo: self})()
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BETWEEN = 3  # calls of a method that changes the object


@dataclass(frozen=True)
class Parameter:
    """One parameter of a step. `node` is its place in the source, None where only the signature tells of it."""

    name: str
    default: Any = inspect.Parameter.empty
    keyword: bool = False
    spread: bool = False
    annotation: ast.expr | None = None

    @property
    def optional(self) -> bool:
        """Whether it may be left out."""
        return self.default is not inspect.Parameter.empty or self.spread


@dataclass(frozen=True)
class Step:
    """One call. kind: "function", "new", "method", "static" or "property"."""

    kind: str
    name: str
    parameters: tuple[Parameter, ...] = ()
    function: ast.FunctionDef | ast.AsyncFunctionDef | None = None
    waits: bool = False


@dataclass(frozen=True)
class Form:
    """The steps of a call; `parameters` are those of all steps in one row, `owner` is the class of a method."""

    steps: tuple[Step, ...]
    owner: str = ""
    parameters: tuple[Parameter, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(p for step in self.steps for p in step.parameters))

    @property
    def stateful(self) -> bool:
        """Whether the last step is done to an object that the first one made."""
        return self.steps[0].kind == "new" and len(self.steps) > 1

    def run(self, namespace: Mapping[str, Any], values: Sequence[Any]) -> tuple[Any, Any]:
        """(what the last step gives, the object that it was done to or None); raises what the steps raise."""
        rest = list(values)
        made: Any = None
        value: Any = None
        for step in self.steps:
            given, rest = rest[: len(step.parameters)], rest[len(step.parameters) :]
            holder = made if step.kind in ("method", "property") else namespace.get(self.owner)
            if step.kind == "property":
                value = getattr(holder, step.name)
                continue
            called = namespace[step.name] if step.kind in ("function", "new") else getattr(holder, step.name)
            positional, named = _bound(step, given)
            value = called(*positional, **named)
            if step.waits and inspect.isawaitable(value):
                value = asyncio.new_event_loop().run_until_complete(value)
            if step.kind == "new":
                made = value
        return value, made if self.stateful else None

    def written(
        self, sources: Sequence[str | None], names: Mapping[int, str], *, named: bool = False
    ) -> tuple[list[str], str]:
        """(lines before, the expression of the last step). sources: of the values, None where one is left out."""
        rest = list(enumerate(sources))
        lines: list[str] = []
        text = holder = ""
        for place, step in enumerate(self.steps):
            given, rest = rest[: len(step.parameters)], rest[len(step.parameters) :]
            called = {"function": step.name, "new": step.name, "static": f"{self.owner}.{step.name}"}.get(
                step.kind, f"{holder}.{step.name}"
            )
            text = called if step.kind == "property" else f"{called}({_arguments(step, given, names)})"
            text = f"asyncio.run({text})" if step.waits else text
            if step.kind == "new" and place + 1 < len(self.steps):
                holder = variable(self.owner) if named or len(self.steps) > 2 else text
                lines += [f"{holder} = {text}"] if holder != text else []
            elif place + 1 < len(self.steps):
                lines.append(text)
        return lines, text

    def bind(self, text: str, namespace: Mapping[str, Any]) -> list[Any] | None:
        """The values that an argument list stands for, in the order of the parameters; None when it does not fit."""
        if len(self.steps) > 1:
            return None
        scope = {**modules(), **namespace, "_given": lambda *args, **named: (args, named)}
        try:
            positional, named = eval(compile(f"_given({text})", "call", "eval"), scope)
        except Exception:
            return None
        values: list[Any] = []
        positional = list(positional)
        for parameter in self.parameters:
            if parameter.spread:
                values.append(positional)
                positional = []
            elif parameter.keyword or not positional:
                values.append(named.pop(parameter.name, OMITTED))
            else:
                values.append(positional.pop(0))
        missing = any(v is OMITTED and not p.optional for v, p in zip(values, self.parameters, strict=True))
        return None if missing or positional or named else values


def variable(owner: str) -> str:
    """A name for an object of the class: `RunningStats` is `running_stats`."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", owner).lower().strip("_")
    return name if name != owner else f"{name}_"


def _bound(step: Step, given: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    positional: list[Any] = []
    named: dict[str, Any] = {}
    skipped = False
    for parameter, value in zip(step.parameters, given, strict=True):
        if value is OMITTED:
            skipped = True
        elif parameter.spread:
            positional += value
        elif parameter.keyword or skipped:
            named[parameter.name] = value
        else:
            positional.append(value)
    return positional, named


def _arguments(step: Step, given: Sequence[tuple[int, str | None]], names: Mapping[int, str]) -> str:
    """The arguments as a person writes them: what has a default by its name, the rest by its place."""
    parts = []
    for parameter, (place, source) in zip(step.parameters, given, strict=True):
        if source is None:
            continue
        if parameter.spread:
            parts += [source[1:-1]] if source != "[]" else []
            continue
        text = names.get(place) or source
        spread = any(p.spread for p in step.parameters)
        by_name = parameter.keyword or (parameter.optional and not spread)
        parts.append(f"{parameter.name}={text}" if by_name else text)
    return ", ".join(parts)


# --------------------------------------------------------------------------- made from source and live objects


def forms_of(tree: ast.Module, name: str, namespace: Mapping[str, Any]) -> list[Form]:
    """The ways to call `name` ("f", "Class" or "Class.method") after the source has run; [] when it is not callable."""
    owner, _, method = name.partition(".")
    node = definition(tree, owner)
    if isinstance(node, FUNCTIONS):
        waits = inspect.iscoroutinefunction(inspect.unwrap(namespace[owner]))
        return [Form((Step("function", owner, _parameters(namespace[owner], node), node, waits),))]
    if not isinstance(node, ast.ClassDef):
        return []
    methods = {n.name: n for n in node.body if isinstance(n, FUNCTIONS)}
    made = namespace[owner]
    init = methods.get("__init__") or methods.get("__new__")
    new = Step("new", owner, _parameters(made, init), init)
    if not method:
        return [Form((new,), owner)]
    static = inspect.getattr_static(made, method, None)
    called = methods.get(method)
    if isinstance(static, (staticmethod, classmethod)):
        waits = inspect.iscoroutinefunction(static.__func__)
        return [Form((Step("static", method, _parameters(getattr(made, method), called), called, waits),), owner)]
    if static is not None and not inspect.isfunction(static) and not callable(static):
        return [Form((new, Step("property", method, (), called)), owner), *_after(tree, new, made, methods, method)]
    step = _method(made, methods, method)
    return [Form((new, step), owner), *_after(tree, new, made, methods, method)]


def _method(made: Any, methods: Mapping[str, Any], name: str) -> Step:
    function = getattr(made, name)
    static = inspect.getattr_static(made, name)
    if not inspect.isfunction(static) and not callable(static):
        return Step("property", name, (), methods.get(name))
    parameters = _parameters(function, methods.get(name))[1:]
    return Step("method", name, parameters, methods.get(name), inspect.iscoroutinefunction(function))


def _after(tree: ast.AST, new: Step, made: Any, methods: Mapping[str, Any], last: str) -> list[Form]:
    """The same after calls of each public method that changes the object."""
    found = []
    for name, node in methods.items():
        changes = not name.startswith("_") and any(
            (isinstance(n, (ast.Attribute, ast.Subscript)) and isinstance(n.ctx, ast.Store) and _is_self(n))
            or (isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and _is_self(n.func.value))
            for n in ast.walk(node)
        )  # fmt: skip
        if changes and not node.decorator_list:
            step = _method(made, methods, name)
            found.append(Form((new, *([step] * BETWEEN), _method(made, methods, last)), new.name))
    return found


def _is_self(node: ast.AST) -> bool:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        if isinstance(node.value, ast.Name):
            return node.value.id == "self"
        node = node.value
    return False


def _parameters(called: Any, node: ast.FunctionDef | ast.AsyncFunctionDef | None) -> tuple[Parameter, ...]:
    hints = (
        {a.arg: a.annotation for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)} if node else {}
    )
    try:
        signature = inspect.signature(called)
    except (TypeError, ValueError):
        return ()
    found = []
    for name, one in signature.parameters.items():
        if one.kind is one.VAR_KEYWORD or (
            one.kind is one.VAR_POSITIONAL
            and name not in (node.args.vararg.arg if node and node.args.vararg else name,)
        ):
            continue
        hint = hints.get(name)
        if hint is None and isinstance(one.annotation, str):
            hint = _expression(one.annotation)
        elif hint is None and isinstance(one.annotation, type) and one.annotation is not one.empty:
            hint = ast.Name(one.annotation.__name__, ast.Load())
        spread = one.kind is one.VAR_POSITIONAL
        found.append(Parameter(name, one.default, one.kind is one.KEYWORD_ONLY, spread, hint))
    return tuple(found)


def _expression(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None


def definition(tree: ast.Module, name: str) -> ast.AST | None:
    """The last function or class of this name at the top level."""
    kinds = (*FUNCTIONS, ast.ClassDef)
    return next((n for n in reversed(tree.body) if isinstance(n, kinds) and n.name == name), None)
