"""One call of the code under test, and what a test can say of it: the checks, which also decide whether a mutant differs.

A check is a template over `{}` (what the call gave) or over a variable, and the source of what it must be.
"""

from __future__ import annotations

import contextlib
import copy
import io
import math
import sys
import traceback
import types
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbcopilot.sandbox.worker.forms import Form, variable
from nbcopilot.sandbox.worker.observe import TARGET, Steps, TooLong, alarm, has_float, near
from nbcopilot.sandbox.worker.written import NoSource, modules, same_table, source_of, source_or_none

MAX_SOURCE = 360  # characters of an expected value
MOST_FACETS = 4
# What the call itself was not meant for: its outcome is no behaviour.
NONSENSE = (
    TypeError, AttributeError, NameError, RecursionError, MemoryError, TooLong, UnboundLocalError, ImportError, SystemExit, KeyboardInterrupt,
)  # fmt: skip


@dataclass(frozen=True)
class Check:
    """`template` of the outcome is `expected` (source). how: "is", "==", "approx", "nan", "frame" or "series"."""

    template: str
    expected: str
    how: str = "=="


@dataclass
class Did:
    """What a call did. `error` is the exception's name; `told` whether the code under test raised it on purpose."""

    value: Any = None
    holder: Any = None
    error: str = ""
    message: str = ""
    told: bool = False
    nonsense: bool = False
    printed: str = ""
    changed: dict[int, str] = field(default_factory=dict)
    now: list[str | None] = field(default_factory=list)
    lines: frozenset[int] = frozenset()
    arcs: frozenset[tuple[int, int]] = frozenset()


def perform(
    form: Form, namespace: Mapping[str, Any], values: Sequence[Any], *, raising: frozenset[int] = frozenset(),
    seconds: float = 0.5, trace: bool = True,
) -> Did:  # fmt: skip
    """What the call does; its arguments are copied first. raising: lines of `raise` in the source. Never raises."""
    steps, printed = Steps(), io.StringIO()
    try:
        given = copy.deepcopy(list(values))
        before = [source_or_none(value) for value in given]
        with alarm(seconds), contextlib.redirect_stdout(printed):
            if trace:
                sys.settrace(steps.enter)
            try:
                value, holder = form.run(namespace, given)
                if isinstance(value, (types.GeneratorType, map, filter, zip, range)) or hasattr(value, "__next__"):
                    value = Drained([item for item, _ in zip(value, range(1000), strict=False)])
            finally:
                sys.settrace(None)
    except BaseException as exc:
        where = [frame.lineno for frame in traceback.extract_tb(exc.__traceback__) if frame.filename == TARGET]
        name = type(exc).__name__
        told = bool(where) and where[-1] in raising
        nonsense = isinstance(exc, NONSENSE) and not (told and isinstance(exc, (TypeError, AttributeError)))
        return Did(
            error=name, message=str(exc)[:120], told=told, nonsense=nonsense,
            lines=frozenset(steps.lines), arcs=frozenset(steps.arcs),
        )  # fmt: skip
    now = [source_or_none(value) for value in given]
    changed = {i: text for i, (text, was) in enumerate(zip(now, before, strict=True)) if text and was and text != was}
    return Did(
        value, holder, printed=printed.getvalue(), changed=changed, now=now, lines=frozenset(steps.lines), arcs=frozenset(steps.arcs)
    )  # fmt: skip


class Drained(list[Any]):
    """What an iterator gave."""


def checks_of(did: Did, form: Form, names: Mapping[int, str]) -> list[Check]:
    """What a test says of the outcome; [] when nothing can be said. names: variables of the arguments."""
    if did.error:
        return [Check("raise", did.error)]
    found: list[Check] = []
    if did.holder is not None and (did.value is None or did.value is did.holder):
        found = _attributes(did.holder, variable(form.owner))
    elif did.value is not None or not (did.printed or did.changed):
        found = _of_value(did.value)
    if did.printed and did.value is None and not found:
        found = [Check("printed", repr(did.printed))] if len(did.printed) <= MAX_SOURCE else []
    return [*found, *(Check(names[place], text, _way(text)) for place, text in did.changed.items() if place in names)]


def left_alone(did: Did, values: Sequence[Any], names: Mapping[int, str]) -> list[Check]:
    """That the arguments are after the call what they were before."""
    return [Check(names[place], text, _way(text)) for place in names if (text := source_or_none(values[place]))]


def _way(text: str) -> str:
    return {"pd.DataFrame": "frame", "pd.Series": "series"}.get(text.split("(")[0], "==")


def holds(check: Check, did: Did, form: Form, names: Mapping[int, str], expected: Any) -> bool:
    """Whether the check would pass on another outcome."""
    if check.template == "raise" or did.error:
        return check.template == "raise" and did.error == expected
    if check.template == "printed":
        return bool(did.printed == expected)
    if check.template in names.values():
        place = next(place for place, name in names.items() if name == check.template)
        return did.now[place] == check.expected
    scope = {**modules(), **_BUILTINS, variable(form.owner or "x"): did.holder, "_": did.value}
    try:
        with alarm(0.5):
            value = eval(check.template.replace("{}", "_"), {"__builtins__": {}}, scope)
        return equal(value, expected, check.how)
    except BaseException:
        return False


