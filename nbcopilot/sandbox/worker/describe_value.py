"""Values, errors and warnings as short text for a report; nothing here raises through or runs without a limit."""

from __future__ import annotations

import ast
import difflib
import linecache
import re
import signal
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nbcopilot.sandbox.worker.compare import digest

OWN_FILES = "nbcopilot/sandbox/worker"


def describe(value: Any, limit: int = 2000) -> dict[str, Any]:
    """{"type", "repr", "shape", "digest", "all_nan", "header_is_data", "epoch_nanoseconds"} of a value; its repr gets one second and `limit` characters."""
    kind = type(value)
    text = short(value, limit)
    shape = getattr(value, "shape", None)
    name = (
        kind.__name__
        if kind.__module__ in ("builtins", "__main__")
        else f"{kind.__module__.split('.')[0]}.{kind.__name__}"
    )
    return {
        "type": name,
        "repr": text,
        "shape": list(shape) if isinstance(shape, tuple) and _is_shape(shape) else None,
        "digest": within(1.0, lambda: digest(value), ""),
        "all_nan": within(1.0, lambda: _is_all_nan(value), False),
        "header_is_data": within(1.0, lambda: _numbers_for_names(value), []),
        "epoch_nanoseconds": within(1.0, lambda: _numbers_for_times(value), None),
    }


def within(seconds: float, work: Callable[[], Any], otherwise: Any) -> Any:
    """What `work` returns, or `otherwise` when it raises or takes longer (main thread; native code is not stopped)."""

    def stop(number: int, frame: types.FrameType | None) -> None:
        raise TimeoutError

    try:
        before = signal.signal(signal.SIGALRM, stop)
    except ValueError:  # not the main thread
        return otherwise
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return work()
    except BaseException:
        return otherwise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def short(value: Any, limit: int) -> str:
    """The repr of a value, cut to `limit` characters; its type where that takes more than a second."""
    found: str = within(1.0, lambda: _text(value, limit), f"<{type(value).__name__}>")
    return found


def _text(value: Any, limit: int) -> str:
    if isinstance(value, (str, bytes)) and len(value) > limit:
        return repr(value[:limit])[:limit] + "…"
    if isinstance(value, (list, tuple, set, frozenset, dict)) and len(value) > 1000:
        return f"<{type(value).__name__} of {len(value):,} items>"
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _is_all_nan(value: Any) -> bool:
    """Whether a number is NaN, or a frame, series or array has values and all of them are missing."""
    if isinstance(value, float):  # numpy's own is one
        return bool(value != value)
    if not getattr(value, "size", 0) or not isinstance(getattr(value, "shape", None), tuple) or not value.shape:
        return False
    if hasattr(value, "isna"):
        return bool(value.isna().to_numpy().all())
    return getattr(getattr(value, "dtype", None), "kind", "") == "f" and bool((value != value).all())


def _numbers_for_names(value: Any) -> list[str]:
    """The first columns of a frame whose names are the numbers of a row of data: most numbers, one with a fraction; or []."""
    names = getattr(value, "columns", None)
    if names is None or not len(names) or not all(isinstance(name, str) for name in names):
        return []
    numbers = [name for name in names if re.fullmatch(r"-?\d+(?:\.\d+)*", name)]
    fractions = [name for name in numbers if re.fullmatch(r"-?\d+\.\d+", name)]
    return [str(name) for name in numbers[:2]] if fractions and 2 * len(numbers) >= len(names) else []


