"""Values told apart without keeping them: fingerprints (did it change?) and digests (are two answers the same?).

Both are bounded in time and size. A fingerprint is exact for plain data, arrays, frames and all that pickles; for
the rest it is the object's identity. A digest rounds numbers to six digits and forgets addresses.
"""

from __future__ import annotations

import hashlib
import io
import math
import pickle
import re
import sys
import time
import types
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_PLAIN = (int, float, complex, str, bytes, bool, type(None))
_BY_IDENTITY = (
    "matplotlib",
    "IPython",
    "ipykernel",
    "ipywidgets",
    "plotly",
    "bokeh",
    "altair",
    "tkinter",
    "sqlite3",
    "sqlalchemy",
)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")
MAX_ITEMS = 100_000


class _TooMuch(Exception):
    """Size or time of one fingerprint is used up."""


class _Sum(io.RawIOBase):
    """A file that keeps a checksum of what is written to it."""

    def __init__(self, limit_bytes: int, deadline: float) -> None:
        super().__init__()
        self.value = 0
        self._left = limit_bytes
        self._deadline = deadline

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        self._left -= len(view)
        if self._left < 0 or time.monotonic() > self._deadline:
            raise _TooMuch
        self.value = zlib.crc32(view, self.value)
        return len(view)


@dataclass(frozen=True)
class Fingerprint:
    """What a value looked like: by its contents where there was time (`full`), always by identity (`shallow`)."""

    shallow: Any
    full: Any = None

    def differs(self, other: Fingerprint) -> bool:
        """Whether the two were not taken of the same value in the same state."""
        if self.full is None or other.full is None:
            return bool(self.shallow != other.shallow)
        return bool(self.full != other.full)


def fingerprints(namespace: Mapping[str, Any], names: Iterable[str], *, seconds: float = 1.0) -> dict[str, Fingerprint]:
    """A fingerprint for each name, small values first; when `seconds` are used up, the rest goes by identity."""
    deadline = time.monotonic() + seconds
    present = [name for name in names if name in namespace]
    order = sorted(present, key=lambda name: _weight(namespace[name]))
    found = {name: fingerprint(namespace[name], deadline) for name in order}
    return {name: found[name] for name in present}


def _weight(value: Any) -> int:
    size = getattr(value, "nbytes", 0)
    return size if isinstance(size, int) else 1 << 20


def fingerprint(value: Any, deadline: float) -> Fingerprint:
    """See `fingerprints`."""
    if isinstance(value, _PLAIN):
        plain = (type(value).__name__, value if not isinstance(value, float) or value == value else "nan")
        return Fingerprint(plain, plain)
    if isinstance(value, types.FunctionType):
        code = value.__code__
        return Fingerprint(id(value), (code.co_code, repr(code.co_consts)[:2000], code.co_names))
    shallow = _shallow(value)
    module = type(value).__module__ or ""
    by_identity = isinstance(value, (type, types.ModuleType, types.BuiltinFunctionType))
    if by_identity or module.split(".")[0] in _BY_IDENTITY or time.monotonic() > deadline:
        return Fingerprint(shallow)
    try:
        return Fingerprint(shallow, _of_contents(value, deadline))
    except Exception:
        return Fingerprint(shallow)


def _of_contents(value: Any, deadline: float) -> Any:
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and isinstance(value, numpy.ndarray) and value.dtype != object:
        return (
            type(value).__name__,
            value.shape,
            str(value.dtype),
            _array_sum(value),
        )
    if pandas is not None and isinstance(value, pandas.DataFrame):
        # By column: the internal blocks may be merged by mere reading.
        columns = tuple(_of_contents(value.iloc[:, i].array, deadline) for i in range(value.shape[1]))
        return ("frame", _pickled(list(value.columns), deadline), _of_contents(value.index, deadline), columns)
    if pandas is not None and isinstance(value, pandas.Series):
        return ("series", str(value.name), _of_contents(value.index, deadline), _of_contents(value.array, deadline))
    if pandas is not None and isinstance(value, (pandas.Index, pandas.api.extensions.ExtensionArray)):
        data = value.to_numpy() if not isinstance(value, pandas.MultiIndex) else None
        if data is not None and data.dtype != object:
            return (str(value.dtype), _of_contents(data, deadline), str(getattr(value, "name", "")))
    return (type(value).__name__, _pickled(value, deadline))


