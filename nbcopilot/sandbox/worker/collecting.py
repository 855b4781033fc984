"""What must be called for a test: plain functions, parameter sets, methods of test classes, unittest cases."""

from __future__ import annotations

import asyncio
import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any


class NotATest(Exception):
    """The test cannot be run by itself."""


def calls(test: Any) -> Iterator[Callable[[], Any]]:
    """What must be called for one test: once, once for each parameter set, or each method of a class."""
    if inspect.isclass(test):
        cases = [name for name in dir(test) if name.startswith("test")]
        if hasattr(test, "assertEqual"):  # unittest
            make: Callable[[str], Any] = test
            yield from (make(name).debug for name in cases)
            return
        for name in cases:
            yield from calls(_method(test, name))
        return
    sets = _parameter_sets(test)
    required = [
        p.name for p in inspect.signature(test).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and all(p.name not in s for s in sets)
    ]  # fmt: skip
    if set(required) - {"tmp_path"}:
        raise NotATest(f"it needs the fixture `{required[0]}`")
    for values in sets:
        extra = {"tmp_path": Path(tempfile.mkdtemp(dir="."))} if required else {}

        def call(values: Mapping[str, Any] = values, extra: Mapping[str, Any] = extra) -> Any:
            made = test(**values, **extra)
            return asyncio.new_event_loop().run_until_complete(made) if inspect.iscoroutine(made) else made

        yield call


def _method(test: type, name: str) -> Any:
    instance = test()
    for prepare in ("setup_method", "setup"):
        if hasattr(instance, prepare):
            function = getattr(instance, prepare)
            function(*([None] * len(inspect.signature(function).parameters)))
            break
    return getattr(instance, name)


def _parameter_sets(test: Any) -> list[dict[str, Any]]:
    """The keyword arguments of each call that `pytest.mark.parametrize` asks for; one empty set without it."""
    sets: list[dict[str, Any]] = [{}]
    for mark in getattr(test, "pytestmark", ()):
        if mark.name in ("skip", "skipif", "xfail"):
            raise NotATest(f"it is marked {mark.name}")
        if mark.name != "parametrize":
            continue
        names, rows = mark.args[0], mark.args[1]
        names = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)
        made = []
        for row in rows:
            values = getattr(row, "values", row)
            values = values() if callable(values) else values
            values = values if len(names) > 1 or hasattr(row, "marks") else (values,)
            made.append(dict(zip(names, values, strict=False)))
        sets = [{**a, **b} for a in sets for b in made][:200]
    return sets
