"""Values that cross from the process of an answer to the process that judges it, and back: as JSON, rebuilt from its parts.

What arrives has exactly the type that is named here; methods, subclasses and `__eq__` of the answer's own stay behind.
Whatever has no such form crosses as a number that stands for it (`answering`).
"""

from __future__ import annotations

import base64
import collections
import datetime
import decimal
import enum
import fractions
import importlib
import math
import pathlib
import types
from collections.abc import Callable, Mapping
from typing import Any

from nbcopilot.sandbox.worker import crossing_data
from nbcopilot.sandbox.worker.crossing_data import Untold

MAX_DEPTH = 25

_BY_TEXT: dict[str, tuple[Any, Callable[[str], Any]]] = {
    "decimal": (decimal.Decimal, decimal.Decimal),
    "fraction": (fractions.Fraction, fractions.Fraction),
    "datetime": (datetime.datetime, datetime.datetime.fromisoformat),
    "date": (datetime.date, datetime.date.fromisoformat),
    "time": (datetime.time, datetime.time.fromisoformat),
    "path": (pathlib.PurePath, pathlib.Path),
}
_SEQUENCES: dict[str, tuple[Any, Callable[[list[Any]], Any]]] = {
    "list": (list, list), "tuple": (tuple, tuple), "set": (set, set), "frozenset": (frozenset, frozenset),
    "deque": (collections.deque, collections.deque),
}  # fmt: skip
_TYPES = (int, float, str, bytes, bool, complex, list, tuple, dict, set, frozenset, type(None), object, type)
_LASTING = (type, types.FunctionType, types.ModuleType)
_BUILTIN = {kind.__name__: kind for kind in _TYPES}


class Crossing:
    """Writes values as JSON and reads them again. What is not plain is left to `export` and `refer`.

    base: what both processes had before the answer ran, by name. Such values cross as their names; from the answer's
    process only functions, classes and modules do, since it may have changed the others.
    """

    def __init__(
        self,
        base: Mapping[str, Any],
        export: Callable[[Any], Any],
        refer: Callable[[dict[str, Any]], Any],
        *,
        trusts: bool,
    ) -> None:
        lasting: Any = _LASTING if trusts else object
        self._names = {id(value): name for name, value in base.items() if isinstance(value, lasting)}
        self._base = base
        self._export = export
        self._refer = refer
        self._trusts = trusts  # whether the other side may name modules to import from

    # ------------------------------------------------------------------ writing

    def write(self, value: Any, depth: int = 0) -> Any:
        """The JSON of a value."""
        if depth > MAX_DEPTH:
            return self._export(value)
        try:
            return self._plain(value, depth)
        except Untold:
            return self._export(value)

    def _plain(self, value: Any, depth: int) -> Any:
        if value is None or value is True or value is False:
            return value
        if isinstance(value, type):
            return self._named(value)
        told = crossing_data.told(value, lambda item: self.write(item, depth + 1))
        if told is not None:
            return told
        if isinstance(value, enum.Enum) and not isinstance(value, int):
            return self._named(value)
        converters: tuple[tuple[type, Any], ...] = ((int, int.__int__), (float, float.__float__), (str, str.__str__))
        for kind, convert in converters:
            if isinstance(value, kind):
                return _scalar(convert(value))
        return self._composed(value, depth)

    def _composed(self, value: Any, depth: int) -> Any:
        def every(items: Any) -> list[Any]:
            return [self.write(item, depth + 1) for item in items]

        if isinstance(value, (bytes, bytearray)):
            name = "bytes" if isinstance(value, bytes) else "bytearray"
            return {"t": name, "v": base64.b64encode(bytes(value)).decode()}
        if isinstance(value, complex):
            return {"t": "complex", "v": every([value.real, value.imag])}
        if isinstance(value, (range, slice)):
            return {"t": type(value).__name__, "v": every([value.start, value.stop, value.step])}
        if isinstance(value, datetime.timedelta):
            return {"t": "timedelta", "v": [value.days, value.seconds, value.microseconds]}
        fields = getattr(type(value), "_fields", None)
        if isinstance(value, tuple) and isinstance(fields, tuple):
            return {"t": "named", "name": type(value).__name__, "fields": list(fields), "v": every(value)}
        for name, (kind, _) in _SEQUENCES.items():
            if isinstance(value, kind):
                return {"t": name, "v": every(kind.__iter__(value))}
        if isinstance(value, dict):
            return _mapping(value, every)
        for name, (kind, _) in _BY_TEXT.items():
            if isinstance(value, kind):
                return {"t": name, "v": value.isoformat() if name in ("datetime", "date", "time") else str(value)}
        return self._named(value)

    def _named(self, value: Any) -> Any:
        name = self._names.get(id(value))
        if name is not None and self._base.get(name) is value:
            return {"t": "base", "v": name}
        if isinstance(value, type) and value in _TYPES:
            return {"t": "type", "v": value.__name__}
        owner = self._names.get(id(type(value)))
        if owner is not None and type(value).__module__ == "__main__" and hasattr(value, "__dict__"):
            return {"t": "instance", "of": owner, "v": {k: self.write(v, 1) for k, v in vars(value).items()}}
        if not self._trusts and isinstance(
            value, (types.BuiltinFunctionType, types.FunctionType, type, types.ModuleType)
        ):
            where = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
            inner = "" if isinstance(value, types.ModuleType) else value.__qualname__
            if where not in (None, "__main__") and "<" not in inner:
                return {"t": "import", "module": where, "v": inner}
        raise Untold

    # ------------------------------------------------------------------ reading

    def read(self, raw: Any) -> Any:
        """The value of what `write` wrote. Raises ValueError, TypeError and KeyError for what it did not write."""
        if raw is None or isinstance(raw, (bool, int, float, str)):
            return raw
        if not isinstance(raw, dict):
            raise ValueError("not a value")
        kind, inner = raw.get("t"), raw.get("v")
        if kind in _SEQUENCES:
            return _SEQUENCES[kind][1](self._every(inner))
        if kind in _BY_TEXT:
            return _BY_TEXT[kind][1](str(inner))
        reader = _READERS.get(str(kind))
        if reader is not None:
            return reader(raw, self._every)
        if kind == "base":
            return self._shared(inner)
        if kind == "instance" and isinstance(inner, dict):
            made = object.__new__(self._shared(raw.get("of"), "__main__"))
            vars(made).update({str(name): self.read(item) for name, item in inner.items()})
            return made
        if kind == "import" and self._trusts:
            found = importlib.import_module(str(raw.get("module")))
            for part in filter(None, str(inner).split(".")):
                found = getattr(found, part)
            return found
        return self._refer(raw)

    def _shared(self, name: Any, module: str = "") -> Any:
        """What both had before the answer ran; from the answer's process no objects, which may be equal to anything."""
        found = self._base[str(name)]
        if not self._trusts and not isinstance(found, _LASTING):
            raise ValueError("an object of before")
        if module and getattr(found, "__module__", "") != module:
            raise ValueError("not a class of the notebook")
        return found

    def _every(self, raw: Any) -> list[Any]:
        if not isinstance(raw, list):
            raise ValueError("not a list")
        return [self.read(item) for item in raw]


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        return (
            value
            if value.isascii() or value.isprintable()
            else {"t": "text", "v": value.encode("utf-8", "surrogatepass").hex()}
        )
    if isinstance(value, int):
        return value if abs(value) < 1 << 62 else {"t": "int", "v": hex(value)}
    return value if math.isfinite(value) else {"t": "float", "v": repr(value)}


