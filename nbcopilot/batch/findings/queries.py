"""What a query in SQL gives: its tables, and what its computed columns are. By patterns: enough for one plain select."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from nbcopilot.batch.findings.phrases import listed, measured

_SELECT = re.compile(r"\bselect\b(?P<what>.+?)\bfrom\s+(?P<table>[\w.\"]+)(?P<rest>.*)", re.I | re.S)
_JOINED = re.compile(r"\bjoin\s+([\w.]+)", re.I)
_MEASURE = re.compile(r"\b(\w+)\s*\(\s*(?:distinct\s+)?(\*|\w+(?:\.\w+)?)\s*\)(?:\s+as)?\s+(\w+)", re.I)
_KEYS = re.compile(r"\bgroup\s+by\s+(.+?)(?:\border\b|\bhaving\b|\blimit\b|;|\Z)", re.I | re.S)
_NAMES = {"avg": "mean", **{name: name for name in ("sum", "count", "min", "max")}}


@dataclass(frozen=True)
class Query:
    """The tables that a query reads, and its computed columns in words by their names."""

    tables: tuple[str, ...]
    measures: dict[str, str] = field(default_factory=dict)


def query_of(node: ast.expr) -> Query | None:
    """The query that an expression runs (`pd.read_sql("select …", con)`); None where it runs none."""
    for call in (one for one in ast.walk(node) if isinstance(one, ast.Call)):
        for argument in call.args[:2]:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                match = _SELECT.search(argument.value)
                if match:
                    return _read(match)
    return None


def _read(match: re.Match[str]) -> Query:
    keys = _KEYS.search(match["rest"])
    by = [_key(one.strip(), match["what"]) for one in keys[1].split(",")] if keys else []
    tables = (match["table"].strip('"'), *_JOINED.findall(match["rest"]))
    measures = {}
    for function, column, name in _MEASURE.findall(match["what"]):
        measure = _NAMES.get(function.lower())
        if measure:
            what = "number of rows" if column == "*" else measured(measure, f"`{column}`")
            measures[name] = f"{what} by {listed([f'`{key}`' for key in by])}" if by else what
    return Query(tuple(dict.fromkeys(tables)), measures)


def _key(text: str, what: str) -> str:
    """The name of a key: of `1` it is that of the first column that is selected."""
    if not text.isdigit():
        return text
    parts = re.split(r",(?![^(]*\))", what)
    part = parts[int(text) - 1].strip() if 0 < int(text) <= len(parts) else text
    return part.split()[-1]
