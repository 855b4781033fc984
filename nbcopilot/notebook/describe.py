"""One live Python object as a kind and a few short lines, decided by its type alone.

Built-in types are read through their own C methods (`list.__len__(value)`), so that a subclass with methods of its
own cannot get in the way. Frames, arrays and estimators are in libraries.py; an unknown object gives its type only.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import pathlib
import re
import types
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from nbcopilot.notebook.inspecting import attributes, bases, class_name, derives, members, module_of, root_of

_HEAD = 60
_ITEMS = 8
_KEYS = 20
_METHODS = 15


@dataclass(frozen=True)
class Detail:
    """How much to say: rows of frames, and the text whose words come first among many columns."""

    rows: int = 0
    focus: str = ""


def describe(value: Any) -> tuple[str, str]:
    """(kind, summary) of a Python object; `kind` as in `types.Variable`."""
    cls = type(value)
    if cls in _SCALARS or value is None:
        return "scalar", scalar(value)
    if cls in _FUNCTIONS:
        return "function", _FUNCTIONS[cls](value)
    if cls is types.ModuleType:
        return "module", _module(value)
    if derives(cls, type):
        return "class", _class(value)
    container = next((base for base in bases(cls) if base in _CONTAINERS), None)
    if container is not None:
        return "container", _container(value, container)
    for base in bases(cls):
        if base in _SCALARS:
            return "scalar", f"{class_name(cls)} ({class_name(base)})"
    return "object", _instance(value)


# --------------------------------------------------------------------------- scalars


def scalar(value: Any) -> str:
    """`int 5`, `str 'abc'`, `str of 1,200 characters 'abc…'`."""
    text = short_value(value)
    if type(value) in (str, bytes, bytearray) and len(value) > _HEAD:
        unit = "characters" if type(value) is str else "bytes"
        return f"{class_name(type(value))} of {len(value):,} {unit} {text}"
    return text if value is None else f"{class_name(type(value))} {text}"


def short_value(value: Any, limit: int = _HEAD) -> str:
    """A value of a built-in scalar type as short text; for anything else its type name. Runs no code of the user's."""
    cls = type(value)
    if cls is str or cls in (bytes, bytearray):
        head = value[:limit]
        return f"{head!r}…" if len(value) > limit else repr(head)
    if cls is int:
        return repr(value) if value.bit_length() < 128 else f"about 2**{value.bit_length()}"
    if cls in _SCALARS or value is None:
        text = str(value) if cls in (pathlib.PosixPath, pathlib.WindowsPath, uuid.UUID) else repr(value)
        return text if len(text) <= limit else f"{text[:limit]}…"
    if derives(cls, type):
        return class_name(value)
    container = next((base for base in bases(cls) if base in _CONTAINERS), None)
    return f"{class_name(cls)}[{_CONTAINERS[container][0](value)}]" if container else class_name(cls)


_SCALARS: frozenset[type] = frozenset(
    {
        bool, int, float, complex, str, bytes, bytearray, range, slice, types.NoneType, types.EllipsisType,
        datetime.date, datetime.datetime, datetime.time, datetime.timedelta, decimal.Decimal, fractions.Fraction,
        pathlib.PosixPath, pathlib.WindowsPath, uuid.UUID,
    }
)  # fmt: skip


# --------------------------------------------------------------------------- containers

_CONTAINERS: dict[type, tuple[Callable[[Any], int], Callable[[Any], Iterator[Any]]]] = {
    list: (list.__len__, list.__iter__),
    tuple: (tuple.__len__, tuple.__iter__),
    set: (set.__len__, set.__iter__),
    frozenset: (frozenset.__len__, frozenset.__iter__),
    dict: (dict.__len__, dict.__iter__),
    deque: (deque.__len__, deque.__iter__),
}