def _array_sum(array: Any) -> int:
    """A checksum of an array; of more than 128 MB, of 128 pieces of 1 MB spread evenly."""
    if not array.size:
        return 0
    if array.nbytes > 128 << 20 and not array.flags.c_contiguous:
        array = array[:: max(1, len(array) // 1000)]
    if not array.flags.c_contiguous:
        array = array.copy(order="C")
    data = memoryview(array.reshape(-1).view("uint8"))
    if len(data) <= 128 << 20:
        return zlib.crc32(data)
    total, step = 0, len(data) // 128
    for start in range(0, len(data), step):
        total = zlib.crc32(data[start : start + (1 << 20)], total)
    return total


def _pickled(value: Any, deadline: float) -> int:
    total = _Sum(256 << 20, min(deadline, time.monotonic() + 0.5))
    pickle.Pickler(total, protocol=5).dump(value)
    return total.value


def _shallow(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return (id(value), tuple(id(item) for item in value[:1000]), len(value))
    if isinstance(value, dict):
        return (id(value), tuple((id(k), id(v)) for k, v in list(value.items())[:1000]), len(value))
    return ("id", id(value))


def digest(value: Any) -> str:
    """16 hex digits that are equal for values that a reader would call the same; "" when it cannot be told."""
    try:
        text = "".join(_canonical(value, _Budget()))
    except Exception:
        return ""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Budget:
    """Items that one digest may still look at."""

    def __init__(self) -> None:
        self.left = MAX_ITEMS

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise _TooMuch


def _canonical(value: Any, budget: _Budget, depth: int = 0) -> Iterable[str]:
    budget.spend()
    if depth > 40:
        raise _TooMuch
    if isinstance(value, bool) or value is None:
        yield repr(value)
    elif isinstance(value, (int, float)):
        yield _number(value)
    elif isinstance(value, (str, bytes)):
        yield repr(value)
    elif isinstance(value, (list, tuple)):
        yield "["  # a list and a tuple of the same items are the same answer
        for item in value:
            yield from _canonical(item, budget, depth + 1)
            yield ","
        yield "]"
    elif isinstance(value, (set, frozenset)):
        yield "{" + ",".join(sorted("".join(_canonical(item, budget, depth + 1)) for item in value)) + "}"
    elif isinstance(value, Mapping):
        items = (
            "".join(_canonical(k, budget, depth + 1)) + ":" + "".join(_canonical(v, budget, depth + 1))
            for k, v in value.items()
        )
        yield "{" + ",".join(sorted(items)) + "}"
    else:
        yield from _canonical_object(value, budget, depth)


def _canonical_object(value: Any, budget: _Budget, depth: int) -> Iterable[str]:
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and isinstance(value, numpy.generic):
        yield from _canonical(value.item(), budget, depth + 1)
    elif numpy is not None and isinstance(value, numpy.ndarray):
        budget.left -= value.size
        yield "array" + str(value.shape)
        yield from _canonical(value.tolist(), budget, depth + 1)
    elif pandas is not None and isinstance(value, pandas.DataFrame):
        yield "frame"
        yield from _canonical(
            [list(value.columns), value.index.tolist(), value.to_numpy(dtype=object).tolist()], budget, depth + 1
        )
    elif pandas is not None and isinstance(value, pandas.Series):
        yield "series"
        yield from _canonical([value.index.tolist(), value.tolist()], budget, depth + 1)
    elif pandas is not None and isinstance(value, pandas.Index):
        yield from _canonical(value.tolist(), budget, depth + 1)
    elif (
        hasattr(value, "__dict__")
        and not callable(value)
        and "__repr__" not in {k for base in type(value).__mro__[:-1] for k in vars(base)}
    ):
        yield type(value).__name__
        yield from _canonical(vars(value), budget, depth + 1)
    elif isinstance(value, (types.FunctionType, type, types.ModuleType, types.BuiltinFunctionType)):
        yield "name:" + getattr(value, "__name__", "")
    else:
        yield type(value).__name__ + _ADDRESS.sub("0x", repr(value)[:20_000])


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value) if abs(value) < 1 << 53 else hex(value)
    if math.isnan(value) or math.isinf(value):
        return repr(value)
    return str(int(value)) if value == int(value) and abs(value) < 1 << 53 else f"{value:.6g}"


def close(a: Any, b: Any, *, depth: int = 0) -> bool:
    """Whether two values of the same exact type are equal, numbers within 1e-6, also inside containers and arrays.

    Integers and floats agree with one another, and with those of numpy; booleans only with booleans.
    """
    a, b = _python_number(a), _python_number(b)
    if type(a) in (int, float) and type(b) in (int, float):
        try:
            return a == b or math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6) or (a != a and b != b)
        except OverflowError:
            return False
    if isinstance(a, dict) and isinstance(b, dict) and depth < 20:
        return dict.keys(a) == dict.keys(b) and all(close(a[k], b[k], depth=depth + 1) for k in a)
    if not _comparable(type(a), type(b)):
        return False
    if type(a) in (list, tuple) and depth < 20:
        return len(a) == len(b) and all(close(x, y, depth=depth + 1) for x, y in zip(a, b, strict=True))
    try:
        same = a == b
        return bool(same.all().all() if hasattr(same, "columns") else same.all() if hasattr(same, "all") else same)
    except Exception:
        return digest(a) == digest(b) != ""


def _comparable(a: type, b: type) -> bool:
    """Whether values of the two types may be equal: one type, or two of one library or of Python's own collections."""
    if a is b:
        return True
    homes = {kind.__module__.split(".")[0] for kind in (a, b)}
    return len(homes) == 1 and homes <= {"numpy", "pandas", "torch", "collections", "pathlib", "datetime"}


def _python_number(value: Any) -> Any:
    numpy = sys.modules.get("numpy")
    return value.item() if numpy is not None and isinstance(value, (numpy.number, numpy.bool_, numpy.str_)) else value
