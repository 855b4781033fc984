"""Runs the cells of a session and judges an answer, in this process: call it in a forked child only."""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib.util
import io
import linecache
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbcopilot.evaluation.everyday import changes, drawn, reading
from nbcopilot.evaluation.everyday.sight import HELPERS, Sight
from nbcopilot.evaluation.everyday.source import cell_source

Namespace = dict[str, Any]
# Elements of an array of objects that may be axes.
SMALL_ARRAY = 50
# {"ok", "reason", "kind", "notes"}
Outcome = dict[str, Any]


def outcome(kind: str, reason: str = "", notes: Sequence[str] = ()) -> Outcome:
    """A verdict; `kind` is ok, empty, syntax, crash, wrong, spoilt, timeout or excluded."""
    return {"ok": kind == "ok", "reason": reason, "kind": kind, "notes": list(notes)}


def fresh() -> Namespace:
    """The namespace of a new session."""
    return {"__name__": "__main__", "__builtins__": builtins}


def execute(source: str, namespace: Namespace, name: str = "<cell>") -> Any:
    """Run a cell and give the value of its last expression, None where it ends in a statement."""
    source = cell_source(source)
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    tree = ast.parse(source, name)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        exec(compile(tree, name, "exec"), namespace)
        return None
    exec(compile(ast.Module(tree.body[:-1], tree.type_ignores), name, "exec"), namespace)
    return eval(compile(ast.Expression(last.value), name, "eval"), namespace)


@dataclass(frozen=True)
class Ran:
    """What a cell gave: `error` is "" or the exception with its message."""

    result: Any
    output: str
    figures: list[Any]
    displayed: list[Any]
    error: str

    @property
    def text(self) -> str:
        """What the cell shows as text."""
        return self.output + ("" if self.result is None else repr(self.result))


def watch(source: str, namespace: Namespace) -> Ran:
    """Run a cell and keep what it shows: its result, printed text, displayed objects and figures."""
    displayed: list[Any] = []

    def display(*objects: Any, **_: Any) -> None:
        for shown in objects:
            displayed.append(shown)
            print(shown)

    namespace.setdefault("display", display)
    if "IPython.display" in sys.modules:
        vars(sys.modules["IPython.display"])["display"] = display
    out, error, result = io.StringIO(), "", None
    with _figures() as figures:
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
                result = execute(source, namespace, "<answer>")
        except (Exception, SystemExit) as exc:
            error = f"{type(exc).__name__}: {exc}"[:300]
    if namespace.get("display") is display:
        del namespace["display"]
    for value in (result, *displayed, *_elements(result)):
        _note_figure(value, figures)
    return Ran(result, out.getvalue(), figures, displayed, error)


@contextlib.contextmanager
def _figures() -> Iterator[list[Any]]:
    """The figures that are made meanwhile, with pyplot or without."""
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    plt.close("all")
    made: list[Any] = []
    kept = Figure.__init__

    def noting(self: Any, *args: Any, **kwargs: Any) -> None:
        kept(self, *args, **kwargs)
        made.append(self)

    setattr(Figure, "__init__", noting)  # noqa: B010  assigning to a method is an error to mypy
    try:
        yield made
    finally:
        setattr(Figure, "__init__", kept)  # noqa: B010


def _elements(value: Any) -> list[Any]:
    """The elements of a small array of objects: the axes that pandas gives."""
    import numpy as np

    small = isinstance(value, np.ndarray) and value.dtype.kind == "O" and value.size < SMALL_ARRAY
    return list(value.ravel()) if small else []


def _note_figure(value: Any, figures: list[Any]) -> None:
    from matplotlib.figure import Figure

    figure = value if isinstance(value, Figure) else getattr(value, "figure", None)
    if isinstance(figure, Figure) and figure not in figures:
        figures.append(figure)


def installed(package: str) -> bool:
    """Whether the package can be imported here."""
    return importlib.util.find_spec(package) is not None


def replay(session: Mapping[str, Any], number: int, namespace: Namespace) -> None:
    """The hidden data code, then the cells before step `number`, requests by their references."""
    if session.get("data"):
        execute(session["data"], fresh(), "<data>")
    for at, step in enumerate(session["steps"][:number]):
        if all(installed(package) for package in step.get("requires", ())):
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                execute(step.get("setup") or step["reference"], namespace, f"<cell {at}>")


def judge_request(session: Mapping[str, Any], number: int, answer: str) -> Outcome:
    """The verdict on `answer` to the request at step `number`."""
    warnings.simplefilter("ignore")
    step = session["steps"][number]
    for package in step.get("requires", ()):
        if not installed(package):
            return outcome("excluded", f"{package} is not installed")
    namespace = fresh()
    try:
        replay(session, number, namespace)
    except Exception as exc:
        return outcome("excluded", f"replay: {type(exc).__name__}: {exc}")
    return verdict(answer, step["check"], namespace, may=frozenset(step.get("may_change", ())))


def judge_fix(item: Mapping[str, Any], answer: str, at: int) -> Outcome:
    """The verdict on a notebook with `answer` as its cell `at`: run to the failing cell, or to the last, then checked."""
    warnings.simplefilter("ignore")
    cells = [answer if number == at else cell for number, cell in enumerate(item["cells"])]
    if item.get("data"):
        execute(item["data"], fresh(), "<data>")
    last = len(cells) - 1 if item.get("failing") is None else int(item["failing"])
    namespace = fresh()
    for cell in cells[:last]:
        try:
            error = watch(cell, namespace).error
        except Exception as exc:
            error = f"{type(exc).__name__}: {exc}"
        if error:
            return outcome("crash", error)
    return verdict(cells[last], item["check"], namespace)


def verdict(answer: str, check: str, namespace: Namespace, *, may: frozenset[str] | None = None) -> Outcome:
    """Run `answer` in `namespace`, then `check`. may: variables that it may change (None: all)."""
    before = changes.snapshot(namespace)
    if not answer.strip():
        return outcome("empty", "empty")
    try:
        ast.parse(cell_source(answer))
    except (SyntaxError, RuntimeError, ValueError) as exc:
        return outcome("syntax", f"{type(exc).__name__}: {exc}")
    ran = watch(answer, namespace)
    if ran.error:
        return outcome("crash", ran.error)
    sight = Sight(namespace, before, ran.result, ran.displayed, ran.figures, ran.output, answer)
    faults, notes = ([], []) if may is None else changes.spoilt(before, namespace, may)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            exec(compile(check, "<check>", "exec"), _names(sight))
    except Exception as exc:
        told = str(exc) if isinstance(exc, AssertionError) and str(exc) else f"{type(exc).__name__}: {exc}"
        return outcome("wrong", f"check: {told}"[:400], notes)
    if faults:
        return outcome("spoilt", "spoilt: " + "; ".join(faults)[:300], notes)
    return outcome("ok", "", notes)


def _names(sight: Sight) -> Namespace:
    """What a check can name."""
    import numpy
    import pandas

    seen = {"ns": sight.namespace, "before": sight.before, "result": reading.plain(sight.result), "figs": sight.figures}
    readers = (reading.close, reading.key, reading.numbers_in, reading.maps_of, reading.lines_of)
    return {
        **seen,
        "out": sight.output,
        "source": sight.source,
        "np": numpy,
        "pd": pandas,
        "__builtins__": builtins,
        **{reader.__name__: reader for reader in readers},
        **{name: getattr(sight, name) for name in HELPERS},
        **drawn.HELPERS,
    }