def _container(value: Any, base: type) -> str:
    size, walk = _CONTAINERS[base]
    name, length = class_name(type(value)), size(value)
    if base is dict:
        return f"{name}, {length:,} {'key' if length == 1 else 'keys'}{_pairs(value, length)}"
    fields = members(type(value)).get("_fields")
    if base is tuple and type(fields) is tuple:
        pairs = zip(fields, walk(value), strict=False)
        return f"{name}({', '.join(f'{field}={short_value(one)}' for field, one in islice(pairs, _ITEMS))})"
    if not length:
        return f"{name}, empty"
    head = list(islice(walk(value), _ITEMS))
    kinds = list(dict.fromkeys(class_name(type(one)) for one in islice(walk(value), 100)))
    more = ", …" if length > len(head) else ""
    return f"{name} of {length:,} {_kinds(kinds)}: {', '.join(_nested(one) for one in head)}{more}"


def _kinds(kinds: list[str]) -> str:
    return " / ".join(kinds[:4]) + (" / …" if len(kinds) > 4 else "")


def _nested(value: Any) -> str:
    """An element: one level of a short list, tuple or dict is shown, deeper ones by type and length."""
    cls = type(value)
    if cls in (list, tuple) and len(value) <= 4:
        inner = ", ".join(short_value(one, 30) for one in value)
        return f"[{inner}]" if cls is list else f"({inner})"
    if cls is dict and len(value) <= 6:
        return "{" + ", ".join(f"{short_value(k, 30)}: {short_value(v, 30)}" for k, v in islice(value.items(), 6)) + "}"
    return short_value(value)


def _pairs(value: Any, length: int) -> str:
    if not length:
        return ""
    shown = [f"{short_value(key, 40)}: {_nested(one)}" for key, one in islice(dict.items(value), _KEYS)]
    return ": " + ", ".join(shown) + (", …" if length > _KEYS else "")


# --------------------------------------------------------------------------- functions, classes, modules


def signature(function: types.FunctionType) -> str:
    """`(x, y=1, *rest, key=None)`, from the code object: nothing of the function runs, not even a default's repr."""
    code = function.__code__
    names = list(code.co_varnames)
    count, only = code.co_argcount, code.co_kwonlyargcount
    notes = _annotations(function)
    plain = [_parameter(name, notes) for name in names[:count]]
    defaults = function.__defaults__ or ()
    for i, default in enumerate(defaults, count - len(defaults)):
        plain[i] = _with_default(plain[i], default)
    if code.co_posonlyargcount:
        plain.insert(code.co_posonlyargcount, "/")
    rest = names[count + only :]
    if code.co_flags & 0x04:
        plain.append("*" + _parameter(rest.pop(0), notes))
    elif only:
        plain.append("*")
    keywords = function.__kwdefaults__ or {}
    for name in names[count : count + only]:
        text = _parameter(name, notes)
        plain.append(_with_default(text, keywords[name]) if name in keywords else text)
    if code.co_flags & 0x08 and rest:
        plain.append("**" + _parameter(rest.pop(0), notes))
    returns = f" -> {notes['return']}" if "return" in notes else ""
    return f"({', '.join(plain)}){returns}"


def _parameter(name: str, notes: dict[str, str]) -> str:
    return f"{name}: {notes[name]}" if name in notes else name


def _with_default(text: str, default: Any) -> str:
    return f"{text}{' = ' if ': ' in text else '='}{short_value(default, 30)}"


def _annotations(function: types.FunctionType) -> dict[str, str]:
    """Annotations as text: strings, classes and None; anything built from them is left out."""
    if hasattr(function, "__annotate__"):  # Python 3.14: reading them would run the user's code
        return {}
    found: dict[str, str] = {}
    for name, note in dict(function.__annotations__).items():
        if type(note) is str:
            found[name] = note[:_HEAD]
        elif derives(type(note), type):
            found[name] = class_name(note)
        elif note is None:
            found[name] = "None"
        elif type(note) is types.GenericAlias or module_of(type(note)) == "typing":
            found[name] = repr(note)[:_HEAD].replace("typing.", "")
    return found


def first_line(docstring: Any) -> str:
    """The first line of a docstring as ` - text`, or ""."""
    if type(docstring) is not str or not docstring.strip():
        return ""
    return f" - {docstring.strip().splitlines()[0].strip()[:160]}"