def _mapping(value: dict[Any, Any], every: Callable[[Any], list[Any]]) -> dict[str, Any]:
    pairs = [item for pair in dict.items(value) for item in pair]
    kind = next((c.__name__ for c in (collections.Counter, collections.OrderedDict) if isinstance(value, c)), "dict")
    return {"t": "dict", "of": kind, "v": every(pairs)}


def _read_mapping(raw: dict[str, Any], every: Callable[[Any], list[Any]]) -> dict[Any, Any]:
    items = every(raw.get("v"))
    made = dict(zip(items[::2], items[1::2], strict=True))
    kinds: dict[str, Callable[[dict[Any, Any]], dict[Any, Any]]] = {
        "Counter": collections.Counter,
        "OrderedDict": collections.OrderedDict,
    }
    return kinds.get(str(raw.get("of")), dict)(made)


_READERS: dict[str, Callable[[dict[str, Any], Callable[[Any], list[Any]]], Any]] = {
    "text": lambda raw, every: bytes.fromhex(raw["v"]).decode("utf-8", "surrogatepass"),
    "int": lambda raw, every: int(str(raw["v"]), 16),
    "float": lambda raw, every: float(str(raw["v"])),
    "bytes": lambda raw, every: base64.b64decode(raw["v"]),
    "bytearray": lambda raw, every: bytearray(base64.b64decode(raw["v"])),
    "complex": lambda raw, every: complex(*every(raw["v"])),
    "range": lambda raw, every: range(*every(raw["v"])),
    "slice": lambda raw, every: slice(*every(raw["v"])),
    "timedelta": lambda raw, every: datetime.timedelta(*every(raw["v"])),
    "named": lambda raw, every: collections.namedtuple(str(raw["name"]), [str(f) for f in raw["fields"]])(
        *every(raw["v"])
    ),
    "dict": _read_mapping,
    "type": lambda raw, every: _BUILTIN[str(raw["v"])],
    **crossing_data.READERS,
}
