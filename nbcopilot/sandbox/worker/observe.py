"""One call of a function under observation: what it returned, raised, printed or changed, and which lines it took.

It tells calls apart that differ in what they do; what tests are made of is in `trial`.
"""

from __future__ import annotations

import contextlib
import copy
import io
import math
import signal
import sys
import types
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nbcopilot.sandbox.worker.written import NoSource, source_of, source_or_none

STATE = "state"  # the `wrap` of what a method left behind
TARGET = "target"  # file name of the code under test
MAX_EVENTS = 30_000  # lines that one call may execute; longer ones make poor tests
MAX_SOURCE = 400  # characters of an expected value
NONSENSE = ("TypeError", "AttributeError", "NameError", "RecursionError", "MemoryError", "TooLong", "UnboundLocalError")


class TooLong(BaseException):
    """The call takes longer than a test should."""


@dataclass
class Seen:
    """What one call did. `kind`: "value", "none", "print", "raise" or "odd" (cannot be tested).

    wrap: how the test asks for the value ("{}", "list({})" ...); expected: its source; after: sources of arguments
    that the call changed, by position.
    """

    kind: str
    expected: str = ""
    wrap: str = "{}"
    error: str = ""
    after: dict[int, str] = field(default_factory=dict)
    lines: frozenset[int] = frozenset()
    arcs: frozenset[tuple[int, int]] = frozenset()
    value: Any = None

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for calls that a test cannot tell apart."""
        return (self.kind, self.expected, self.wrap, self.error, tuple(sorted(self.after.items())))


def call(target: Callable[..., Any], arguments: list[Any], *, seconds: float = 0.5, trace: bool = True) -> Seen:
    """What `target(*arguments)` does; the arguments are copied first. Never raises."""
    given = copy.deepcopy(arguments)
    before = [source_or_none(value) for value in given]
    steps = Steps()
    printed = io.StringIO()
    try:
        with alarm(seconds), contextlib.redirect_stdout(printed):
            if trace:
                sys.settrace(steps.enter)
            try:
                value = target(*given)
                if isinstance(value, (types.GeneratorType, map, filter, zip, range)) or hasattr(value, "__next__"):
                    value = _Drained([item for item, _ in zip(value, range(1000), strict=False)])
            finally:
                sys.settrace(None)
    except BaseException as exc:
        return Seen("raise", error=_name(exc), lines=frozenset(steps.lines), arcs=frozenset(steps.arcs))
    after = {i: text for i, v in enumerate(given) if (text := source_or_none(v)) is not None and text != before[i]}
    seen = _describe(value, printed.getvalue())
    seen.after, seen.lines, seen.arcs = after, frozenset(steps.lines), frozenset(steps.arcs)
    return seen


@dataclass(frozen=True)
class State:
    """The attributes of an object after a method that returns nothing."""

    values: dict[str, Any]


class _Drained(list[Any]):
    """What an iterator gave."""


class Steps:
    """Lines and steps from line to line in the code under test."""

    def __init__(self) -> None:
        self.lines: set[int] = set()
        self.arcs: set[tuple[int, int]] = set()
        self.events = 0

    def enter(self, frame: types.FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename != TARGET:
            return None
        last = -frame.f_code.co_firstlineno

        def step(frame: types.FrameType, event: str, argument: Any) -> Any:
            nonlocal last
            if event == "line":
                self.events += 1
                if self.events > MAX_EVENTS:
                    raise TooLong
                self.lines.add(frame.f_lineno)
                self.arcs.add((last, frame.f_lineno))
                last = frame.f_lineno
            return step

        return step


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise TooLong after so many seconds of processor time, or ten times as many of wall time: a busy machine is no fault of the code."""

    def stop(number: int, frame: types.FrameType | None) -> None:
        raise TooLong

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, seconds), (signal.SIGALRM, signal.ITIMER_REAL, 10 * seconds))
    for number, timer, limit in timers:
        signal.signal(number, stop)
        signal.setitimer(timer, limit, 0.2)
    try:
        yield
    finally:
        for _, timer, _ in timers:
            signal.setitimer(timer, 0)


def _name(exc: BaseException) -> str:
    return type(exc).__name__


def _describe(value: Any, printed: str) -> Seen:
    if isinstance(value, _Drained):
        return _written(list(value), "list({})")
    if isinstance(value, State):
        return _written(value.values, STATE)
    if value is None:
        return Seen("print", repr(printed)) if printed and len(printed) <= MAX_SOURCE else Seen("none", "None")
    module = type(value).__module__.split(".")[0]
    if module == "numpy":
        return _written(value.tolist(), "{}.tolist()" if hasattr(value, "shape") and value.shape else "{}", value)
    if module == "pandas":
        if hasattr(value, "columns"):
            return _written(value.to_dict("list"), "{}.to_dict('list')")
        return _written(value.tolist(), "{}.tolist()") if hasattr(value, "tolist") else Seen("odd")
    if isinstance(value, (deque,)):
        return _written(list(value), "list({})")
    if isinstance(value, (Counter, OrderedDict)) or (isinstance(value, dict) and type(value) is not dict):
        return _written(dict(value), "dict({})")
    if type(value).__module__ == "__main__" and hasattr(value, "__dict__"):
        return _written(vars(value), "vars({})")
    return _written(value, "{}")


def _written(value: Any, wrap: str, original: Any = None) -> Seen:
    try:
        text = source_of(value)
    except (NoSource, RecursionError):
        return Seen("odd")
    return Seen("value", text, wrap, value=value) if len(text) <= MAX_SOURCE else Seen("odd")


def has_float(value: Any, depth: int = 0) -> bool:
    """Whether a float is somewhere in the value."""
    if isinstance(value, (float, complex)):
        return True
    if depth < 5 and isinstance(value, (list, tuple, set, frozenset)):
        return any(has_float(item, depth + 1) for item in value)
    return depth < 5 and isinstance(value, dict) and any(has_float(item, depth + 1) for item in value.values())


def rounded(value: Any) -> str:
    """The value as text with floats to six digits, so that the same result by another way reads the same."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({', '.join(rounded(item) for item in value)})"
    if isinstance(value, dict):
        return f"dict({', '.join(f'{key!r}: {rounded(item)}' for key, item in value.items())})"
    return repr(value)


def near(value: Any, expected: Any) -> bool:
    """Equality with 1e-6 relative for floats, as pytest.approx has it; other parts exactly."""
    if isinstance(expected, float) or isinstance(value, float):
        try:
            return math.isclose(value, expected, rel_tol=1e-6, abs_tol=1e-12)
        except (TypeError, OverflowError):
            return False
    if type(value) is type(expected) and isinstance(value, (list, tuple)):
        return len(value) == len(expected) and all(near(a, b) for a, b in zip(value, expected, strict=True))
    if isinstance(value, dict) and isinstance(expected, dict):
        return value.keys() == expected.keys() and all(near(value[k], expected[k]) for k in expected)
    try:
        return bool(value == expected)
    except Exception:
        return False