def _function(function: types.FunctionType) -> str:
    word = "async def " if function.__code__.co_flags & 0x80 else "def "
    return f"{word}{function.__code__.co_name}{signature(function)}{first_line(function.__doc__)}"


def _method(method: types.MethodType) -> str:
    function = method.__func__
    return (
        _function(function)
        if type(function) is types.FunctionType
        else f"method of {class_name(type(method.__self__))}"
    )


def _builtin(function: Any) -> str:
    text = function.__text_signature__
    shown = re.sub(r"\$\w+(?:, /)?(?:, )?", "", text) if type(text) is str else "(...)"
    return f"built-in {function.__name__}{shown}{first_line(function.__doc__)}"


_FUNCTIONS: dict[type, Callable[[Any], str]] = {
    types.FunctionType: _function,
    types.MethodType: _method,
    types.BuiltinFunctionType: _builtin,
}


def _module(module: types.ModuleType) -> str:
    found = vars(module)
    name, version = found.get("__name__"), found.get("__version__")
    label = name if type(name) is str else "?"
    return f"module {label} {version}" if type(version) is str else f"module {label}"


def _class(cls: type) -> str:
    own = members(cls)
    parents = [class_name(base) for base in cls.__dict__.get("__orig_bases__", ()) if derives(type(base), type)]
    parents = parents or [class_name(base) for base in bases(cls)[1:2] if base is not object]
    head = f"class {class_name(cls)}{f'({parents[0]})' if parents else ''}"
    init = own.get("__init__")
    lines = [f"{head}{first_line(own.get('__doc__'))}"]
    fields = own.get("__dataclass_fields__")
    if type(fields) is dict:
        lines.append("fields: " + ", ".join(islice(_fields(fields), _KEYS)))
    elif type(own.get("_member_names_")) is list:
        lines.append("members: " + ", ".join(str(name) for name in own["_member_names_"][:_KEYS]))
    elif type(init) is types.FunctionType and init.__code__.co_varnames[1:]:
        lines.append(f"__init__{signature(init)}")
    methods = [_member(name, one) for name, one in own.items() if not name.startswith("_")]
    methods = [one for one in methods if one]
    if methods:
        lines.append("methods: " + ", ".join(methods[:_METHODS]) + (", …" if len(methods) > _METHODS else ""))
    return "\n".join(lines)


def _member(name: str, value: Any) -> str:
    if type(value) in (staticmethod, classmethod):
        value = value.__func__
    if type(value) is types.FunctionType:
        return f"{name}{signature(value)}"
    return f"{name} (property)" if type(value) is property else ""


def _fields(fields: dict[str, Any]) -> Iterator[str]:
    for name, field in fields.items():
        kind: Any = getattr(field, "type", None)  # a dataclasses.Field: slots, no code of the user's
        note = kind if type(kind) is str else class_name(kind) if derives(type(kind), type) else ""
        yield f"{name}: {note}" if note else name


# --------------------------------------------------------------------------- instances


def _instance(value: Any) -> str:
    """The type and where it is from; for a class written in the notebook also the names and types of its attributes."""
    cls = type(value)
    root = root_of(cls)
    name = class_name(cls) if root in ("__main__", "builtins", "") else f"{root} {class_name(cls)}"
    if derives(cls, types.GeneratorType) or class_name(cls) in ("async_generator", "coroutine"):
        return f"{name} (not started or consumed)"
    if root != "__main__":
        return name
    found = [(key, one) for key, one in attributes(value).items() if type(key) is str and not key.startswith("_")]
    if not found:
        return f"instance of {name}"
    shown = ", ".join(f"{key} {_kind(one)}" for key, one in found[:_KEYS])
    return f"instance of {name} with {shown}{', …' if len(found) > _KEYS else ''}"


def _kind(value: Any) -> str:
    return short_value(value, 30) if type(value) in (bool, int, float, str) else class_name(type(value))