def _numbers_for_times(value: Any) -> list[int] | None:
    """Of times that all lie in the first minute of 1970: the smallest and largest number that was taken for nanoseconds."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(value, (pandas.DataFrame, pandas.Series, pandas.DatetimeIndex)):
        return None
    columns = [value[name] for name in value.columns[:50]] if isinstance(value, pandas.DataFrame) else [value]
    for times in [*columns, getattr(value, "index", None)]:
        if (
            getattr(getattr(times, "dtype", None), "kind", "") == "M"
            and len(times)
            and getattr(times, "tz", None) is None
        ):
            first, last = times.min(), times.max()
            if pandas.Timestamp(0) < first <= last < pandas.Timestamp(60, unit="s"):
                return [int(first.value), int(last.value)]
    return None


def _is_shape(shape: tuple[Any, ...]) -> bool:
    return len(shape) <= 8 and all(isinstance(n, int) for n in shape)


def error(exc: BaseException, filename: str) -> dict[str, Any]:
    """{"name", "message", "line", "traceback"} of an exception; only the frames that the author can act on."""
    name = type(exc).__name__
    message = within(1.0, lambda: str(exc)[:2000], "")
    frames = [f for f in traceback.extract_tb(exc.__traceback__) if OWN_FILES not in f.filename.replace("\\", "/")]
    own = [f for f in frames if f.filename == filename]
    line = (
        own[-1].lineno if own else (exc.lineno if isinstance(exc, SyntaxError) and exc.filename == filename else None)
    )
    kept = frames if len(frames) <= 8 else [*frames[:4], *frames[-4:]]
    text = "".join(traceback.format_list(kept)) + "".join(
        within(1.0, lambda: traceback.format_exception_only(exc), [name])
    )
    cause = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)
    return {
        "name": name,
        "message": message,
        "line": line,
        "traceback": "Traceback (most recent call last):\n" + text[-4000:].rstrip(),
        "cause": type(cause).__name__ if cause else "",
        "frames": [f"{f.filename}:{f.name}" for f in frames[-12:]],
        "bases": [base.__name__ for base in type(exc).__mro__[:8]],
    }


def suggestions(exc: BaseException, namespace: Mapping[str, Any], line: str = "") -> list[dict[str, Any]]:
    """What the author may have meant, as {"kind", "names", "owner"}: a near attribute, or the columns that a frame in the line has."""
    if isinstance(exc, AttributeError) and exc.name and exc.obj is not None:
        near = difflib.get_close_matches(exc.name, [n for n in dir(exc.obj) if not n.startswith("_")], n=1, cutoff=0.7)
        return [{"kind": "name", "names": near, "owner": ""}] if near else []
    pandas = sys.modules.get("pandas")
    if isinstance(exc, KeyError) and pandas is not None and exc.args:
        frames = {n: v for n, v in namespace.items() if isinstance(v, pandas.DataFrame) and not n.startswith("_")}
        named = {n: v for n, v in frames.items() if re.search(rf"\b{re.escape(n)}\b", line)}
        frames = named or frames
        return [
            {"kind": "columns", "names": [str(column)[:80] for column in list(frame.columns)[:20]], "owner": name}
            for name, frame in list(frames.items())[:2]
        ]
    return []


def found_elsewhere(value: Any, source: str, namespace: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of a table that came out empty, where the texts in the code are found, in the frames that it names.

    As {"frame", "text", "column"}, the latter two as reprs; "column" is None for the index.
    """
    pandas = sys.modules.get("pandas")
    shape = getattr(value, "shape", None)
    if pandas is None or not isinstance(shape, tuple) or 0 not in shape:
        return []
    nodes = [*ast.walk(ast.parse(source))]
    texts = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    told: list[dict[str, Any]] = []
    for name in {n.id: None for n in nodes if isinstance(n, ast.Name)}:
        frame = namespace.get(name)
        if isinstance(frame, pandas.DataFrame):
            for text in sorted(texts - set(map(str, frame.columns))):
                if text in frame.index:
                    told.append({"frame": name, "text": repr(text)[:100], "column": None})
                else:
                    inside = [column for column in list(frame.columns)[:50] if (frame[column] == text).any()]
                    told += [{"frame": name, "text": repr(text)[:100], "column": repr(c)[:100]} for c in inside[:1]]
    return told[:3]


def warned(caught: Iterable[Any], filename: str) -> list[str]:
    """The warnings that concern the code, at most five, each once: "FutureWarning: ... (line 3)"."""
    texts: list[str] = []
    for item in caught:
        if "FigureCanvasAgg" in str(item.message) or issubclass(item.category, (ImportWarning, ResourceWarning)):
            continue
        where = f" (line {item.lineno})" if item.filename == filename else ""
        text = f"{item.category.__name__}: {' '.join(str(item.message).split())[:300]}{where}"
        if text not in texts and len(texts) < 5:
            texts.append(text)
    return texts


def remember(filename: str, source: str) -> None:
    """Let tracebacks quote the lines of code that has no file."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)


def plots() -> int:
    """Figures that are open in matplotlib; 0 when it was never imported."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    try:
        return len(pyplot.get_fignums()) if pyplot else 0
    except Exception:
        return 0
