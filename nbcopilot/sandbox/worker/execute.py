"""One run of one cell in a namespace, as a notebook would run it, and all that can be said of it afterwards.

Top-level await, the value of the last expression, `__name__ == "__main__"`, a running event loop for code that uses
asyncio, headless plots, warnings collected, no standard input. The namespace is changed; callers fork first.
"""

from __future__ import annotations

import ast
import builtins
import linecache
import os
import random
import signal
import sys
import time
import types
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nbcopilot.sandbox.worker import compare, data_steps, describe_value, preview, preview_figure, unmet_requirements
from nbcopilot.sandbox.worker import source as sources
from nbcopilot.sandbox.worker.audit import Watch
from nbcopilot.sandbox.worker.output import NoInput, Tape
from nbcopilot.sandbox.worker.shell import NotRunnable, Shell, display


class TimeLimit(BaseException):
    """The run used up its wall time."""


class Session:
    """A namespace in which cells run one after the other, with their output on a tape."""

    def __init__(
        self,
        tape: Tape,
        watch: Watch,
        *,
        may_start_programs: bool,
        files_known: bool,
        module: types.ModuleType | None = None,
    ) -> None:
        self.module = module or types.ModuleType("__main__")
        self.namespace: dict[str, Any] = self.module.__dict__
        self.tape = tape
        self.watch = watch
        self.files_known = files_known
        sys.modules["__main__"] = self.module
        self.shell = Shell(self.namespace, self._line, may_start_programs=may_start_programs)
        self.own = {"get_ipython": lambda: self.shell, "display": display, "exit": _leave, "quit": _leave}
        self._hidden = {*self.own, *vars(types.ModuleType("__main__")), "In", "Out"}
        self.namespace.update(self.own)
        for name, value in (("In", [""]), ("Out", {}), ("_", ""), ("__", ""), ("___", "")):
            self.namespace.setdefault(name, value)
        self._redirect()

    def names(self) -> list[str]:
        """Names that the notebook's author would call variables: not private, not the shell's."""
        return [n for n in self.namespace if not n.startswith("_") and n not in self._hidden]

    def run(self, source: str, filename: str, seconds: float) -> tuple[dict[str, Any], Any]:
        """(what happened, the value of the last expression) of one cell; nothing is raised."""
        describe_value.remember(filename, source)
        self.watch.clear()
        report: dict[str, Any] = {
            "ok": True,
            "needs": None,
            "error": None,
            "timed_out": False,
            "memory_exceeded": False,
        }
        value: Any = None
        started = time.perf_counter()
        steps: list[dict[str, Any]] = []
        with warnings.catch_warnings(record=True) as caught, self._time_limit(seconds):
            warnings.simplefilter("default")
            try:
                with data_steps.recorded(filename, steps):
                    value = self._execute(source, filename)
            except BaseException as exc:
                self._failed(report, exc, filename)
        report["seconds"] = time.perf_counter() - started
        report["steps"] = steps
        report["elsewhere"] = describe_value.within(
            1.0, lambda: describe_value.found_elsewhere(value, source, self.namespace), []
        )
        report["warnings"] = describe_value.warned(caught, filename)
        return report, value

    def _failed(self, report: dict[str, Any], exc: BaseException, filename: str) -> None:
        report["ok"] = False
        error = describe_value.error(exc, filename)
        if isinstance(exc, NotRunnable):
            report["needs"] = exc.as_json()
        elif isinstance(exc, TimeLimit):
            report["timed_out"] = True
        elif isinstance(exc, MemoryError):
            report["memory_exceeded"] = True
        else:
            report["needs"] = unmet_requirements.missing(error, self.watch, files_known=self.files_known)
        line = linecache.getline(filename, error["line"] or 0)
        report["error"] = {key: error[key] for key in ("name", "message", "line", "traceback")}
        report["error"]["suggestions"] = describe_value.within(
            1.0, lambda: describe_value.suggestions(exc, self.namespace, line), []
        )

    def _execute(self, source: str, filename: str) -> Any:
        tree = ast.parse(source, filename)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        parts = [sources.compiled(tree, filename)]
        if isinstance(last, ast.Expr):
            parts.append(sources.compiled(ast.Expression(last.value), filename, "eval"))
        value = sources.run(parts, self.namespace, in_loop="asyncio" in source)
        return value if last is not None else None

    def _line(self, source: str) -> Any:
        """For %time and the like: a piece of the cell, in the same namespace."""
        try:
            return sources.evaluate(source.strip(), "cell", self.namespace)
        except SyntaxError:
            sources.execute(source, "cell", self.namespace)
        return None

    def _redirect(self) -> None:
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = self.tape  # type: ignore[assignment,misc]
        sys.stdin = sys.__stdin__ = NoInput(NotRunnable)  # type: ignore[assignment,misc]

        def no_input(prompt: object = "") -> str:
            raise NotRunnable("keyboard")

        builtins.input = no_input
        vars(builtins).update(exit=_leave, quit=_leave)
        sys.argv = [""]
        random.seed(0)

    @contextmanager
    def _time_limit(self, seconds: float) -> Iterator[None]:
        def stop(number: int, frame: types.FrameType | None) -> None:
            raise TimeLimit(f"did not finish in {seconds:g} s")

        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


