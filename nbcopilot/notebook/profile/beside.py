"""What lies beside the namespace: data files in the folder with their header, tables of open SQLite connections."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nbcopilot.live_state import Column, File, Join, Table

MAX_FILES, HEAD_BYTES, MAX_COLUMNS = 30, 64_000, 60
_TABULAR = {".csv": ",", ".tsv": "\t", ".txt": ","}
_DATA = frozenset(
    {*_TABULAR, ".json", ".jsonl", ".parquet", ".feather", ".xlsx", ".npy", ".npz", ".db", ".sqlite", ".log", ".h5"}
)
MAX_TABLES, MAX_VALUES, ROWS = 20, 12, 5000


def files(folder: Path | None, deadline: float) -> tuple[File, ...]:
    """Data files of a folder, not below it, newest first; headers as long as there is time."""
    if folder is None:
        return ()
    try:
        found = [
            e for e in os.scandir(folder) if e.is_file(follow_symlinks=False) and Path(e.name).suffix.lower() in _DATA
        ]
        found.sort(key=lambda entry: -entry.stat().st_mtime)
    except OSError:
        return ()
    return tuple(
        File(e.name, _header(Path(e.path)) if time.thread_time() < deadline else (), e.stat().st_size)
        for e in found[:MAX_FILES]
    )


def _header(path: Path) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES).decode("utf-8", "replace")
    except OSError:
        return ()
    suffix = path.suffix.lower()
    if suffix in _TABULAR:
        first = head.partition("\n")[0].strip()
        mark = max(",;\t|", key=first.count)
        row = next(csv.reader([first], delimiter=mark), []) if mark in first else []
        return tuple(cell.strip()[:60] for cell in row[:MAX_COLUMNS] if cell.strip())
    if suffix in (".json", ".jsonl"):
        with contextlib.suppress(ValueError):
            first, _ = json.JSONDecoder().raw_decode(head.lstrip())
            first = first[0] if isinstance(first, list) and first else first
            return tuple(map(str, first))[:MAX_COLUMNS] if isinstance(first, dict) else ()
    return ()


def databases(namespace: Mapping[str, Any], deadline: float) -> tuple[list[Table], list[Join]]:
    """Tables of the SQLite connections in the namespace and the foreign keys that they declare.

    Only reading statements on the schema and the first rows; a connection of another thread, one that is busy or
    inside a transaction is left alone.
    """
    tables: list[Table] = []
    found: list[Join] = []
    for name, value in namespace.items():
        if type(value) is not sqlite3.Connection or time.thread_time() > deadline:
            continue
        with contextlib.suppress(sqlite3.Error):
            if not value.in_transaction:
                own = list(_tables(name, value, deadline))
                tables += own
                found += [join for table in own for join in _keys(value, table, own)]
    return tables, found


def _ask(connection: sqlite3.Connection, sql: str) -> list[tuple[Any, ...]]:
    cursor = sqlite3.Cursor(connection)  # of its own, with plain rows whatever the connection's row factory is
    cursor.row_factory = None
    try:
        return cursor.execute(sql).fetchall()
    finally:
        cursor.close()


def _tables(owner: str, connection: sqlite3.Connection, deadline: float) -> Iterable[Table]:
    names = _ask(
        connection, "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite_%'"
    )
    for (name,) in names[:MAX_TABLES]:
        quoted = '"' + name.replace('"', '""') + '"'
        info = _ask(connection, f"pragma table_info({quoted})")
        rows = _ask(connection, f"select * from {quoted} limit {ROWS}") if time.thread_time() < deadline else []
        columns = [_column(row, [line[i] for line in rows], len(rows)) for i, row in enumerate(info[:MAX_COLUMNS])]
        yield Table(name, len(rows) if len(rows) < ROWS else None, tuple(columns), "sqlite", len(info), owner)


def _column(info: tuple[Any, ...], values: list[Any], rows: int) -> Column:
    present = [value for value in values if value is not None]
    distinct = dict.fromkeys(present)
    plain = all(type(value) in (str, int, float) for value in distinct)
    kind = "number" if present and all(type(value) in (int, float) for value in distinct) else "text"
    shown = tuple(repr(value)[:40] for value in distinct) if plain and 0 < len(distinct) <= MAX_VALUES else ()
    example = repr(present[0])[:40] if present and not shown and kind == "text" else ""
    low, high = (f"{min(distinct)}", f"{max(distinct)}") if plain and kind == "number" and distinct else (example, "")
    return Column(
        repr(info[1]), str(info[1]), str(info[2]).lower() or kind, kind, len(distinct), rows - len(present), shown,
        low, high, key=bool(info[5]) or (rows > 1 and len(distinct) == rows),
    )  # fmt: skip


def _keys(connection: sqlite3.Connection, table: Table, all_tables: list[Table]) -> Iterable[Join]:
    quoted = '"' + table.name.replace('"', '""') + '"'
    for row in _ask(connection, f"pragma foreign_key_list({quoted})"):
        other = next((one for one in all_tables if one.name == row[2]), None)
        if other is not None:
            key = row[4] or next((c.text for c in other.columns if c.key), "")
            yield Join(table.name, repr(row[3]), other.name, repr(key), 1.0, False, True, score=1.0)
            continue
    declared = _ask(connection, f"pragma foreign_key_list({quoted})")
    if declared:
        return
    for column in table.columns:
        for other in all_tables:
            head = column.text.casefold().removesuffix("id").rstrip("_")
            key = next(
                (c for c in other.columns if c.key and c.text.casefold() in ("id", column.text.casefold())), None
            )
            if (
                other is not table
                and key
                and not (column.key and column.text == key.text)
                and head
                and other.name.casefold().startswith(head)
            ):
                yield Join(table.name, column.label, other.name, key.label, 1.0, False, True, score=0.8)
