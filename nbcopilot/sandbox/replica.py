"""The part of a live namespace that a piece of code needs, in a form that travels: pickles, module names, definitions.

Values are pickled one by one with limits of size and time; what does not fit is named, with the reason, and left
out. Nothing in the namespace is changed. Functions and classes made in the notebook travel as their source.
"""

from __future__ import annotations

import ast
import inspect
import io
import pickle
import pickletools
import sys
import textwrap
import time
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbcopilot.notebook import cellnames, syntax
from nbcopilot.notebook.scopes import SHELL_NAMES

VALUE_BYTES = 256 << 20
TOTAL_BYTES = 512 << 20
SECONDS = 2.0
MAX_NAMES = 500
_OF_THE_SHELL = SHELL_NAMES | {"open"}  # the run has its own


@dataclass(frozen=True)
class Replica:
    """What travels: sources to run first, pickled values, modules by name; `left_out` maps a name to the reason."""

    definitions: tuple[str, ...] = ()
    values: Mapping[str, bytes] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


class _Full(Exception):
    """The size or time of one value is used up."""


class _Sink(io.BytesIO):
    """A buffer that refuses to grow beyond its limit or its deadline."""

    def __init__(self, limit: int, deadline: float) -> None:
        super().__init__()
        self._left = limit
        self._deadline = deadline

    def write(self, data: Any, /) -> int:
        self._left -= memoryview(data).nbytes
        if self._left < 0:
            raise _Full("too large")
        if time.monotonic() > self._deadline:
            raise _Full("takes too long to copy")
        return super().write(data)


def replicate(namespace: Mapping[str, Any], wanted: Iterable[str], sources: Sequence[str] = ()) -> Replica:
    """The replica for code that uses the names `wanted`, and for what those need in turn.

    sources: cells of the notebook, where classes and functions are looked up whose source the interpreter lost.
    """
    reader = _Reader(namespace, sources)
    reader.add(wanted)
    return reader.result()


class _Reader:
    """Walks from the wanted names to all that they need."""

    def __init__(self, namespace: Mapping[str, Any], sources: Sequence[str]) -> None:
        self.namespace = namespace
        self.written = _definitions(sources)
        self.definitions: dict[str, str] = {}
        self.values: dict[str, bytes] = {}
        self.modules: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        self.seen: set[str] = set()
        self.room = TOTAL_BYTES
        self.deadline = time.monotonic() + SECONDS

    def add(self, wanted: Iterable[str]) -> None:
        stack = list(wanted)
        while stack and len(self.seen) < MAX_NAMES:
            name = stack.pop()
            if name in self.seen or name not in self.namespace or name.startswith("__") or name in _OF_THE_SHELL:
                continue
            self.seen.add(name)
            stack += self._one(name, self.namespace[name])

    def result(self) -> Replica:
        # Definitions in the order of the notebook, so that a class stands before the one that inherits from it.
        order = {name: i for i, name in enumerate(self.written)}
        ordered = sorted(self.definitions, key=lambda n: order.get(n, len(order)))
        return Replica(tuple(self.definitions[n] for n in ordered), self.values, self.modules, self.left_out)

    def _one(self, name: str, value: Any) -> list[str]:
        """Take one value along; returns the names that it needs besides."""
        if isinstance(value, types.ModuleType):
            self.modules[name] = value.__name__
            return []
        if isinstance(value, (type, types.FunctionType)) and _is_of_notebook(value):
            return self._definition(name, value)
        kind = type(value)
        more: list[str] = []
        if _is_of_notebook(kind) and kind.__name__ in self.namespace:
            more.append(kind.__name__)
        size = _size(value)
        if size > min(VALUE_BYTES, self.room):
            self.left_out[name] = f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"
            return more
        data, reason = self._pickle(value)
        if data is None:
            self.left_out[name] = reason
        else:
            self.room -= len(data)
            self.values[name] = data
            more += [n for n in _classes_in(data) if _is_of_notebook(self.namespace.get(n))]
        return more

    def _pickle(self, value: Any) -> tuple[bytes | None, str]:
        sink = _Sink(min(VALUE_BYTES, self.room), self.deadline)
        try:
            pickle.Pickler(sink, protocol=5).dump(value)
        except _Full as exc:
            return None, str(exc)
        except Exception as exc:
            return None, f"cannot be pickled: {type(exc).__name__}"
        return sink.getvalue(), ""

    def _definition(self, name: str, value: Any) -> list[str]:
        own = value.__name__ if value.__name__.isidentifier() else name  # a lambda has only the name it is bound to
        source = _source(value) or self.written.get(own)
        if source is None:
            self.left_out[name] = "its source is not known"
            return []
        self.definitions[own] = source
        more: list[str] = []
        if name != own:
            self.definitions[name] = f"{name} = {own}"
        tree = syntax.tree(source)
        return [*more, *(missing.name for missing in cellnames.undefined(tree))] if tree is not None else more


def _is_of_notebook(value: Any) -> bool:
    return getattr(value, "__module__", None) == "__main__"


def _source(value: Any) -> str | None:
    try:
        source = textwrap.dedent(inspect.getsource(value))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return None
    # A lambda's source is the statement around it, and may hold anything.
    tree = syntax.plain_tree(source)
    first = tree.body[0] if tree is not None and tree.body else None
    return source if getattr(first, "name", None) == value.__name__ else None


def _definitions(sources: Sequence[str]) -> dict[str, str]:
    """Name -> source of every function, class and one-name assignment of a lambda at the top level of the cells."""
    found: dict[str, str] = {}
    for source in sources:
        try:
            text = syntax.transform(source)
            tree = syntax.parse(source)
        except SyntaxError:
            continue
        for statement in tree.body:
            segment = ast.get_source_segment(text, statement, padded=True)
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and segment:
                lines = text.splitlines()
                start = min([statement.lineno, *(d.lineno for d in statement.decorator_list)])
                found.pop(statement.name, None)
                found[statement.name] = "\n".join(lines[start - 1 : statement.end_lineno])
            elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda) and segment:
                for target in statement.targets:
                    if isinstance(target, ast.Name):
                        found[target.id] = segment
    return found


def _size(value: Any) -> int:
    """A lower bound of the bytes of a value, without copying or iterating over its items."""
    pandas = sys.modules.get("pandas")
    try:
        if pandas is not None and isinstance(value, pandas.DataFrame):
            return int(value.memory_usage(index=True, deep=False).sum())
        for attribute in ("nbytes", "data_nbytes"):
            size = getattr(value, attribute, None)
            if isinstance(size, int):
                return size
        if isinstance(value, (list, tuple, set, frozenset, dict)):
            return len(value) * 8
        if isinstance(value, (str, bytes, bytearray)):
            return len(value)
        return sys.getsizeof(value)
    except Exception:
        return 0


def _classes_in(data: bytes) -> set[str]:
    """Texts in a pickle that may name classes and functions of `__main__`."""
    if b"__main__" not in data:
        return set()
    texts = [
        argument for _, argument, _ in pickletools.genops(data) if isinstance(argument, str) and len(argument) < 100
    ]
    return {part.split(".")[0] for text in texts for part in text.split(" ")[-1:]}
