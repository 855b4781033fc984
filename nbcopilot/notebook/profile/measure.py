"""The live state of a namespace as facts, within a time limit: what the request will be grounded in."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nbcopilot.live_state import Column, LiveState, Table, Thing
from nbcopilot.notebook.describe import Detail, describe, signature
from nbcopilot.notebook.inspecting import class_name, is_a, is_trusted
from nbcopilot.notebook.libraries import describe_library
from nbcopilot.notebook.profile.beside import databases, files
from nbcopilot.notebook.profile.joins import joins
from nbcopilot.notebook.profile.nested import outline
from nbcopilot.notebook.profile.tables import column_facts, source_of, table_facts

# Processor time of this thread for all measuring, tables that are measured, other variables.
SECONDS = 1.0
MAX_TABLES, MAX_THINGS = 25, 120


def measure(
    namespace: Mapping[str, Any], names: Sequence[str], folder: Path | None, seconds: float = SECONDS
) -> LiveState:
    """The facts of `names` (the user's, newest or most relevant first) in `namespace`. Never raises.

    What does not fit into `seconds` is left out and named in `skipped`.
    """
    started = time.thread_time()
    deadline = started + seconds
    tables: list[Table] = []
    things: list[Thing] = []
    skipped: list[str] = []
    for place, name in enumerate(names):
        value = namespace.get(name)
        try:
            if is_a(value, "pandas", "DataFrame") or is_a(value, "polars", "DataFrame"):
                if len(tables) >= MAX_TABLES or time.thread_time() > started + 0.7 * seconds:
                    skipped.append(f"{name}: no time to measure it")
                    continue
                table = table_facts(name, value, started + 0.7 * seconds, made=place)
                if table is not None:
                    tables.append(table)
                    continue
            if len(things) < MAX_THINGS:
                things.append(_thing(name, value))
        except Exception as exc:
            skipped.append(f"{name}: {type(exc).__name__}")
    bases, declared = _safe(lambda: databases({n: namespace.get(n) for n in names}, deadline), ([], []))
    found = _safe(lambda: joins(tables, namespace, deadline), ())
    now = max((high for table in tables for column in table.columns if (high := _last_date(column))), default="")
    return LiveState(
        tables=(*tables, *bases),
        joins=(*found, *declared),
        things=tuple(things),
        files=_safe(lambda: files(folder, deadline), ()),
        now=now,
        skipped=tuple(skipped),
    )


def _safe(make: Any, otherwise: Any) -> Any:
    try:
        return make()
    except Exception:
        return otherwise


def _last_date(column: Column) -> str:
    if column.kind == "date":
        return column.high
    return column.disguise.high if column.disguise is not None and column.disguise.kind == "date" else ""


def _thing(name: str, value: Any) -> Thing:
    kind, text = (describe_library(value, Detail()) if is_trusted(type(value)) else None) or describe(value)
    parts: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    if type(value) is dict:
        parts, text = tuple(source_of(key) for key in list(value)[:40]), outline(value)
    elif type(value) is list and value and type(value[0]) in (dict, list):
        text = outline(value)
    elif kind == "function" and hasattr(value, "__code__"):
        parts = tuple(value.__code__.co_varnames[: value.__code__.co_argcount])
        text = f"{name}{signature(value)}"
    elif is_a(value, "pandas", "Series"):
        facts = column_facts(value.name, value, whole=len(value) < 100_000, duplicated=False)
        parts = tuple(str(one) for one in value.index.names if one is not None)
        values = facts.values
    elif type(value) in (list, tuple):
        values = tuple(source_of(one) for one in value[:20] if type(one) is str)
    return Thing(name, kind, class_name(type(value)), text[:500], parts, values)
