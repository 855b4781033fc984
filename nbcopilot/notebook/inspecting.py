"""Looking at an object without asking it: its class past any metaclass, its attributes past any `__getattribute__`.

No method that a user can define is called here, so nothing can raise, hang or change.
"""

from __future__ import annotations

import sys
import types
from typing import Any

_MRO = type.__dict__["__mro__"]
_NAME = type.__dict__["__name__"]
_MODULE = type.__dict__["__module__"]
_DICT = type.__dict__["__dict__"]
# Libraries whose own classes may be asked; a class derived from them elsewhere is someone else's code.
_TRUSTED = frozenset(
    {"builtins", "collections", "pandas", "polars", "numpy", "torch", "sklearn", "geopandas", "datetime"}
)


def bases(cls: type) -> tuple[type, ...]:
    """The method resolution order of a class."""
    found: tuple[type, ...] = _MRO.__get__(cls)
    return found


def derives(cls: type, base: type) -> bool:
    """`issubclass` without the hooks of metaclasses."""
    return any(one is base for one in bases(cls))


def class_name(cls: type) -> str:
    """The name of a class."""
    return str.__str__(_NAME.__get__(cls))


def module_of(cls: type) -> str:
    """The dotted module that a class says it is from; "" when it says nothing readable."""
    try:
        module = _MODULE.__get__(cls)
    except AttributeError:
        return ""
    return module if type(module) is str else ""


def root_of(cls: type) -> str:
    """The top-level package of a class: "pandas", "__main__", "builtins"."""
    return module_of(cls).partition(".")[0]


def is_trusted(cls: type) -> bool:
    """Whether a class itself (not only a base of it) belongs to a library that may be asked."""
    return root_of(cls) in _TRUSTED


def members(cls: type) -> dict[str, Any]:
    """A copy of what the class itself defines."""
    return dict(_DICT.__get__(cls))


def attributes(value: Any) -> dict[str, Any]:
    """A copy of the instance's own attributes, read past `__getattribute__`; {} for slots and C types."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except Exception:  # a property of that name, or no such attribute
        return {}
    return dict(found) if type(found) is dict else {}


def library(name: str) -> types.ModuleType | None:
    """A library that the user has loaded, else None; nothing is imported for this."""
    module = sys.modules.get(name)
    return module if isinstance(module, types.ModuleType) else None


def is_a(value: Any, library_name: str, *names: str) -> bool:
    """Whether the object's class is, or derives from, one of `names` in a loaded library."""
    module = library(library_name)
    if module is None:
        return False
    wanted = [vars(module).get(name) for name in names]
    return any(base is one for base in bases(type(value)) for one in wanted if one is not None)