class Effects:
    """What a run did to a namespace: taken before it, asked after it."""

    def __init__(self, session: Session, reserved: frozenset[str]) -> None:
        self.session = session
        self.reserved = reserved  # names that exist in the notebook but were too large to bring along
        names = session.names()
        preview_figure.close_all()
        self.before = compare.fingerprints(session.namespace, names)
        self.after: dict[str, compare.Fingerprint] = {}
        self.shapes = preview.shapes(session.namespace, names)
        self.plots = describe_value.plots()

    def preview(self, code: str, value: Any, found: Mapping[str, Any], may_draw: bool) -> dict[str, Any]:
        """What the run gave, as `preview` has it; `found` is what `collect` has said."""
        namespace = self.session.namespace
        columns = {name: shape["labels"] for name, shape in self.shapes.items() if shape.get("labels")}
        figures = preview_figure.views(value, may_draw)
        return {
            "value": preview.value_view(value, bool(figures)),
            "figures": figures,
            "changes": preview.changes(self.shapes, namespace, (self.before, self.after), found),
            "unchanged": preview.read_only(code, namespace, self.before, [*found["changed"], *found["deleted"]]),
            "uses": preview.uses(code, columns),
        }

    def collect(self) -> dict[str, Any]:
        """{"created", "changed", "deleted", "imported", "plots"}; created and changed map names to descriptions."""
        namespace = self.session.namespace
        after = self.session.names()
        created = [n for n in after if n not in self.before and n not in self.reserved]
        again = self.after = compare.fingerprints(namespace, self.before)
        changed = [n for n in self.before if n in namespace and again[n].differs(self.before[n])]
        # A module of the same name is taken for the same one, imported again.
        changed += [
            n
            for n in after
            if n in self.reserved and n not in self.before and not isinstance(namespace[n], types.ModuleType)
        ]
        modules = [n for n in created if isinstance(namespace[n], types.ModuleType)]
        return {
            "created": {n: describe_value.describe(namespace[n], 200) for n in created if n not in modules},
            "changed": {n: describe_value.describe(namespace[n], 200) for n in changed},
            "deleted": [n for n in self.before if n not in namespace],
            "imported": modules,
            "plots": max(0, describe_value.plots() - self.plots),
        }


def _leave(code: object = None) -> None:
    raise SystemExit(code)


def new_session(place: Mapping[str, Any], watch: Watch, tape: Tape) -> Session:
    """A Session with the search path and the folder that a notebook in the data folder would have."""
    for path in reversed([str(p) for p in place.get("local", ())]):
        if path not in sys.path:
            sys.path.insert(0, path)
    sys.path.insert(0, "")
    os.chdir(str(place["scratch"]))
    return Session(tape, watch, may_start_programs=place["level"] != "rlimits", files_known=bool(place.get("data")))