def equal(value: Any, expected: Any, how: str) -> bool:
    """What the written assertion would say of the two."""
    if how == "is":
        is_numpy = isinstance(expected, bool) and type(value).__name__ in ("bool_", "bool")
        return value is expected or (is_numpy and bool(value) is expected)
    if how in ("frame", "series"):
        return same_table(value, expected)
    if how == "nan":
        return isinstance(value, float) and math.isnan(value)
    return near(value, expected) if how == "approx" else bool(value == expected)


def evaluated(text: str, namespace: Mapping[str, Any]) -> Any:
    """The value of an expression that we wrote."""
    return eval(text, {**namespace, **modules()})


_BUILTINS = {f.__name__: f for f in (list, dict, len, vars, sorted, tuple, type, str, float, int, round, set, bool)}


def _of_value(value: Any, template: str = "{}", depth: int = 0) -> list[Check]:
    if value is None or isinstance(value, bool):
        return [Check(template, repr(value), "is")]
    kind, module = type(value), type(value).__module__.split(".")[0]
    if isinstance(value, Drained):
        return _written(list(value), f"list({template})")
    if isinstance(value, deque) or kind in (range, type({}.keys()), type({}.values())):
        return _written(list(value), f"list({template})")
    if isinstance(value, (Counter, OrderedDict)) or (isinstance(value, dict) and kind is not dict):
        return _written(dict(value), f"dict({template})")
    if module == "numpy":
        if getattr(value, "shape", ()):
            return _written(value.tolist(), f"{template}.tolist()")
        return _of_value(value.item(), template, depth)
    if module == "pandas":
        return _of_pandas(value, template)
    if module == "torch" and hasattr(value, "tolist"):
        small = value.numel() <= 12
        return [
            *_written(tuple(value.shape), f"tuple({template}.shape)"),
            *(_written(value.tolist(), f"{template}.tolist()") if small else []),
        ]
    if module == "matplotlib":
        return _drawn(value, template)
    found = _written(value, template)
    if found or depth:
        return found
    if isinstance(value, tuple):
        parts = [check for i, item in enumerate(value[:3]) for check in _of_value(item, f"{template}[{i}]", depth + 1)]
        return parts[:MOST_FACETS]
    if kind.__module__ == "__main__" and hasattr(value, "__dict__"):
        return _attributes(value, template)
    return [Check(f"type({template}).__name__", repr(kind.__name__))]


def _written(value: Any, template: str) -> list[Check]:
    try:
        text = source_of(value)
    except (NoSource, RecursionError, ValueError):
        return []
    if len(text) > MAX_SOURCE:
        return []
    if isinstance(value, float) and math.isnan(value):
        return [Check(template, text, "nan")]
    flat = list(value.values()) if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
    is_flat = all(v is None or isinstance(v, (int, float, str, bool)) for v in flat)
    how = "approx" if has_float(value) and is_flat and not any(v is None for v in flat) else "=="
    if how == "approx" and any(isinstance(v, str) for v in flat) and not isinstance(value, dict):
        how = "=="
    return [Check(template, text, how)]


def _of_pandas(value: Any, template: str) -> list[Check]:
    if hasattr(value, "columns"):
        return _table(value, template, "frame") or _written(value.to_dict("list"), f"{template}.to_dict('list')")
    if hasattr(value, "to_frame") and hasattr(value, "dtype") and hasattr(value, "index"):
        pandas = sys.modules["pandas"]
        plain = isinstance(value.index, pandas.RangeIndex) and value.dtype.kind in "ifbO" and not value.isna().any()
        if plain and (found := _written(value.tolist(), f"{template}.tolist()")):
            return found
        return _table(value, template, "series") or _written(value.tolist(), f"{template}.tolist()")
    if hasattr(value, "tolist"):
        return _written(value.tolist(), f"{template}.tolist()")
    return _written(value, template)


def _table(value: Any, template: str, how: str) -> list[Check]:
    text = source_or_none(value)
    return [Check(template, text, how)] if text and len(text) <= MAX_SOURCE else []


def _attributes(value: Any, name: str) -> list[Check]:
    """The public attributes of an object, and its properties."""
    public = {k: v for k, v in vars(value).items() if not k.startswith("_")} if hasattr(value, "__dict__") else {}
    found = [check for key, item in public.items() for check in _of_value(item, f"{name}.{key}", 1)]
    return found[:MOST_FACETS]


def _drawn(value: Any, template: str) -> list[Check]:
    """What a reader sees of a plot: titles, labels and how much is drawn."""
    if isinstance(value, (list, tuple)) or not hasattr(value, "get_children"):
        return []
    axes = list(value.axes)[:1] if hasattr(value, "axes") and isinstance(value.axes, list) else [value]
    at = f"{template}.axes[0]" if hasattr(value, "axes") and isinstance(value.axes, list) else template
    found = []
    for one in axes:
        if not hasattr(one, "get_title"):
            continue
        for words in ("get_title", "get_xlabel", "get_ylabel"):
            if text := getattr(one, words)():
                found.append(Check(f"{at}.{words}()", repr(text)))
        for parts in ("lines", "patches", "collections"):
            if many := len(getattr(one, parts)):
                found.append(Check(f"len({at}.{parts})", repr(many)))
    return found[:MOST_FACETS]
